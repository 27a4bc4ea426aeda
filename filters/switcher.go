package filters

import (
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Switcher lets calls through while a named switch is on for them, and refuses them
// otherwise: a service or a method that can be taken off the air, for some callers or for a
// share of the calls, without a restart.
//
// A switch is true, false, or a share such as 30%; "for a,b" behind it limits it to the calls
// of these applications (M_s), and for others it is off. It is set by the sections switcher
// and switchers, and at /switcher/set on the management port. What is set there is kept over
// restarts until the configuration gives the switch another value.
//
// A call that is refused ends with errcode 503 and errtype 1.
//
// Settings: switcher.name, the name of the switch, also of one method; default
// <id of the entry>_switcher. A switch that no section sets is on.
//
// Metrics: motand_filter_calls_total with the result refused.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "switcher"
//	    switcher.name: echo_on
//	    upload().switcher.name: echo_upload
type Switcher struct {
	knobs[byMethod[switcherSettings]]
	state *switcherState
}

type switcherSettings struct {
	on  *Switch
	err *motan.Error
}

type switcherState struct {
	override[byMethod[switcherSettings]]
	refused atomic.Int64
}

func (s *switcherState) report(count func(string, int64), _ func(string, float64)) {
	count("refused", s.refused.Load())
}

var _ motan.Filter = (*Switcher)(nil)

// NewSwitcher is the filter "switcher".
func NewSwitcher(s Settings) (motan.Filter, error) {
	if err := s.check("switcher"); err != nil {
		return nil, err
	}
	f := &Switcher{state: shared[switcherState](s, "switcher")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *byMethod[switcherSettings] {
		return readMethods(p, func(p *params) switcherSettings {
			name := p.string("switcher.name", s.ID+"_switcher")
			return switcherSettings{
				on:  s.Switches.Register(name, true),
				err: motan.Errorf(motan.KindRefused, motan.CodeUnavailable, "service %.256s is switched off by %.256s", s.Service, name),
			}
		}, "switcher.name")
	})
	return f, err
}

// Request refuses a call that the switch is off for.
func (f *Switcher) Request(c *motan.Call) motan.Verdict {
	x := f.get().of(c)
	if x.on.OnFor(c) {
		return motan.Next
	}
	f.state.refused.Add(1)
	c.Err = x.err
	return motan.Answered
}

// Reply does nothing.
func (*Switcher) Reply(*motan.Call) {}
