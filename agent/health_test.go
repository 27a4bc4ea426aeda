package agent

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan/motantest"
)

// scripted is a probe that passes and fails as it is told, and passes at the end of the script.
type scripted struct {
	outcomes []bool
	at       []time.Time // of each check
}

func (s *scripted) Probe(context.Context) error {
	s.at = append(s.at, time.Now())
	if n := len(s.at); n > len(s.outcomes) || s.outcomes[n-1] {
		return nil
	}
	return errors.New("refused")
}

// The first check counts at once; then rise or fall of them in a row are needed.
func TestHealth(t *testing.T) {
	const o, x = true, false
	tests := []struct {
		name     string
		outcomes []bool
		want     []int // the checks that change the state
	}{
		{"well from the start", []bool{o, o, o}, []int{1}},
		{"down from the start", []bool{x, x, x, x}, []int{1}},
		{"down, then back", []bool{x, o, o, o}, []int{1, 3}},
		{"a slip", []bool{o, x, x, o, x, x, o}, []int{1}},
		{"fall", []bool{o, x, x, x, x}, []int{1, 4}},
		{"fall and rise", []bool{o, x, x, x, o, x, o, o}, []int{1, 4, 8}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			h := newHealth(&conf.Service{Health: conf.HealthCheck{Rise: 2, Fall: 3}}, nil, slog.New(slog.DiscardHandler))
			if h.passes() {
				t.Error("passes before the first check")
			}
			var got []int
			for i, passes := range tt.outcomes {
				var err error
				if !passes {
					err = errors.New("refused")
				}
				if h.count(err) {
					got = append(got, i+1)
					if h.passes() != passes {
						t.Errorf("check %d: passes is %t, want %t", i+1, h.passes(), passes)
					}
				}
				if now := h.now(); (now.Error == "") != passes {
					t.Errorf("check %d: got error %q", i+1, now.Error)
				}
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("state changed at checks %v, want %v", got, tt.want)
			}
		})
	}
	if none := (*health)(nil); !none.passes() {
		t.Error("a service without a check does not pass")
	}
}

// Checks come at the interval, a fifth more or less, until they are stopped; a change is told.
func TestHealthRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		probe := &scripted{outcomes: []bool{true, false, false, false}}
		h := newHealth(&conf.Service{Health: conf.HealthCheck{Interval: time.Second, Timeout: time.Second, Rise: 1, Fall: 3}}, probe, slog.New(slog.DiscardHandler))
		changes := 0
		h.start(t.Context(), func() { changes++ })
		h.start(t.Context(), func() { t.Error("started twice") })
		time.Sleep(100 * time.Second)
		h.stop()
		h.stop()
		if changes != 3 {
			t.Errorf("told of %d changes, want well, down, well", changes)
		}
		if n := len(probe.at); n < 83 || n > 126 {
			t.Errorf("%d checks in 100 s, want one a second", n)
		}
		different := false
		for i := range probe.at[1:] {
			gap := probe.at[i+1].Sub(probe.at[i])
			if gap < 800*time.Millisecond || gap > 1200*time.Millisecond {
				t.Errorf("%v between two checks, want 1 s and a fifth", gap)
			}
			different = different || gap != time.Second
		}
		if !different {
			t.Error("the interval does not vary")
		}
		before := len(probe.at)
		time.Sleep(10 * time.Second)
		if len(probe.at) != before {
			t.Error("checked after stop")
		}
	})
}

// A check that hangs is a failure after its time-out; being stopped is none.
func TestHealthTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		hanging := probeFunc(func(ctx context.Context) error {
			<-ctx.Done()
			return ctx.Err()
		})
		h := newHealth(&conf.Service{Health: conf.HealthCheck{Interval: time.Second, Timeout: 3 * time.Second, Rise: 1, Fall: 1}}, hanging, slog.New(slog.DiscardHandler))
		h.start(t.Context(), func() {})
		time.Sleep(2 * time.Second)
		if h.now().Known {
			t.Error("decided before the time-out")
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		if now := h.now(); !now.Known || now.Passes {
			t.Errorf("got %+v, want a failure", now)
		}
		h.stop()
		if now := h.now(); now.Error != context.DeadlineExceeded.Error() {
			t.Errorf("after stop: got %q, want the time-out of before", now.Error)
		}
	})
}

const checkedYAML = "motan-service:\n" +
	"  auto: {path: auto, group: g, provider: demo, registry: outside, available: auto, healthCheck: fake, healthCheck.address: 'h:1', healthCheck.interval: 100, healthCheck.fall: 1, healthCheck.rise: 1}\n" +
	"  plain: {path: plain, group: g, provider: demo, registry: outside, healthCheck: fake, healthCheck.address: 'h:1', healthCheck.interval: 100, healthCheck.fall: 1, healthCheck.rise: 1}\n" +
	"  free: {path: free, group: g, provider: demo, registry: outside, available: auto}\n"

// A service is available while it is in use and its provider passes; /200 and /503 stay above that.
func TestAvailabilityFollowsHealth(t *testing.T) {
	r := new(recorder)
	x := withRecorder(r)
	failing := make(chan bool, 1)
	failing <- true
	x.Probes["fake"] = func(*conf.Service) (Probe, error) {
		return probeFunc(func(context.Context) error {
			fails := <-failing
			failing <- fails
			if fails {
				return errors.New("refused")
			}
			return nil
		}), nil
	}
	k := newCompiler(t, x)
	s, err := k.compile(parse(t, x, "", recorderYAML+checkedYAML), nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.close)
	a := newAnnouncer(k, s)
	if err := a.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	turn := func(fails bool) {
		<-failing
		failing <- fails
	}
	want := func(step, names string) {
		t.Helper()
		motantest.Await(t, step+": available are "+names, func() bool { return a.listed(r) == names })
	}
	want("providers are down", "free")
	if got := a.unused(); got != 1 {
		t.Errorf("%d services wait for /200, want 1", got)
	}
	turn(false)
	want("providers are well", "auto free")
	if err := a.set(true); err != nil {
		t.Fatal(err)
	}
	want("/200", "auto free plain")
	turn(true)
	want("providers are down again", "free")
	if got := len(r.Announced()); got != 3 {
		t.Errorf("%d nodes, want 3: they stay registered", got)
	}
	if err := a.set(false); err != nil {
		t.Fatal(err)
	}
	turn(false)
	for _, e := range s.exported {
		motantest.Await(t, "checks to pass", e.health.passes)
	}
	want("/503", "")
}
