package cluster_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// gate is a provider that answers when it is told to.
type gate struct {
	*motantest.Server
	open chan struct{}
}

func newGate(t *testing.T, h motantest.Handler) *gate {
	t.Helper()
	g := &gate{open: make(chan struct{})}
	g.Server = motantest.NewServer(t, func(f *motan.Frame) *motan.Frame {
		<-g.open
		return h(f)
	})
	return g
}

// backups are settings with which a second request follows at once.
func backups() cluster.Settings {
	return cluster.Settings{
		Strategy: cluster.BackupRequest, Retries: 1, Balance: first{},
		Backup: &cluster.Backup{Delay: 10 * time.Millisecond, Percentile: 90, Ratio: 100},
	}
}

// start hands a call to k and returns it with a channel that is closed at its end.
func start(t *testing.T, k *cluster.Cluster, c *motan.Call) (*motan.Call, chan struct{}) {
	t.Helper()
	done := make(chan struct{})
	go func() { // ends with the call
		defer close(done)
		motan.Do(k, c)
	}()
	t.Cleanup(c.Release)
	return c, done
}

// The second request is answered first: its answer counts, and the first one waits for nothing any more.
func TestBackupIsFirst(t *testing.T) {
	slow := newGate(t, motantest.Reply([]byte("slow")))
	fast := motantest.NewServer(t, motantest.Reply([]byte("fast"), "key", "value"))
	k := newCluster(t, backups(), slow.Addr(), fast.Addr())
	c := do(t, k, newCall("body", "M_tmo", "9000"))
	if got := string(c.Reply.Body()); outcome(c) != "ok" || got != "fast" || c.Endpoint != fast.Addr() || c.Attempts != 2 {
		t.Errorf("got %s %q of %s in %d attempts, want ok of the fast one in 2", outcome(c), got, c.Endpoint, c.Attempts)
	}
	if got := string(c.Reply.Get("key")) + string(c.Reply.Get("x-forwarded-for")); got != "value"+fast.Addr() {
		t.Errorf("metadata: got %q", got)
	}
	var one, two motan.Frame
	for f, raw := range map[*motan.Frame][]byte{&one: slow.Await(1)[0], &two: fast.Await(1)[0]} {
		if _, err := f.Decode(raw, len(raw)); err != nil {
			t.Fatal(err)
		}
	}
	if string(one.Body()) != "body" || string(two.Body()) != "body" || one.TimeoutMillis() <= two.TimeoutMillis() {
		t.Errorf("got %q with M_tmo %d, then %q with %d: want the same body, and less time", one.Body(), one.TimeoutMillis(), two.Body(), two.TimeoutMillis())
	}
	for _, e := range k.Endpoints() {
		if s := e.State(motan.Now()); s.InFlight != 0 {
			t.Errorf("%s: %d calls in flight, want none", e.Addr(), s.InFlight)
		}
	}
	close(slow.open)
	if got := k.Counts(); got.Backups != 1 || got.BackupsWon != 1 {
		t.Errorf("got %+v, want one backup request that won", got)
	}
}

// The first request is answered first, while the second one is under way.
func TestFirstIsFirst(t *testing.T) {
	slow, slower := newGate(t, motantest.Reply([]byte("slow"))), newGate(t, motantest.Reply([]byte("slower")))
	k := newCluster(t, backups(), slow.Addr(), slower.Addr())
	c, done := start(t, k, newCall(""))
	slower.Await(1)
	close(slow.open)
	<-done
	if got := string(c.Reply.Body()); got != "slow" || c.Attempts != 2 {
		t.Errorf("got %q after %d attempts, want the first one's after 2", got, c.Attempts)
	}
	close(slower.open)
	if got := k.Counts(); got.Backups != 1 || got.BackupsWon != 0 {
		t.Errorf("got %+v, want a backup request that did not win", got)
	}
}

