package filters

import (
	"fmt"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/motan"
)

// The roles of a [Settings], as motan-go's access log names them.
const (
	ClientAgent = "client-agent" // calls that a local program makes
	ServerAgent = "server-agent" // calls to a service that is exported here
)

// Settings is what a filter is made of: the section of the configuration that it stands in,
// and what all filters share.
type Settings struct {
	Role        string // ClientAgent or ServerAgent
	ID          string // of the section, for names of switches
	Application string
	Group       string
	Service     string
	Params      map[string]string // every key of the section as text; read only

	// WholeCall means that an endpoint filter stands around the cluster: it sees a call once,
	// with the time over all attempts and the node that was tried last.
	WholeCall bool

	Metrics   *metrics.Registry // wanted by metrics and clusterMetrics
	AccessLog *AccessLogger     // nil when no access log is written
	Notables  *Notables         // told by metrics of each call; may be nil
	States    *States           // what outlives the filter; nil means nothing does
	Switches  *Switches         // nil means that nobody can set the filter's
	Spans     *trace.Recorder   // where spans go; nil means nowhere

	// Route finds the refer of a service, of any group where group is empty, for calls that
	// are sent elsewhere. It returns nil where there is none, and may be nil itself. It is
	// asked while calls pass.
	Route func(service, group string) motan.Handler

	// Fleet is the agents that export the service, or refer to it, this one among them; nil where nobody can tell.
	Fleet *Fleet

	// Branch returns a way of a refer's service to another group, whose nodes are watched from
	// then on. It is nil where we export the service.
	Branch func(group string) motan.Handler
}

// check refuses a role that no line and no metric has.
func (s *Settings) check(filter string) error {
	if s.Role != ClientAgent && s.Role != ServerAgent {
		return fmt.Errorf("filters: %s: role is %q, must be %s or %s", filter, s.Role, ClientAgent, ServerAgent)
	}
	return nil
}

// Constructor makes a filter for one section of the configuration. Its error tells which
// setting is wrong, and what would be right.
type Constructor func(Settings) (motan.Filter, error)

// Position is where a filter stands.
type Position uint8

const (
	// Endpoint is around each attempt; where we export the service, around the one.
	Endpoint Position = iota
	// Cluster is around the cluster, once for each call; nothing stands there on the server side.
	Cluster
	// Call is around the whole call, once, on both sides.
	Call
)

// String is the name of the position in messages.
func (p Position) String() string {
	switch p {
	case Cluster:
		return "cluster"
	case Call:
		return "call"
	}
	return "endpoint"
}

// Entry is a filter that a configuration can name.
type Entry struct {
	Position Position
	Index    int // the lower one is the outer one, as in motan-go
	New      Constructor
}

// Attempter is a filter around a call that has a part around each attempt as well.
type Attempter interface {
	// Attempts is that part. It stands where an Endpoint filter in its place would.
	Attempts() motan.Filter
}

// Table returns every filter by the name that a configuration gives it. The map is the
// caller's: whoever has filters of his own adds them.
func Table() map[string]Entry {
	return map[string]Entry{
		"accessLog":             {Endpoint, 1, NewAccessLog},
		"trace":                 {Call, 2, NewTrace},
		"clusterAccessLog":      {Cluster, 1, NewClusterAccessLog},
		"metrics":               {Endpoint, 2, NewMetrics},
		"clusterMetrics":        {Cluster, 5, NewClusterMetrics},
		"switcher":              {Call, 4, NewSwitcher},
		"timeout":               {Call, 6, NewTimeout},
		"degrade":               {Call, 8, NewDegrade},
		"failfast":              {Endpoint, 1, NewFailfast},
		"loadShed":              {Call, 3, NewLoadShed},
		"acl":                   {Call, 3, NewACL},
		"header":                {Call, 12, NewHeader},
		"mirror":                {Call, 13, NewMirror},
		"faultInjection":        {Call, 14, NewFaultInjection},
		"mock":                  {Call, 15, NewMock},
		"concurrency":           {Call, 10, NewConcurrency},
		"rateLimit":             {Endpoint, 3, NewRateLimit},
		"circuitBreaker":        {Endpoint, 20, NewCircuitBreaker},
		"clusterCircuitBreaker": {Cluster, 20, NewClusterCircuitBreaker},
	}
}
