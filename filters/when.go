package filters

import (
	"errors"
	"fmt"
	"maps"
	"strings"

	"github.com/motand/motand/motan"
)

// When stands around every filter that a configuration names and lets it act on some calls only: those
// that the key <filter>.when describes, also of one method as method().<filter>.when. Calls that
// the filter does not act on pass as if it were not there. Without the key it acts on all.
//
// The key is a list of terms, all of which must hold. A name is that of the call's metadata:
// M_s for the calling application, M_g for the group, or any attachment.
//
//	region=eu|us      the metadata has one of these values; * at the end of one stands for any rest
//	region!=eu        it has another value, or none
//	canary            it is there
//	!canary           it is not
//	switch:night      the switch of that name is on for the call; it is off until it is set
//
// So rateLimit.when: "M_s=shop-*,switch:night" limits the shop's applications while the switch
// night is on: by the configuration, the management port or a command of the registry.
type When struct {
	knobs[byMethod[condition]]
	name  string
	inner motan.Filter
}

var (
	_ motan.Filter = (*When)(nil)
	_ Adjustable   = (*When)(nil)
)

type whenState struct {
	override[byMethod[condition]]
}

// condition is terms that must all hold.
type condition []term

type term struct {
	name   string
	not    bool
	values []string // nil: the name is there
	on     *Switch  // instead of a name
}

// NewWhen returns f, which the configuration names so, acting on the calls that its key says.
func NewWhen(name string, f motan.Filter, s Settings) (*When, error) {
	key := name + ".when"
	s.ID += "\x00when" // a state beside the filter's own
	w := &When{name: name, inner: f}
	var err error
	w.knobs, err = newKnobs(s, &shared[whenState](s, name).override, func(p *params) *byMethod[condition] {
		return readMethods(p, func(p *params) condition { return readCondition(p, key, s.Switches) }, key)
	})
	return w, err
}

func readCondition(p *params, key string, switches *Switches) condition {
	_, written := p.look(key)
	var all condition
	for _, item := range p.list(key) {
		t, err := parseTerm(item, switches)
		if err != nil {
			p.fail(written, "%.80q %v", item, err)
			continue
		}
		all = append(all, t)
	}
	return all
}

var errNoTerm = errors.New("is no condition: write name=value, name!=value, name, !name, or switch:name")

func parseTerm(item string, switches *Switches) (t term, err error) {
	if name, ok := strings.CutPrefix(item, "switch:"); ok {
		if name == "" || len(name) > maxNameBytes {
			return t, errNoTerm
		}
		return term{on: switches.Register(name, false)}, nil
	}
	name, value, ok := strings.Cut(item, "=")
	if !ok {
		t.name, t.not = strings.CutPrefix(item, "!")
	} else {
		t.name, t.not = strings.CutSuffix(name, "!")
		for v := range strings.SplitSeq(value, "|") {
			if v = strings.TrimSpace(v); v == "" {
				return t, errNoTerm
			}
			t.values = append(t.values, v)
		}
	}
	t.name = strings.TrimSpace(t.name)
	if t.name == "" || len(t.name) > maxNameBytes {
		return t, errNoTerm
	}
	return t, nil
}

func (x condition) holds(c *motan.Call) bool {
	for i := range x {
		if !x[i].holds(c) {
			return false
		}
	}
	return true
}

func (t *term) holds(c *motan.Call) bool {
	if t.on != nil {
		return t.on.OnFor(c)
	}
	value := c.Request.Get(t.name)
	if t.values == nil {
		return (value != nil) != t.not
	}
	return (value != nil && named(t.values, value)) != t.not
}

// skipped is noted with a call that the filter does not act on: what its metadata says may change before it comes back.
type skipped struct{}

// Request is the filter's, for the calls that it acts on.
func (w *When) Request(c *motan.Call) motan.Verdict {
	if x := w.get(); (len(x.whole) > 0 || len(x.methods) > 0) && !x.of(c).holds(c) {
		c.Note(w, skipped{})
		return motan.Next
	}
	return w.inner.Request(c)
}

// Reply is the filter's, likewise.
func (w *When) Reply(c *motan.Call) {
	if c.Noted(w) == nil {
		w.inner.Reply(c)
	}
}

// Adjust is that of [Adjustable]: of the condition, and of the filter where that can be adjusted.
func (w *When) Adjust(keys map[string]string) error {
	var own, others map[string]string
	put := func(to *map[string]string, key, value string) {
		if *to == nil {
			*to = make(map[string]string)
		}
		(*to)[key] = value
	}
	for key, value := range keys {
		if key == w.name+".when" || strings.HasSuffix(key, ")."+w.name+".when") {
			put(&own, key, value)
		} else {
			put(&others, key, value)
		}
	}
	inner, ok := w.inner.(Adjustable)
	if !ok {
		if len(others) > 0 {
			return fmt.Errorf("filters: %s has no settings that can be changed but %s.when", w.name, w.name)
		}
		return w.knobs.Adjust(own)
	}
	before := inner.Adjusted()
	if err := inner.Adjust(others); err != nil {
		return err
	}
	if err := w.knobs.Adjust(own); err != nil {
		return errors.Join(err, inner.Adjust(before))
	}
	return nil
}

// Adjusted is that of [Adjustable].
func (w *When) Adjusted() map[string]string {
	all := maps.Clone(w.knobs.Adjusted())
	if inner, ok := w.inner.(Adjustable); ok {
		if all == nil {
			return inner.Adjusted()
		}
		maps.Copy(all, inner.Adjusted())
	}
	return all
}

// Unwrap is the filter.
func (w *When) Unwrap() motan.Filter { return w.inner }