// What fails waits for what is still under way; if all fail, the caller learns why, and at once.
func TestBackupFailures(t *testing.T) {
	boom := motantest.Exception(500, motan.TypeService, "boom")
	other := motantest.Exception(502, motan.TypeService, "other")
	echo := motantest.Handler(motantest.Echo)
	tests := []struct {
		name          string
		first, second motantest.Handler // nil: it never answers
		secondEnds    bool              // before the first does
		want          string
	}{
		{"the first fails, the second answers", boom, echo, false, "ok"},
		{"the second fails, the first answers", echo, boom, true, "ok"},
		{"both fail, the second last", boom, other, false, "exception 500"},
		{"both fail, the first last", boom, other, true, "exception 500"},
		{"the first hangs, the second fails", nil, other, true, "exception 502"},
		{"the implementation throws", echo, motantest.Exception(30001, motan.TypeBiz, "no such user"), true, "exception 30001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var gates []*gate
			for _, h := range []motantest.Handler{tt.first, tt.second} {
				if h == nil {
					h = motantest.Silent
				}
				gates = append(gates, newGate(t, h))
			}
			s := backups()
			if tt.first == nil {
				s.Timeouts = cluster.Timeouts{Request: 300 * time.Millisecond}
			}
			k := newCluster(t, s, gates[0].Addr(), gates[1].Addr())
			c, done := start(t, k, newCall(""))
			gates[0].Await(1)
			gates[1].Await(1)
			order := []int{0, 1}
			if tt.secondEnds {
				order = []int{1, 0}
			}
			close(gates[order[0]].open)
			if tt.want == "exception 30001" {
				<-done
			} else {
				motantest.Await(t, "one request to be in flight", func() bool { return inFlight(k) <= 1 })
			}
			close(gates[order[1]].open)
			<-done
			if got := outcome(c); got != tt.want {
				t.Errorf("got %s (%v), want %s", got, c.Err, tt.want)
			}
			if tt.first != nil && motan.Now() > c.Deadline {
				t.Error("it took the whole time for the call")
			}
		})
	}
}

// inFlight is how many calls wait for a reply at all endpoints.
func inFlight(k *cluster.Cluster) int {
	n := 0
	pool := k.Settings().Pool
	pool.Each(func(c *motan.Client) { n += c.InFlight() })
	return n
}

// When no second request is made.
func TestNoBackup(t *testing.T) {
	tests := []struct {
		name   string
		change func(s *cluster.Settings)
		nodes  int
	}{
		{"no retries", func(s *cluster.Settings) { s.Retries = 0 }, 2},
		{"not to be sent twice", func(s *cluster.Settings) { s.Once = true }, 2},
		{"another strategy", func(s *cluster.Settings) { s.Strategy = cluster.Failover }, 2},
		{"nowhere else to go", func(*cluster.Settings) {}, 1},
		{"nothing known of the method", func(s *cluster.Settings) { s.Backup.Delay = 0 }, 2},
		{"no time", func(s *cluster.Settings) { s.Backup.Delay = time.Minute }, 2},
		{"no budget", func(s *cluster.Settings) { s.Budget = cluster.Budget{Percent: 20} }, 2},
		{"no permit", func(s *cluster.Settings) { s.Backup.Ratio = 15 }, 2},
		{"the method has no retries", func(s *cluster.Settings) {
			s.Methods = map[string]cluster.Method{"m()": {Timeouts: s.Timeouts, Backup: s.Backup}}
		}, 2},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := motantest.NewServer(t, motantest.Silent), motantest.NewServer(t, motantest.Silent)
			s := backups()
			s.Timeouts = cluster.Timeouts{Request: 100 * time.Millisecond}
			tt.change(&s)
			c := do(t, newCluster(t, s, []string{a.Addr(), b.Addr()}[:tt.nodes]...), newCall(""))
			if got := outcome(c); got != "timeout" || len(b.Frames()) != 0 {
				t.Errorf("got %s and %d further requests, want a time-out and none", got, len(b.Frames()))
			}
		})
	}
}

