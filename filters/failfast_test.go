package filters

import (
	"testing"
	"time"
)

func TestFailfast(t *testing.T) {
	s := settings(textParams("failfast.errors=3 failfast.retryAfter=1000"))
	b := newTestBreaker(t, "failfast", s)
	const out = "the node failed too often in a row"
	steps := []struct {
		after time.Duration
		node  string
		fail  bool
		want  string
	}{
		{0, "a", true, "late"},
		{0, "a", true, "late"},
		{0, "a", false, "ok"}, // not in a row
		{0, "a", true, "late"},
		{0, "a", true, "late"},
		{0, "a", true, "late"},
		{0, "a", false, out},
		{0, "b", false, "ok"},
		{999 * time.Millisecond, "a", false, out},
		{1000 * time.Millisecond, "a", true, "late"}, // tried
		{1000 * time.Millisecond, "a", false, out},
		{2000 * time.Millisecond, "a", false, "ok"}, // and back
		{2000 * time.Millisecond, "a", true, "late"},
		{2000 * time.Millisecond, "a", false, "ok"},
	}
	for i, x := range steps {
		if got := b.do(x.after, x.node, x.fail); got != x.want {
			t.Fatalf("step %d: got %s, want %s", i, got, x.want)
		}
		if want := map[bool]float64{true: 1}[i >= 5 && i < 11]; counted(s.States, "out") != want {
			t.Errorf("step %d: got %v nodes out, want %v", i, counted(s.States, "out"), want)
		}
	}
	if got := counted(s.States, "refused"); got != 3 {
		t.Errorf("counted %v refused, want 3", got)
	}
	passesFree(t, "failfast", nil)
}

// One call alone is tried while a node is out, whoever else asks.
func TestFailfastTriesOne(t *testing.T) {
	b := newTestBreaker(t, "failfast", settings(textParams("failfast.errors=1 failfast.retryAfter=1000")))
	b.do(0, "a", true)
	waiting := 0
	for range 5 {
		b.fail = true
		c := at("m", time.Second)
		c.Endpoint = "a"
		if b.h.Handle(c); c.Err != nil && c.Err.Message == "late" {
			waiting++
		}
		c.Release()
	}
	if waiting != 1 {
		t.Errorf("got %d calls tried, want 1", waiting)
	}
}
