package filters

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
)

// LoadShed refuses calls while the host is overloaded, the unimportant ones first, with
// errcode 503 and before work is done for them. Overloaded is a host whose processors are
// busy, or an agent in which every call of the last quarter of a second has waited: four times
// a second more calls are refused while that is so, and fewer when it is over.
//
// The class of a call stands in its metadata: high, normal or low. Low ones are refused
// first; normal ones when no low one passes; of the high ones nine in ten when no other does.
//
// Settings:
//   - loadShed.cpu: percent of the host's processors that are busy; default 90, 0 is no condition
//   - loadShed.delay: ms that calls wait in this agent before they come here; default 20, 0
//     is no condition
//   - loadShed.key: where in the metadata the class stands; default priority
//   - loadShed.class: the class of calls that name none; default normal
//
// Metrics: motand_filter_calls_total with the results refused_high, refused_normal and
// refused_low, motand_filter_state with level (0 to 3: one for each class) and cpu_percent.
//
// Example:
//
//	motan-service:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    export: "motan2:9982"
//	    proxy: "motan2:8100"
//	    filter: "loadShed"
//	    loadShed.cpu: 85
//	    loadShed.class: low
type LoadShed struct {
	knobs[shedSettings]
	state *shedState
}

type shedSettings struct {
	cpu   float64
	delay int64 // nanoseconds
	key   string
	class shedClass
}

type shedClass uint8

const (
	low shedClass = iota
	normal
	high
)

var shedClasses = [...]string{"low", "normal", "high"}

type shedState struct {
	override[shedSettings]
	level   atomic.Int64 // thousandths
	least   atomic.Int64 // the shortest wait of the period, and 1; 0 when no call came
	next    atomic.Int64
	cpu     cpuMeter
	refused [len(shedClasses)]atomic.Int64

	mu sync.Mutex // one look at a time
}

func (s *shedState) report(count func(string, int64), state func(string, float64)) {
	for i, class := range shedClasses {
		count("refused_"+class, s.refused[i].Load())
	}
	state("level", float64(s.level.Load())/1000)
	state("cpu_percent", s.cpu.percent())
}

const (
	shedPeriod = 250 * time.Millisecond
	shedUp     = 150 // thousandths of a class in a period
	shedDown   = 75
	shedMost   = 2900 // one in ten of the most important calls shows how things are
)

var _ motan.Filter = (*LoadShed)(nil)

// NewLoadShed is the filter "loadShed".
func NewLoadShed(s Settings) (motan.Filter, error) {
	if err := s.check("loadShed"); err != nil {
		return nil, err
	}
	f := &LoadShed{state: shared[shedState](s, "loadShed")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *shedSettings {
		x := &shedSettings{
			cpu:   p.float("loadShed.cpu", 90, 0, 100),
			delay: int64(p.millis("loadShed.delay", 20*time.Millisecond)),
			key:   p.string("loadShed.key", "priority"),
		}
		x.class = classOf([]byte(p.oneOf("loadShed.class", "normal", shedClasses[:]...)), normal)
		return x
	})
	return f, err
}

func classOf(name []byte, otherwise shedClass) shedClass {
	for i, class := range shedClasses {
		if class == string(name) {
			return shedClass(i)
		}
	}
	return otherwise
}

var errOverloaded = motan.Errorf(motan.KindRefused, motan.CodeUnavailable, "the host is overloaded")

// Request refuses the call, or lets it pass.
func (f *LoadShed) Request(c *motan.Call) motan.Verdict {
	x, s := f.get(), f.state
	now := motan.Now() // and not that of the batch: how long the call waited in it counts
	s.waited(now - c.Start)
	if next := s.next.Load(); now >= next && s.next.CompareAndSwap(next, now+int64(shedPeriod)) {
		s.look(x, 1+(now-next)/int64(shedPeriod))
	}
	level := s.level.Load()
	if level == 0 {
		return motan.Next
	}
	class := classOf(c.Request.Get(x.key), x.class)
	if rand.Int64N(1000) >= level-1000*int64(class) {
		return motan.Next
	}
	s.refused[class].Add(1)
	c.Err = errOverloaded
	return motan.Answered
}

// waited notes how long a call has waited.
func (s *shedState) waited(d int64) {
	d = max(d, 0) + 1
	for {
		least := s.least.Load()
		if least != 0 && least <= d || s.least.CompareAndSwap(least, d) {
			return
		}
	}
}

// look sets the level for the next period, after so many of which most may have had no call.
func (s *shedState) look(x *shedSettings, periods int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	least := s.least.Swap(0)
	if x.cpu > 0 {
		s.cpu.measure()
	}
	level := s.level.Load()
	if x.delay > 0 && least > x.delay || x.cpu > 0 && s.cpu.percent() >= x.cpu {
		s.level.Store(min(level+shedUp, shedMost))
	} else {
		s.level.Store(max(level-shedDown*min(periods, shedMost), 0))
	}
}

// Reply does nothing.
func (*LoadShed) Reply(*motan.Call) {}
