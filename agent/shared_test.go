package agent

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/conf"
)

func TestShared(t *testing.T) {
	var s shared[int]
	made, freed := 0, 0
	get := func(key string) *item[int] {
		t.Helper()
		x, err := s.get(fingerprintOf(key), func() (int, func(), error) {
			made++
			return made, func() { freed++ }, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		return x
	}
	a, again, b := get("a"), get("a"), get("b")
	if a.value != 1 || again.value != 1 || b.value != 2 || made != 2 {
		t.Errorf("got %d, %d, %d, want equal keys to share", a.value, again.value, b.value)
	}
	a.hold()
	for range 2 {
		a.release()
	}
	if freed != 0 {
		t.Error("freed while somebody has it")
	}
	a.release()
	b.release()
	if freed != 2 || len(s.items) != 0 {
		t.Errorf("freed %d of 2, %d left", freed, len(s.items))
	}
	if x := get("a"); x.value != 3 {
		t.Errorf("after the last release: got %d, want a new one", x.value)
	}
	broken := errors.New("broken")
	if _, err := s.get(fingerprintOf("c"), func() (int, func(), error) { return 0, nil, broken }); !errors.Is(err, broken) || len(s.items) != 1 {
		t.Errorf("got %v and %d items, want the error and nothing kept", err, len(s.items))
	}
}

// What is configured equally has one fingerprint wherever it stands; any difference shows.
func TestFingerprints(t *testing.T) {
	entry := func(before, keys string) *conf.Refer {
		return parse(t, Default(), "", before+recorderless+"motan-refer:\n  r: {path: p, group: g"+keys+"}\n").Refers[0]
	}
	of := func(r *conf.Refer) fingerprint {
		plain := *r
		plain.Position = conf.Position{}
		return fingerprintOf(plain)
	}
	base := of(entry("", ""))
	if of(entry("# a line more\n\n", "")) != base {
		t.Error("the place makes a difference")
	}
	for _, keys := range []string{", retries: 1", ", requestTimeout: 999", ", custom: x", ", filter: a", ", 'm().requestTimeout': 5", ", loadbalance: roundrobin"} {
		if of(entry("", keys)) == base {
			t.Errorf("%q makes no difference", keys)
		}
	}
}

func TestAttic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var a attic
		freed := make(chan string, 10)
		put := func(name string, after time.Duration) { a.put(after, func() { freed <- name }) }
		want := func(when, names string) {
			t.Helper()
			synctest.Wait()
			got := ""
			for len(freed) > 0 {
				got += <-freed
			}
			if got != names {
				t.Errorf("%s: freed %q, want %q", when, got, names)
			}
		}
		put("b", 2*time.Second)
		put("a", time.Second)
		put("c", time.Hour)
		want("at once", "")
		time.Sleep(3 * time.Second)
		want("after 3 s", "ab")
		a.close()
		want("after close", "c")
		put("d", time.Hour)
		a.close()
		want("put after close", "d")
	})
}
