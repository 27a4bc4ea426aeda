package filters

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestParams(t *testing.T) {
	p := &params{text: map[string]string{
		"s": "text", "b": "true", "n": "7", "x": "1.5", "ms": "20", "l": " a, b,,c ", "p": "a=1,b = 2",
		"m(int).n": "8", "empty": "",
	}}
	check := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Errorf("%s: got %v, want %v", what, got, want)
		}
	}
	check("string", p.string("s", "-"), "text")
	check("string that is absent", p.string("none", "-"), "-")
	check("string that is empty", p.string("empty", "-"), "-")
	check("one of", p.oneOf("s", "-", "text", "other"), "text")
	check("bool", p.bool("b", false), true)
	check("int", p.int("n", 1, 0, 10), 7)
	check("float", p.float("x", 1, 0, 10), 1.5)
	check("millis", p.millis("ms", time.Second), 20*time.Millisecond)
	check("default of millis", p.millis("none", time.Second), time.Second)
	if got := p.list("l"); !slices.Equal(got, []string{"a", "b", "c"}) {
		t.Errorf("list: got %q", got)
	}
	if got := p.pairs("p"); !slices.Equal(got, [][2]string{{"a", "1"}, {"b", "2"}}) {
		t.Errorf("pairs: got %q", got)
	}
	own := &params{text: p.text, method: "m(int)."}
	check("of the method", own.int("n", 1, 0, 10), 8)
	check("of the service", own.string("s", "-"), "text")
	if err := p.err(); err != nil {
		t.Errorf("got %v, want no error", err)
	}
}

// What is wrong is told with its key, all at once, and in a steady order.
func TestParamsErrors(t *testing.T) {
	many := strings.Repeat("a,", 1001)
	p := &params{text: map[string]string{
		"b": "maybe", "n": "11", "n2": "x", "x": "NaN", "x2": "-1", "s": "c", "p": "a=,=b,c", "l": many, "ms": "100000000", "m().n": "-1",
	}}
	p.bool("b", false)
	p.int("n", 0, 0, 10)
	p.int("n2", 0, 0, 10)
	p.float("x", 0, 0, 1)
	p.float("x2", 0, 0, 1)
	p.oneOf("s", "a", "a", "b")
	p.pairs("p")
	p.list("l")
	p.millis("ms", 0)
	readMethods(p, func(p *params) int { return p.int("n", 0, 0, 10) }, "n")
	err := p.err()
	for _, key := range []string{"b", "n", "n2", "x", "x2", "s", "p", "l", "ms", "m().n"} {
		found := false
		for _, e := range p.errs {
			var s *SettingError
			found = found || errors.As(e, &s) && s.Key == key && s.Message != ""
		}
		if !found {
			t.Errorf("%s is not among the errors:\n%v", key, err)
		}
	}
	if lines := strings.Split(err.Error(), "\n"); !slices.IsSorted(lines) {
		t.Errorf("errors are not in order:\n%v", err)
	}
}

func TestByMethod(t *testing.T) {
	m := readMethods(&params{text: map[string]string{
		"n": "1", "get().n": "2", "get(int).n": "3", "put(a,b).other": "4", "n()": "5",
	}}, func(p *params) int { return p.int("n", 0, 0, 9) }, "n")
	tests := []struct {
		method, desc string
		want         int
	}{
		{"get", "", 2},
		{"get", "int", 3},
		{"get", "long", 2},
		{"put", "a,b", 1},
		{"", "", 1},
		{strings.Repeat("x", 300), strings.Repeat("y", 300), 1},
	}
	for _, tt := range tests {
		c := call(tt.method, "M_md", tt.desc)
		if got := *m.of(c); got != tt.want {
			t.Errorf("%s(%s): got %d, want %d", tt.method, tt.desc, got, tt.want)
		}
		c.Release()
	}
}
