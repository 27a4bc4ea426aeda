package cluster_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// The deadline is counted from the call's start; M_tmo counts between minimum and maximum, both
// included (agent inventory, section 1.6).
func TestTimeoutWindow(t *testing.T) {
	ms := time.Millisecond
	own := map[string]cluster.Method{
		"m(int)": {Timeouts: cluster.Timeouts{Request: 50 * ms, Min: 40 * ms, Max: 60 * ms}},
		"m()":    {Timeouts: cluster.Timeouts{Request: 70 * ms, Min: 60 * ms, Max: 80 * ms}},
	}
	tests := []struct {
		name    string
		methods map[string]cluster.Method
		pairs   []string
		want    time.Duration
	}{
		{"not asked", nil, nil, 200 * ms},
		{"asked within", nil, []string{"M_tmo", "150"}, 150 * ms},
		{"asked minimum", nil, []string{"M_tmo", "100"}, 100 * ms},
		{"asked maximum", nil, []string{"M_tmo", "400"}, 400 * ms},
		{"asked too little", nil, []string{"M_tmo", "99"}, 200 * ms},
		{"asked too much", nil, []string{"M_tmo", "401"}, 200 * ms},
		{"asked nothing", nil, []string{"M_tmo", "0"}, 200 * ms},
		{"negative", nil, []string{"M_tmo", "-150"}, 200 * ms},
		{"no number", nil, []string{"M_tmo", "150ms"}, 200 * ms},
		{"overflow", nil, []string{"M_tmo", strings.Repeat("9", 30)}, 200 * ms},
		{"method by description", own, []string{"M_md", "int"}, 50 * ms},
		{"method without description", own, nil, 70 * ms},
		{"method of another description", own, []string{"M_md", "long"}, 200 * ms},
		{"method's own window", own, []string{"M_md", "int", "M_tmo", "45"}, 45 * ms},
		{"outside the method's window", own, []string{"M_md", "int", "M_tmo", "150"}, 50 * ms},
		{"very long description", own, []string{"M_md", strings.Repeat("x", 5000)}, 200 * ms},
		{"description that closes the bracket", own, []string{"M_md", ")("}, 200 * ms},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			k := newCluster(t, cluster.Settings{
				Timeouts: cluster.Timeouts{Request: 200 * ms, Min: 100 * ms, Max: 400 * ms},
				Methods:  tt.methods, Attempts: []motan.Filter{&answering{}},
			}, "127.0.0.1:1")
			c := do(t, k, newCall("", tt.pairs...))
			if got := time.Duration(c.Deadline - c.Start); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
}

// Who handed the call on may have less time, and never gets more.
func TestDeadlineIsNeverMovedBack(t *testing.T) {
	tests := []struct{ has, want time.Duration }{
		{0, 200 * time.Millisecond},
		{50 * time.Millisecond, 50 * time.Millisecond},
		{time.Hour, 200 * time.Millisecond},
	}
	for _, tt := range tests {
		k := newCluster(t, cluster.Settings{
			Timeouts: cluster.Timeouts{Request: 200 * time.Millisecond}, Attempts: []motan.Filter{&answering{}},
		}, "127.0.0.1:1")
		c := newCall("")
		if tt.has > 0 {
			c.Deadline = c.Start + int64(tt.has)
		}
		do(t, k, c)
		if got := time.Duration(c.Deadline - c.Start); got != tt.want {
			t.Errorf("deadline after %v: got %v, want %v", tt.has, got, tt.want)
		}
	}
}

// A provider that does not answer ends the call once, at its deadline: the time is that of the
// call and not of an attempt, so there is none left for another.
func TestSilentNodeTimesOut(t *testing.T) {
	silent := motantest.NewServer(t, motantest.Silent)
	other := motantest.NewServer(t, motantest.Echo)
	k := newCluster(t, cluster.Settings{
		Balance: first{}, Retries: 3, Timeouts: cluster.Timeouts{Request: 30 * time.Millisecond},
	}, silent.Addr(), other.Addr())
	c := do(t, k, newCall(""))
	if got := outcome(c); got != "timeout" {
		t.Fatalf("got %s, want timeout", got)
	}
	if now := motan.Now(); now < c.Deadline {
		t.Errorf("ended %v before its deadline", time.Duration(c.Deadline-now))
	}
	if got := len(other.Frames()); got != 0 {
		t.Errorf("%d attempts after the deadline, want 0", got)
	}
	if got := string(c.Reply.Get("x-forwarded-for")); got != silent.Addr() {
		t.Errorf("x-forwarded-for: got %q, want %q", got, silent.Addr())
	}
}

// All attempts share one deadline.
func TestOneDeadlineForAllAttempts(t *testing.T) {
	s := motantest.NewServer(t, motantest.Exception(500, motan.TypeService, "no"))
	var seen []int64
	k := newCluster(t, cluster.Settings{
		Retries: 4, Attempts: []motan.Filter{onRequest(func(c *motan.Call) { seen = append(seen, c.Deadline) })},
	}, s.Addr())
	c := do(t, k, newCall("", "M_tmo", "9000"))
	if len(seen) != 5 {
		t.Fatalf("got %d attempts, want 5", len(seen))
	}
	for i, at := range seen {
		if at != c.Start+int64(9*time.Second) {
			t.Errorf("attempt %d: got a deadline %v after the start, want 9s", i+1, time.Duration(at-c.Start))
		}
	}
}

// onRequest is a filter that looks at each attempt.
type onRequest func(c *motan.Call)

func (f onRequest) Request(c *motan.Call) motan.Verdict {
	f(c)
	return motan.Next
}

func (onRequest) Reply(*motan.Call) {}

// The next hop is told how much of the caller's time is left, and nothing where the caller has not told its time.
func TestTimeIsPassedOn(t *testing.T) {
	second := int64(time.Second)
	tests := []struct {
		name  string
		asked string
		spent int64 // before the first attempt
		takes time.Duration
		want  []string // M_tmo of each attempt
	}{
		{"not asked", "", 0, 0, []string{"", ""}},
		{"nothing spent", "900", 0, 0, []string{"900", "900"}},
		{"spent before", "900", second / 4, 0, []string{"650", "650"}},
		{"spent by the first attempt", "900", 0, 300 * time.Millisecond, []string{"900", "600"}},
		{"spent by both", "900", second / 4, 300 * time.Millisecond, []string{"650", "350"}},
		{"the agent has less patience", "5000", 0, 100 * time.Millisecond, []string{"1000", "900"}},
		{"the caller has less patience", "20", 0, 15 * time.Millisecond, []string{"20", "5"}},
		{"the caller has given up", "20", second / 4, 0, []string{"1", "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			f := newActing(map[string]act{patient(0): {takes: tt.takes, err: broken.err}})
			var got []string
			k := newCluster(t, cluster.Settings{
				Retries: 1, Timeouts: cluster.Timeouts{Request: time.Second, Min: 500 * time.Millisecond, Max: 2 * time.Second},
				Attempts: []motan.Filter{onRequest(func(c *motan.Call) { got = append(got, string(c.Request.Get("M_tmo"))) }), f},
			}, patient(0))
			c := newCall("", "M_tmo", tt.asked)
			c.Start -= tt.spent
			c.AttemptStart = c.Start
			c.Batch = &motan.Batch{Now: c.Start + tt.spent}
			f.now = c.Batch.Now
			do(t, motan.HandlerFunc(func(c *motan.Call) {
				c.Batch = &motan.Batch{Now: f.now} // not that of Do
				k.Handle(c)
			}), c)
			if !slices.Equal(got, tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

// A call whose time is over is not sent.
func TestExpiredCall(t *testing.T) {
	f := &answering{count: map[string]int{}}
	k := newCluster(t, cluster.Settings{Timeouts: cluster.Timeouts{Request: time.Second}, Attempts: []motan.Filter{f}}, patient(0))
	c := newCall("")
	c.Start -= int64(time.Second)
	do(t, k, c)
	if outcome(c) != "timeout" || f.count[patient(0)] != 0 || k.Counts().Expired != 1 {
		t.Errorf("got %s after %d attempts, %+v", outcome(c), f.count[patient(0)], k.Counts())
	}
}
