package motan_test

import (
	"testing"

	"github.com/motand/motand/motan"
)

// mindful notes a value on the way in and reads it on the way back.
type mindful struct {
	value any
	got   any
}

func (f *mindful) Request(c *motan.Call) motan.Verdict {
	c.Note(f, f.value)
	return motan.Next
}

func (f *mindful) Reply(c *motan.Call) { f.got = c.Noted(f) }

// Each filter finds its own note, the last one first, and only once.
func TestNotes(t *testing.T) {
	c := motan.NewCall()
	defer c.Release()
	a, b := new(mindful), new(mindful)
	c.Note(a, 1)
	c.Note(b, 2)
	c.Note(a, 3)
	for i, tt := range []struct {
		of   motan.Filter
		want any
	}{{a, 3}, {a, 1}, {a, nil}, {b, 2}, {b, nil}} {
		if got := c.Noted(tt.of); got != tt.want {
			t.Errorf("%d: got %v, want %v", i, got, tt.want)
		}
	}
}

// A filter that did not ask for its note leaves nothing in the next call.
func TestNotesEndWithTheCall(t *testing.T) {
	f := &mindful{value: "x"}
	for range 100 {
		c := motan.NewCall()
		if got := c.Noted(f); got != nil {
			t.Fatalf("a new call has the note %v of another one", got)
		}
		c.Note(f, "x")
		c.Release()
	}
}

func TestNoteAllocs(t *testing.T) {
	if racing {
		t.Skip("the race detector makes pools drop what they hold")
	}
	f := &mindful{value: new(int)}
	h := motan.NewChain(motan.HandlerFunc((*motan.Call).End), f)
	if n := testing.AllocsPerRun(500, func() {
		c := motan.NewCall()
		h.Handle(c)
		c.Release()
	}); n != 0 {
		t.Errorf("got %v allocations for a call with a note, want 0", n)
	}
	if f.got != f.value {
		t.Errorf("got %v, want the noted %v", f.got, f.value)
	}
}

// keeping keeps calls on their way back.
type keeping struct {
	step
	keep func(*motan.Call)
}

func (f keeping) Reply(c *motan.Call) {
	f.step.Reply(c)
	c.Keep(motan.HandlerFunc(f.keep))
}

// A filter that keeps a call on its way back has it between the filters inside and those outside,
// and whoever ends it later lets it go on; guarded or not.
func TestKeep(t *testing.T) {
	for _, guarded := range []bool{false, true} {
		for name, ended := range map[string]func(*motan.Call){
			"at once":   (*motan.Call).End,
			"elsewhere": func(c *motan.Call) { go c.End() }, // ends with the call
		} {
			t.Run(name, func(t *testing.T) {
				log := new(journal)
				keeper := keeping{step{name: "b", log: log}, func(c *motan.Call) {
					log.add("kept")
					ended(c)
				}}
				all := []motan.Filter{step{name: "a", log: log}, keeper, step{name: "c", log: log}, keeper}
				if guarded {
					for i, f := range all {
						all[i] = watch{f}
					}
				}
				h := motan.NewChain(motan.HandlerFunc(func(c *motan.Call) {
					log.add("P")
					c.End()
				}), all...)
				c := motan.NewCall()
				defer c.Release()
				motan.Do(h, c)
				if got, want := log.String(), "a> b> c> b> P <b kept <c <b kept <a"; got != want {
					t.Errorf("got  %s\nwant %s", got, want)
				}
			})
		}
	}
}

// watch is a guard that lets panics be.
type watch struct{ motan.Filter }

func (w watch) Unguarded() motan.Filter { return w.Filter }

func (watch) Caught(x any) (*motan.Error, motan.Filter) { panic(x) }
