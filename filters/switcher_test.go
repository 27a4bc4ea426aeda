package filters

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
)

func TestParseSwitch(t *testing.T) {
	tests := []struct{ text, want string }{
		{"true", "true"},
		{" false ", "false"},
		{"1", "true"},
		{"100%", "true"},
		{"0%", "false"},
		{"30%", "30%"},
		{"true for a, b", "true for a,b"},
		{"30% for a", "30% for a"},
		{"false for a", "false"},
	}
	for _, tt := range tests {
		v, err := ParseSwitch(tt.text)
		if err != nil || v.String() != tt.want {
			t.Errorf("%q: got %s, %v, want %s", tt.text, v, err, tt.want)
		}
		if again, err := ParseSwitch(v.String()); err != nil || again.String() != tt.want {
			t.Errorf("%q is not read back: got %s, %v", v, again, err)
		}
	}
	for _, bad := range []string{"", "maybe", "101%", "-1%", "x%", "true for ", "true for ,", "for a", "true for " + strings.Repeat("a,", 101)} {
		if v, err := ParseSwitch(bad); err == nil {
			t.Errorf("%.40q: got %s, want an error", bad, v)
		}
	}
}

func TestSwitchOnFor(t *testing.T) {
	tests := []struct {
		value, caller string
		least, most   int // of 1000 calls
	}{
		{"true", "a", 1000, 1000},
		{"false", "a", 0, 0},
		{"30%", "a", 200, 400}, // seven standard deviations
		{"true for a,b", "b", 1000, 1000},
		{"true for a,b", "c", 0, 0},
		{"true for a", "", 0, 0},
		{"30% for a", "a", 200, 400},
		{"30% for a", "b", 0, 0},
	}
	for _, tt := range tests {
		v, err := ParseSwitch(tt.value)
		if err != nil {
			t.Fatal(err)
		}
		w, n := newSwitch("x", v), 0
		c := call("m", "M_s", tt.caller)
		for range 1000 {
			if w.OnFor(c) {
				n++
			}
		}
		c.Release()
		if n < tt.least || n > tt.most {
			t.Errorf("%s for caller %q: on for %d of 1000, want %d to %d", tt.value, tt.caller, n, tt.least, tt.most)
		}
	}
}

func value(t *testing.T, text string) SwitchValue {
	t.Helper()
	v, err := ParseSwitch(text)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What was set by hand counts until the configuration says something new.
func TestSwitchesSetAndConfigured(t *testing.T) {
	var s Switches
	s.Configure("a", value(t, "true"))
	if s.Used("a") || s.Used("b") {
		t.Error("switches that no filter asks are used")
	}
	a := s.Register("a", false)
	if !a.Value().On || !s.Used("a") {
		t.Error("a filter's default won over the configuration")
	}
	before, err := s.Set("a", value(t, "30%"))
	if err != nil || before.String() != "true" {
		t.Errorf("got %s, %v, want true", before, err)
	}
	s.Configure("a", value(t, "true"))
	if got := a.Value().String(); got != "30%" {
		t.Errorf("configured as before: got %s, want 30%%", got)
	}
	s.Configure("a", value(t, "false"))
	if got := a.Value().String(); got != "false" {
		t.Errorf("configured anew: got %s, want false", got)
	}
	if _, err := s.Set("b", value(t, "true")); !errors.Is(err, ErrUnknownSwitch) || s.Get("b") != nil {
		t.Errorf("unknown: got %v, want ErrUnknownSwitch", err)
	}
	if got := s.Names(); !slices.Equal(got, []string{"a"}) {
		t.Errorf("names: got %q", got)
	}
	var none *Switches
	if !none.Register("x", true).Value().On {
		t.Error("without switches: got off, want the default")
	}
}

func TestSwitchesRestore(t *testing.T) {
	made := func() *Switches {
		s := new(Switches)
		for _, name := range []string{"a", "b", "c"} {
			s.Configure(name, value(t, "true"))
		}
		return s
	}
	first := made()
	for _, name := range []string{"a", "b"} {
		if _, err := first.Set(name, value(t, "10% for x")); err != nil {
			t.Fatal(err)
		}
	}
	changes := first.Changes()
	if len(changes) != 2 {
		t.Fatalf("got %v, want a and b", changes)
	}
	changes["gone"] = SwitchChange{"false", "true"}
	changes["c"] = SwitchChange{"nonsense", "true"}
	second := made()
	second.Configure("b", value(t, "false"))
	if got := second.Restore(changes); !slices.Equal(got, []string{"b", "c", "gone"}) {
		t.Errorf("left out: got %q, want b, c and gone", got)
	}
	for name, want := range map[string]string{"a": "10% for x", "b": "false", "c": "true"} {
		if got := second.Get(name).Value().String(); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// Switches are set, registered and asked by many at once, which ended motan-go (a map without a lock).
func TestSwitchesAtOnce(t *testing.T) {
	var s Switches
	w := s.Register("x", true)
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			c := call("m", "M_s", "a")
			defer c.Release()
			for j := range 200 {
				s.Register(fmt.Sprint(i, j), true)
				if _, err := s.Set("x", SwitchValue{On: j%2 == 0, Percent: 100}); err != nil {
					t.Error(err)
				}
				w.OnFor(c)
				s.Changes()
				s.Configure("x", SwitchValue{On: j%3 == 0, Percent: 100})
			}
		})
	}
	wait.Wait()
	if got := len(s.Names()); got != 1601 {
		t.Errorf("got %d switches, want 1601", got)
	}
}

func TestSwitchesAreBounded(t *testing.T) {
	var s Switches
	for i := range maxSwitches + 10 {
		s.Register(fmt.Sprint(i), true)
	}
	if got := len(s.Names()); got != maxSwitches {
		t.Errorf("got %d switches, want %d", got, maxSwitches)
	}
}

func TestSwitcher(t *testing.T) {
	s := settings(map[string]string{"switcher.name": "all", "upload().switcher.name": "uploads"})
	h, _ := behind(t, ok, "switcher", s)
	off := "refused: service com.example.Echo is switched off by "
	steps := []struct {
		name, value   string
		hello, upload string
	}{
		{"", "", "ok", "ok"},
		{"all", "false", off + "all", "ok"},
		{"uploads", "false", off + "all", off + "uploads"},
		{"all", "true for shop", "ok", off + "uploads"},
		{"all", "true for other", off + "all", off + "uploads"},
		{"uploads", "true", off + "all", "ok"},
	}
	for _, x := range steps {
		if x.name != "" {
			if _, err := s.Switches.Set(x.name, value(t, x.value)); err != nil {
				t.Fatal(err)
			}
		}
		if got := outcomeOf(t, h, call("hello", "M_s", "shop")); got != x.hello {
			t.Errorf("%s %s: hello: got %s, want %s", x.name, x.value, got, x.hello)
		}
		if got := outcomeOf(t, h, call("upload", "M_s", "shop")); got != x.upload {
			t.Errorf("%s %s: upload: got %s, want %s", x.name, x.value, got, x.upload)
		}
	}
	if got := counted(s.States, "refused"); got != 7 {
		t.Errorf("counted %v refused, want 7", got)
	}
	passesFree(t, "switcher", nil)
	plain := settings(nil)
	build(t, "switcher", plain)
	if got := plain.Switches.Names(); !slices.Equal(got, []string{"echo_switcher"}) {
		t.Errorf("default name: got %q", got)
	}
}