// Before anything is sent a second time, a call that fails is tried again as with failover.
func TestBackupTriesAgain(t *testing.T) {
	all, addrs := peers(t, "service, echo")
	s := backups()
	s.Backup.Delay = time.Minute
	k := newCluster(t, s, addrs...)
	if c := do(t, k, newCall("")); outcome(c) != "ok" || len(all[0].Frames()) != 1 {
		t.Errorf("got %s (%v)", outcome(c), c.Err)
	}
	if got := k.Counts(); got.Backups != 0 || got.Retries != 1 {
		t.Errorf("got %+v, want a retry", got)
	}
	if c := do(t, newCluster(t, backups()), newCall("")); outcome(c) != "no_endpoint" {
		t.Errorf("without nodes: got %s (%v)", outcome(c), c.Err)
	}
}

// Of a hundred calls that all take too long, as many get a second request as the ratio says.
func TestBackupRatio(t *testing.T) {
	s := backups()
	s.Backup.Ratio = 15
	s.Timeouts = cluster.Timeouts{Request: 100 * time.Millisecond}
	a, b := motantest.NewServer(t, motantest.Silent), motantest.NewServer(t, motantest.Silent)
	k := newCluster(t, s, a.Addr(), b.Addr())
	var wait sync.WaitGroup
	for range 100 {
		wait.Go(func() { do(t, k, newCall("")) }) // ends at the call's deadline
	}
	wait.Wait()
	if got := len(b.Frames()); got < 10 || got > 15 {
		t.Errorf("got %d second requests for 100 calls, want about 15 and not more", got)
	}
}

// The delay follows how long the calls of each method take.
func TestBackupDelayAdapts(t *testing.T) {
	var slow atomic.Bool
	block := make(chan struct{})
	defer close(block)
	a := motantest.NewServer(t, func(f *motan.Frame) *motan.Frame {
		if slow.Load() {
			<-block
		}
		return motantest.Echo(f)
	})
	b := motantest.NewServer(t, motantest.Echo)
	s := backups()
	s.Backup.Delay = 0
	k := newCluster(t, s, a.Addr(), b.Addr())
	for range 30 {
		do(t, k, newCall(""))
	}
	slow.Store(true)
	if c := do(t, k, newCall("")); outcome(c) != "ok" || c.Endpoint != b.Addr() {
		t.Errorf("got %s of %s, want it of the other node", outcome(c), c.Endpoint)
	}
}

// Many calls at once, of which each is sent once, twice or more, to nodes that are slow, fail and break at random: each
// ends once, with an answer to itself or a failure.
func TestBackupStorm(t *testing.T) {
	const callers, calls = 16, 60
	addrs := make([]string, 4)
	for i := range addrs {
		s := motantest.NewServer(t, nil)
		s.SetHandler(func(f *motan.Frame) *motan.Frame {
			switch rand.IntN(20) {
			case 0:
				return motantest.Exception(500, motan.TypeService, "no")(f)
			case 1:
				if rand.IntN(20) == 0 {
					s.Break()
				}
				return nil
			case 2, 3, 4:
				<-time.After(time.Duration(rand.IntN(40)) * time.Millisecond)
			}
			return motantest.Echo(f)
		})
		addrs[i] = s.Addr()
	}
	s := backups()
	s.Retries, s.Balance = 2, cluster.P2C{}
	s.Timeouts = cluster.Timeouts{Request: 500 * time.Millisecond}
	k := newCluster(t, s, addrs...)
	var wait sync.WaitGroup
	var good atomic.Int64
	for n := range callers {
		wait.Go(func() { // ends with its calls
			for i := range calls {
				c := newCall(fmt.Sprintf("%d %d", n, i))
				motan.Do(k, c)
				if outcome(c) == "ok" {
					good.Add(1)
					if want := fmt.Sprintf("%d %d", n, i); string(c.Reply.Body()) != want {
						t.Errorf("got the answer %q to %q", c.Reply.Body(), want)
					}
				}
				c.Release()
			}
		})
	}
	wait.Wait()
	if good.Load() < callers*calls/2 {
		t.Errorf("%d of %d calls were answered", good.Load(), callers*calls)
	}
	motantest.Await(t, "nothing to be in flight", func() bool { return inFlight(k) == 0 })
	for _, e := range k.Endpoints() {
		if n := e.State(motan.Now()).InFlight; n != 0 {
			t.Errorf("%s: %d calls counted as in flight after all have ended", e.Addr(), n)
		}
	}
	t.Logf("%+v", k.Counts())
}
