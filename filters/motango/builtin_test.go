package motango

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/weibocom/motan-go/core"
	own "github.com/weibocom/motan-go/filter"
	vlog "github.com/weibocom/motan-go/log"

	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// journal is motan-go's log, of which the access log is kept.
type journal struct {
	vlog.Logger
	mu    sync.Mutex
	lines []*vlog.AccessLogEntity
}

func (j *journal) AccessLog(e *vlog.AccessLogEntity) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, e)
}

func (*journal) SetAsync(bool)            {}
func (*journal) SetAccessStructured(bool) {}
func (*journal) Flush()                   {}
func (*journal) Infof(string, ...any)     {}
func (*journal) Warningf(string, ...any)  {}
func (*journal) Errorf(string, ...any)    {}
func (*journal) Warningln(...any)         {}
func (*journal) Errorln(...any)           {}
func (*journal) Infoln(...any)            {}

// taken is the lines since the last time.
func (j *journal) taken() []*vlog.AccessLogEntity {
	j.mu.Lock()
	defer j.mu.Unlock()
	lines := j.lines
	j.lines = nil
	return lines
}

// motan-go's own filters run: both access logs, on either side, the limit, the breaker, failfast.
func TestOwnFilters(t *testing.T) {
	log := new(journal)
	vlog.LogInit(log)
	extensions := &core.DefaultExtensionFactory{}
	extensions.Initialize()
	own.RegistDefaultFilters(extensions)

	t.Run("accessLog", func(t *testing.T) {
		for role, want := range map[string]string{filters.ClientAgent: "10.0.0.1:8002", filters.ServerAgent: ":8002"} {
			h := behind(t, extensions.GetFilter("accessLog"), role, nil, new(echo))
			if answer, _ := ask(t, h, func(c *motan.Call) { c.Request.Set("host", "") }); answer != "hi" {
				t.Fatalf("got %q", answer)
			}
			var lines []*vlog.AccessLogEntity
			for end := time.Now().Add(30 * time.Second); len(lines) == 0 && time.Now().Before(end); { // the line of a service comes when the answer has gone
				lines = log.taken()
			}
			if len(lines) != 1 {
				t.Fatalf("%s: got %d lines, want 1", role, len(lines))
			}
			if e := lines[0]; e.Role != role || e.Method != "hello" || e.Service != "com.example.Echo" || e.RequestID != 42 || !e.Success || e.ReqSize != 7 || e.ResSize != 7 || e.RemoteAddress != want {
				t.Errorf("%s: got %+v", role, e)
			}
		}
	})
	t.Run("clusterAccessLog", func(t *testing.T) {
		h := behind(t, extensions.GetFilter("clusterAccessLog"), filters.ClientAgent, nil, &echo{reply: func(c *motan.Call) {
			c.Err = motan.Errorf(motan.KindTimeout, 400, "late")
		}})
		ask(t, h, nil)
		if lines := log.taken(); len(lines) != 1 || lines[0].Success || lines[0].FilterName != "clusterAccessLog" || !strings.Contains(lines[0].Exception, "late") {
			t.Errorf("got %+v, want a line that tells of the error", lines)
		}
	})
	t.Run("rateLimit", func(t *testing.T) {
		h := behind(t, extensions.GetFilter("rateLimit"), filters.ClientAgent, map[string]string{"rateLimit": "0.001", "capacity": "2", "requestTimeout": "1000"}, new(echo))
		for i, want := range []string{"hi", "hi", "exception: [rateLimit] wait time exceed timeout(1s)"} {
			if answer, _ := ask(t, h, nil); answer != want {
				t.Errorf("call %d: got %q, want %q", i, answer, want)
			}
		}
	})
	t.Run("circuitBreaker", func(t *testing.T) {
		h := behind(t, extensions.GetFilter("circuitBreaker"), filters.ClientAgent, map[string]string{
			"circuitBreaker.requestThreshold": "5", "circuitBreaker.errorPercent": "50", "circuitBreaker.sleepWindow": "600000", "requestTimeout": "30000",
		}, &echo{reply: func(c *motan.Call) { c.Err = motan.Errorf(motan.KindBroken, 500, "gone") }})
		answers := make(map[string]bool)
		for end := time.Now().Add(30 * time.Second); !answers["exception: hystrix: circuit open"]; {
			answer, _ := ask(t, h, nil)
			answers[answer] = true
			if time.Now().After(end) {
				t.Fatalf("the circuit has not opened: got %v", answers)
			}
		}
		if !answers["exception: gone"] {
			t.Errorf("got %v, want the provider's error before", answers)
		}
	})
	t.Run("failfast", func(t *testing.T) {
		if answer, _ := ask(t, behind(t, extensions.GetFilter("failfast"), filters.ClientAgent, nil, new(echo)), nil); answer != "hi" {
			t.Errorf("got %q", answer)
		}
	})
}
