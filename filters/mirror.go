package filters

import (
	"strings"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Mirror sends a copy of a share of the calls to another group or service, to see how that
// would answer: a new release under the load of the old one. Callers get the answer of the call
// itself, whatever becomes of the copy. What the copy is answered is compared and dropped.
//
// A copy has mirror=1 in its metadata, by which its provider can tell it from a call that
// counts, and is not mirrored again. It has passed the filters before this one, and those of the
// other refer where it goes to one. One-way calls are not copied, as they may change something.
//
// Settings, the first two also of one method:
//   - mirror.to: where copies go: @group for this service in that group, which is watched
//     whether or not a refer names it; service, or service@group, of a refer. Where we export the
//     service, copies go to a refer always. Default is nowhere
//   - mirror.percent: share of the calls; default 100
//   - mirror.oneway: true copies one-way calls as well; default false
//   - mirror.maxInFlight: copies at once; default 100
//   - mirror.maxBytes: of the requests of these; default 16777216
//
// Calls beyond these limits are not copied. A copy ends at the latest with the time-out of the
// refer or the group that it goes to.
//
// Metrics: motand_filter_calls_total with the results copied, skipped (by the limits),
// unreachable (nothing is there to copy to); of those whose both ends are known same,
// other_outcome (an answer, an exception of the implementation, another one, no answer),
// other_serialization, other_structure (types and keys of bodies in simple and JSON),
// other_length. motand_filter_state with in_flight, and primary_ms and copy_ms, how long calls
// and their copies took of late.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "mirror"
//	    mirror.to: "@demo-next"
//	    mirror.percent: 10
//	    pay().mirror.percent: 0
type Mirror struct {
	knobs[mirrorSettings]
	state *mirrorState
	route func(service, group string) motan.Handler
}

type mirrorSettings struct {
	methods  *byMethod[mirrorTarget]
	oneway   bool
	inFlight int64
	bytes    int64
}

type mirrorTarget struct {
	service, group string
	percent        float64
	branch         motan.Handler // to a group of the refer's own service; nil: ask route
}

type mirrorState struct {
	override[mirrorSettings]
	inFlight, bytes                   atomic.Int64
	copied, skipped, unreachable      atomic.Int64
	same                              atomic.Int64
	outcome, serialization, structure atomic.Int64
	length                            atomic.Int64
	primary, copy                     recent
}

func (s *mirrorState) report(count func(string, int64), state func(string, float64)) {
	count("copied", s.copied.Load())
	count("skipped", s.skipped.Load())
	count("unreachable", s.unreachable.Load())
	for _, result := range []string{"", "other_outcome", "other_serialization", "other_structure", "other_length"} {
		name := result
		if name == "" {
			name = "same"
		}
		count(name, s.of(result).Load())
	}
	state("in_flight", float64(s.inFlight.Load()))
	state("primary_ms", s.primary.millis())
	state("copy_ms", s.copy.millis())
}

// of is where a difference is counted.
func (s *mirrorState) of(difference string) *atomic.Int64 {
	switch difference {
	case "other_outcome":
		return &s.outcome
	case "other_serialization":
		return &s.serialization
	case "other_structure":
		return &s.structure
	case "other_length":
		return &s.length
	}
	return &s.same
}

var _ motan.Filter = (*Mirror)(nil)

// NewMirror is the filter "mirror".
func NewMirror(s Settings) (motan.Filter, error) {
	if err := s.check("mirror"); err != nil {
		return nil, err
	}
	f := &Mirror{state: shared[mirrorState](s, "mirror"), route: s.Route}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *mirrorSettings {
		return &mirrorSettings{
			methods: readMethods(p, func(p *params) mirrorTarget { return readMirror(p, &s) }, "mirror.to", "mirror.percent"),
			oneway:  p.bool("mirror.oneway", false), inFlight: int64(p.int("mirror.maxInFlight", 100, 1, 1_000_000)),
			bytes: int64(p.int("mirror.maxBytes", 16<<20, 1, maxCapacity)),
		}
	})
	return f, err
}

func readMirror(p *params, s *Settings) mirrorTarget {
	x := mirrorTarget{percent: p.float("mirror.percent", 100, 0, 100)}
	text, key := p.look("mirror.to")
	x.service, x.group, _ = strings.Cut(text, "@")
	x.service, x.group = strings.TrimSpace(x.service), strings.TrimSpace(x.group)
	if x.service == s.Service {
		x.service = ""
	}
	switch {
	case text == "":
		x.percent = 0
	case x.service == "" && (x.group == "" || x.group == s.Group && s.Role == ClientAgent):
		p.fail(key, "%.80q is where the calls go themselves", text)
	case x.service == "" && s.Branch != nil:
		x.branch = s.Branch(x.group)
	case x.service == "":
		x.service = s.Service
	}
	return x
}

// mirrorMark is in the metadata of a copy.
const mirrorMark = "mirror"

// Request copies the call, if it is one of those to be copied, and lets it pass.
func (f *Mirror) Request(c *motan.Call) motan.Verdict {
	x := f.get()
	to := x.methods.of(c)
	if to.percent <= 0 || !chance(to.percent) || c.Request.Get(mirrorMark) != nil || c.Request.Type&motan.FlagOneway != 0 && !x.oneway {
		return motan.Next
	}
	h := to.branch
	if h == nil && f.route != nil {
		h = f.route(to.service, to.group)
	}
	if h == nil {
		f.state.unreachable.Add(1)
		return motan.Next
	}
	t := &twin{state: f.state, bytes: int64(c.Request.Size())}
	if !t.reserve(x) {
		f.state.skipped.Add(1)
		return motan.Next
	}
	f.state.copied.Add(1)
	t.send(c, h, to.service)
	return motan.Next
}

// Reply does nothing: a twin sees the way back.
func (*Mirror) Reply(*motan.Call) {}
