package registry

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// A handful of snapshots is written at once, in a flood they take a hundredth of the time, and in a hurry all are written.
func TestShelfPace(t *testing.T) {
	f := newShelf()
	now := time.Unix(1_000_000, 0)
	const each = time.Millisecond
	began := now
	written := func(until time.Time, hurry bool) (n int) {
		for {
			k, wait, some := f.next(now, hurry)
			if !some {
				if wait == 0 || now.Add(wait).After(until) {
					return n
				}
				now = now.Add(wait)
				continue
			}
			now = now.Add(each)
			f.done(k, 1, now.Add(-each), now, hurry, nil)
			n++
		}
	}
	for i := range 10_000 {
		f.add(serviceKey{"g", strconv.Itoa(i)})
		f.add(serviceKey{"g", strconv.Itoa(i)}) // once is enough
	}
	first := written(now.Add(4*time.Second), false)
	if want := int(shelfCredit / each); first < want || first > want+40 {
		t.Errorf("at once: got %d, want about %d", first, want)
	}
	more := written(now.Add(100*time.Second), false)
	if want := int(100 * time.Second / each / shelfShare); more < want*9/10 || more > want*11/10 {
		t.Errorf("in 100 s after that: got %d, want about %d", more, want)
	}
	if rest := written(now, true); first+more+rest != 10_000 || !f.empty() {
		t.Errorf("got %d, %d and %d of 10000 in %v", first, more, rest, now.Sub(began))
	}
}

// What fails is tried again after a pause that grows, and holds up nobody else.
func TestShelfFailures(t *testing.T) {
	f := newShelf()
	now := time.Unix(1_000_000, 0)
	bad, good := serviceKey{"g", "bad"}, serviceKey{"g", "good"}
	f.add(bad)
	for _, pause := range []time.Duration{firstRetry, 2 * firstRetry, 4 * firstRetry} {
		f.add(good)
		for range 2 {
			k, _, some := f.next(now, false)
			if !some {
				t.Fatal("nothing is to be written")
			}
			var err error
			if k == bad {
				err = errors.New("in the way")
			}
			f.done(k, 1, now, now, false, err)
		}
		_, wait, some := f.next(now, false)
		if some || wait != pause || len(f.failed) != 1 {
			t.Fatalf("got %v, %v, %d failed; want a pause of %v", some, wait, len(f.failed), pause)
		}
		now = now.Add(wait)
	}
	k, _, _ := f.next(now, false)
	f.done(k, 1, now, now, false, nil)
	if k != bad || !f.empty() || len(f.failed) != 0 || f.retry != 0 {
		t.Errorf("got %v, %+v", k, f)
	}
}

// A snapshot that a crash of the host has left empty, or that is older than the records, is put right by the next start, also
// when the registry tells nothing; one that says the same is left alone.
func TestStoreMendsSnapshots(t *testing.T) {
	for _, damage := range []string{"", someNodes, "gone", "same"} {
		t.Run(fmt.Sprintf("%.10s", damage), func(t *testing.T) {
			dir := t.TempDir()
			remember(t, dir, "zk", ports(t, "7 8")...)
			path := filepath.Join(dir, snapshotName(hello.key()))
			var err error
			switch damage {
			case "gone":
				err = os.Remove(path)
			case "same":
			default:
				err = os.WriteFile(path, []byte(damage), 0o600)
			}
			before, _ := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			c := cache(t, silent{}, dir, Protection{})
			watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:7", "10.0.0.1:8")
			flushed(t, c)
			if got := public(t, dir); len(got) != 2 || got[0] != "10.0.0.1:7" {
				t.Errorf("got %v", got)
			}
			if after, err := os.Stat(path); damage == "same" && (err != nil || !os.SameFile(before, after)) {
				t.Errorf("it was written though it said the same: %v", err)
			}
		})
	}
}
