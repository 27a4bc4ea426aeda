package filters

import (
	"fmt"
	"strings"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/agent/trace"
	"github.com/motand/motand/motan"
)

// Metrics counts calls: how many, how they ended, how long they took, by role, application,
// group, service and method.
//
// The filter "metrics" counts attempts: a call that was tried twice counts twice, each with
// its own time. "clusterMetrics" counts calls, with the time over all attempts. The group is the one
// of the node that was called, so calls that traffic commands send elsewhere show there.
//
// The outcome is "ok", "biz_exception" (thrown by the implementation, errtype 2), "exception"
// (any other that the provider answered with), or the kind of error for which there was
// no answer, such as "timeout". Exceptions with errtype 2 are motan-go's biz_error_count,
// everything else but "ok" is its other_error_count.
//
// Settings: none. With the switch metricsReqApp, which is off, attempts of programs here are counted once more under the
// application that the call names (M_s), where that is another one.
//
// With exemplars: true in the section metrics, histograms name for each bucket the trace of a call that was recorded, to those
// who read them as OpenMetrics.
//
// Metrics: motand_calls_total, motand_call_duration_seconds, motand_slow_calls_total (longer
// than 200 ms). A service has at most 200 methods of its own there, the rest is counted as the
// method "_other".
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "metrics,clusterMetrics"
type Metrics struct {
	registry *metrics.Registry
	home     *metrics.Service
	group    string
	cluster  bool
	notables *Notables // nil where another filter tells of the same calls
	role     string
	callers  *Switch // counts by the caller's own application too; nil where that is never done
}

var _ motan.Filter = (*Metrics)(nil)

// NewMetrics is the filter "metrics".
func NewMetrics(s Settings) (motan.Filter, error) { return newMetrics(s, s.WholeCall) }

// NewClusterMetrics is the filter "clusterMetrics".
func NewClusterMetrics(s Settings) (motan.Filter, error) { return newMetrics(s, true) }

func newMetrics(s Settings, cluster bool) (motan.Filter, error) {
	name := "metrics"
	if cluster {
		name = "clusterMetrics"
	}
	if err := s.check(name); err != nil {
		return nil, err
	}
	if s.Metrics == nil {
		return nil, fmt.Errorf("filters: %s: there is no registry of metrics to count in", name)
	}
	home := s.Metrics.Service(metrics.Key{
		Role:        "motan-" + s.Role,
		Application: s.Application,
		Group:       s.Group,
		Service:     s.Service,
		Cluster:     cluster,
	})
	f := &Metrics{registry: s.Metrics, home: home, group: s.Group, cluster: cluster, role: s.Role}
	if cluster || !strings.Contains(s.Params["filter"], "clusterMetrics") {
		f.notables = s.Notables
	}
	if s.Switches != nil && s.Role == ClientAgent {
		f.callers = s.Switches.Register("metricsReqApp", false)
	}
	return f, nil
}

// Request lets the call go on.
func (f *Metrics) Request(*motan.Call) motan.Verdict { return motan.Next }

// Reply counts the call.
func (f *Metrics) Reply(c *motan.Call) {
	start := c.AttemptStart
	if f.cluster {
		start = c.Start
	}
	service := f.home
	if c.Group != f.group && c.Group != "" {
		k := service.Key()
		k.Group = c.Group
		service = f.registry.Service(k)
	}
	now := c.Now()
	took, end := time.Duration(now-start), outcome(c)
	method := service.Method(c.Request.Method())
	method.Count(took, end)
	if f.registry.Exemplars() {
		if x := trace.Read(&c.Request); x.Valid() && x.Recorded == trace.Yes {
			method.Exemplify(took, x.Trace)
		}
	}
	if f.notables != nil {
		f.notables.see(f.role, c, now, took, end != metrics.OK)
	}
	if f.callers != nil && f.callers.OnFor(c) {
		k := service.Key()
		if caller := c.Request.Source(); len(caller) > 0 && string(caller) != k.Application {
			k.Application = string(caller)
			f.registry.Service(k).Method(c.Request.Method()).Count(took, end)
		}
	}
}

func outcome(c *motan.Call) metrics.Outcome {
	if c.Err != nil {
		return metrics.Kind(int(c.Err.Kind))
	}
	if x, failed := c.Reply.Exception(); failed {
		if x.Type == motan.TypeBiz {
			return metrics.BizException
		}
		return metrics.Exception
	}
	return metrics.OK
}
