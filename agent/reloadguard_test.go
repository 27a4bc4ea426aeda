package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan/motantest"
)

// What a second's calls say of a configuration that is in doubt.
func TestReloadGuardCounts(t *testing.T) {
	start := time.Unix(1000, 0)
	tests := []struct {
		name    string
		before  []outcomes
		guard   int
		seconds []outcomes
		back    int // the second in which it is taken back; 0 for never
	}{
		{"all is well", []outcomes{{100, 0}}, 20, []outcomes{{100, 0}, {100, 0}}, 0},
		{"all fail", []outcomes{{100, 0}}, 20, []outcomes{{100, 100}}, 1},
		{"too few to say", []outcomes{{100, 0}}, 20, []outcomes{{guardCalls - 1, guardCalls - 1}}, 0},
		{"few, and then enough", []outcomes{{100, 0}}, 20, []outcomes{{10, 10}, {10, 10}}, 2},
		{"a few more than before", []outcomes{{100, 10}}, 20, []outcomes{{100, 25}, {100, 25}}, 0},
		{"many more than before", []outcomes{{100, 10}}, 20, []outcomes{{100, 31}}, 1},
		{"as many as before", []outcomes{{100, 95}}, 20, []outcomes{{100, 95}}, 0},
		{"nothing was called before", nil, 20, []outcomes{{100, 50}}, 1},
		{"off", []outcomes{{100, 0}}, 0, []outcomes{{100, 100}}, 0},
		{"too late", []outcomes{{100, 0}}, 20, []outcomes{{100, 0}, {0, 0}, {0, 0}, {0, 0}, {400, 400}}, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			g := new(reloadGuard)
			for _, x := range tt.before {
				g.count(x, start)
			}
			g.watch(new(conf.Config), conf.Document{}, &conf.Agent{ReloadGuard: tt.guard, ReloadGuardTime: 3 * time.Second}, start)
			back := 0
			for i, x := range tt.seconds {
				if g.count(x, start.Add(time.Duration(i+1)*time.Second)) != nil {
					back = i + 1
					break
				}
			}
			if back != tt.back {
				t.Errorf("got second %d, want %d", back, tt.back)
			}
		})
	}
}

// While one is in doubt a further one leads back to what was in use before both.
func TestReloadGuardOfTwo(t *testing.T) {
	g, first, second := new(reloadGuard), new(conf.Config), new(conf.Config)
	settings := &conf.Agent{ReloadGuard: 20, ReloadGuardTime: time.Minute}
	g.watch(first, conf.Document{Text: "a"}, settings, time.Now())
	g.watch(second, conf.Document{Text: "b"}, settings, time.Now())
	if d := g.count(outcomes{100, 100}, time.Now()); d == nil || d.instead != first || d.pushed.Text != "a" {
		t.Errorf("got %+v, want the first", d)
	}
}

// A good configuration that sends calls to nobody is taken back, and the status says why.
func TestReloadIsTakenBack(t *testing.T) {
	good := strings.Replace(statusYAML, "motan-refer:", "  nobody: {protocol: direct, address: \"127.0.0.1:1\"}\nmotan-refer:", 1)
	r := newReloader(t, withRecorder(new(recorder)), good)
	r.call(frame("echo", "warm"))
	bad := r.parse(t, strings.Replace(good, "registry: inside, requestTimeout", "registry: nobody, requestTimeout", 1))
	bad.Agent.ReloadGuard, bad.Agent.ReloadGuardTime = 30, time.Minute
	if err := r.Reload(bad); err != nil {
		t.Fatal(err)
	}
	client := r.dial()
	motantest.Await(t, "the configuration to be taken back", func() bool {
		client.Call(frame("echo", "x"))
		v := asked[statusView](t, r.Agent, "/api/v1/status")
		return strings.Contains(v.Config.LastError, "taken back")
	})
	if reply := client.Call(frame("echo", "x")); reply.Failed() {
		t.Errorf("afterwards: got %v, want an answer", motantest.Metadata(reply))
	}
}
