package cluster_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

const notHere = motan.ProviderNotExist + "g_svc"

// peer starts a provider of a kind: what it does with each call.
func peer(t *testing.T, kind string) *motantest.Server {
	t.Helper()
	s := motantest.NewServer(t, motantest.Echo)
	switch kind {
	case "echo":
	case "down":
		s.Stop()
	case "breaks":
		s.SetHandler(func(*motan.Frame) *motan.Frame {
			s.Break()
			return nil
		})
	case "biz":
		s.SetHandler(motantest.Exception(30001, motan.TypeBiz, "business"))
	case "biz not here":
		s.SetHandler(motantest.Exception(404, motan.TypeBiz, notHere))
	case "service":
		s.SetHandler(motantest.Exception(500, motan.TypeService, "no"))
	case "framework":
		s.SetHandler(motantest.Exception(20001, motan.TypeFramework, "no"))
	case "not here":
		s.SetHandler(motantest.Exception(404, motan.TypeService, notHere))
	case "404":
		s.SetHandler(motantest.Exception(404, motan.TypeService, "no such page"))
	case "no json":
		s.SetHandler(func(*motan.Frame) *motan.Frame {
			f := &motan.Frame{Status: 1}
			f.Set("M_e", "{broken")
			return f
		})
	default:
		t.Fatalf("no such peer: %s", kind)
	}
	return s
}

func peers(t *testing.T, kinds string) (all []*motantest.Server, addrs []string) {
	t.Helper()
	for kind := range strings.SplitSeq(kinds, ", ") {
		s := peer(t, kind)
		all, addrs = append(all, s), append(addrs, s.Addr())
	}
	return all, addrs
}

func TestFailover(t *testing.T) {
	tests := []struct {
		name    string
		peers   string // the call begins with the first
		retries int
		want    string
		frames  []int // that came to each
	}{
		{"nothing wrong", "echo, echo", 3, "ok", []int{1, 0}},

		{"not sent goes elsewhere", "down, echo", 0, "ok", []int{0, 1}},
		{"past several that are down", "down, down, down, echo", 0, "ok", []int{0, 0, 0, 1}},
		{"but not without end", "down, down, down, down, echo", 0, "not_sent", []int{0, 0, 0, 0, 0}},
		{"retries come on top", "down, down, down, down, echo", 1, "ok", []int{0, 0, 0, 0, 1}},
		{"all down", "down, down", 2, "not_sent", []int{0, 0}},

		{"not here goes elsewhere", "not here, echo", 0, "ok", []int{1, 1}},
		{"nowhere, each asked once", "not here, not here, not here", 0, "exception 404", []int{1, 1, 1}},
		{"not here, then down", "not here, down, echo", 0, "ok", []int{1, 0, 1}},
		{"not here, then nobody", "not here, down", 0, "not_sent", []int{1, 0}},
		{"another 404 is an answer", "404, echo", 0, "exception 404", []int{1, 0}},

		{"business exception", "biz, echo", 5, "exception 30001", []int{1, 0}},
		{"business exception that looks like another", "biz not here, echo", 5, "exception 404", []int{1, 0}},

		{"service exception without retries", "service, echo", 0, "exception 500", []int{1, 0}},
		{"service exception", "service, echo", 1, "ok", []int{1, 1}},
		{"service exceptions everywhere", "service, service", 1, "exception 500", []int{1, 1}},
		{"more retries than nodes", "service, service", 4, "exception 500", []int{3, 2}},
		{"framework exception", "framework, echo", 1, "ok", []int{1, 1}},
		{"exception that nobody can read", "no json, echo", 1, "ok", []int{1, 1}},

		{"broken without retries", "breaks, echo", 0, "broken", []int{1, 0}},
		{"broken", "breaks, echo", 1, "ok", []int{1, 1}},
		{"broken, then business", "breaks, biz, echo", 5, "exception 30001", []int{1, 1, 0}},

		{"bounded", "service", 1000, "exception 500", []int{16}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			all, addrs := peers(t, tt.peers)
			k := newCluster(t, cluster.Settings{Balance: first{}, Retries: tt.retries}, addrs...)
			c := do(t, k, newCall("body", "key", "value"))
			if got := outcome(c); got != tt.want {
				t.Errorf("got %s, want %s (%v)", got, tt.want, c.Err)
			}
			var frames []int
			for _, s := range all {
				frames = append(frames, len(s.Frames()))
			}
			if !slices.Equal(frames, tt.frames) {
				t.Errorf("frames: got %v, want %v", frames, tt.frames)
			}
			if want := slices.Max(frames) == 0; c.Unreached() != want {
				t.Errorf("nobody was reached: got %t, want %t", !want, want)
			}
			if tt.want == "ok" && string(c.Reply.Body()) != "body" {
				t.Errorf("body: got %q, want body", c.Reply.Body())
			}
		})
	}
}

// What a further attempt sends is the same call: the other node gets the same bytes but for the id.
func TestFurtherAttemptsSendTheSame(t *testing.T) {
	all, addrs := peers(t, "not here, echo")
	k := newCluster(t, cluster.Settings{Balance: first{}, Version: "2.0"}, addrs...)
	do(t, k, newCall("body", "key", "value", "M_g", "other"))
	var sent [2]motan.Frame
	for i := range sent {
		raw := all[i].Await(1)[0]
		if _, err := sent[i].Decode(raw, len(raw)); err != nil {
			t.Fatal(err)
		}
	}
	one, two := motantest.Bytes(&sent[0], 1), motantest.Bytes(&sent[1], 1)
	if !slices.Equal(one, two) {
		t.Errorf("first got %q, second %q", one, two)
	}
}

func TestRetriesOfAMethod(t *testing.T) {
	settings := cluster.Settings{Retries: 1}
	for _, tt := range []struct {
		retries, want int
	}{{0, 1}, {3, 4}} {
		s := peer(t, "service")
		own := settings
		own.Methods = map[string]cluster.Method{"m()": {
			Retries: tt.retries, Timeouts: cluster.Timeouts{Request: motantest.Patience},
		}}
		do(t, newCluster(t, own, s.Addr()), newCall(""))
		if got := len(s.Frames()); got != tt.want {
			t.Errorf("retries %d: got %d attempts, want %d", tt.retries, got, tt.want)
		}
	}
}

// journal is a filter that writes down what it sees.
type journal struct {
	name  string
	lines *[]string
}

func (j journal) note(mark string, c *motan.Call) motan.Verdict {
	*j.lines = append(*j.lines, fmt.Sprintf("%s%s %s %s", mark, j.name, c.Endpoint, outcome(c)))
	return motan.Next
}

func (j journal) Request(c *motan.Call) motan.Verdict { return j.note(">", c) }
func (j journal) Reply(c *motan.Call)                 { j.note("<", c) }

// The filters of the attempts see each attempt once, in order, with its node and outcome, and
// nothing of the attempt before.
func TestAttemptsChain(t *testing.T) {
	_, addrs := peers(t, "down, service, echo")
	var lines []string
	k := newCluster(t, cluster.Settings{
		Balance: first{}, Retries: 2, Attempts: []motan.Filter{journal{"a", &lines}, journal{"b", &lines}},
	}, addrs...)
	c := do(t, k, newCall(""))
	var want []string
	for i, end := range []string{"not_sent", "exception 500", "ok"} {
		want = append(want, ">a "+addrs[i]+" ok", ">b "+addrs[i]+" ok", "<b "+addrs[i]+" "+end, "<a "+addrs[i]+" "+end)
	}
	if !slices.Equal(lines, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(lines, "\n"), strings.Join(want, "\n"))
	}
	if c.AttemptStart < c.Start || c.Endpoint != addrs[2] {
		t.Errorf("attempt began at %d (call %d) at %s, want the last at %s", c.AttemptStart, c.Start, c.Endpoint, addrs[2])
	}
}

// failing is a filter that ends each attempt with an error.
type failing struct {
	kind  motan.Kind
	calls *int
}

func (f failing) Request(c *motan.Call) motan.Verdict {
	*f.calls++
	c.Err = motan.Errorf(f.kind, motan.CodeRejected, "failed by a filter")
	return motan.Answered
}

func (failing) Reply(*motan.Call) {}

// An attempt that a filter ends counts as one: a filter that always does must not make the
// cluster try for ever.
func TestAttemptsEndedByAFilter(t *testing.T) {
	tests := []struct {
		kind    motan.Kind
		retries int
		want    int
	}{
		{motan.KindNotSent, 0, 2}, // one for each node
		{motan.KindNotSent, 3, 5},
		{motan.KindNotSent, 100, 16},
		{motan.KindBroken, 2, 3},
		{motan.KindRefused, 3, 1}, // what a rule has refused is refused
		{motan.KindBadRequest, 3, 1},
		{motan.KindOversize, 3, 1},
		{motan.KindOther, 3, 1},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s %d", tt.kind, tt.retries), func(t *testing.T) {
			calls := 0
			k := newCluster(t, cluster.Settings{
				Retries: tt.retries, Attempts: []motan.Filter{failing{tt.kind, &calls}},
			}, "127.0.0.1:1", "127.0.0.1:2")
			c := do(t, k, newCall(""))
			if got := outcome(c); got != tt.kind.String() || calls != tt.want {
				t.Errorf("got %s after %d attempts, want %s after %d", got, calls, tt.kind, tt.want)
			}
		})
	}
}

func TestNodeThatComesBack(t *testing.T) {
	s := peer(t, "down")
	k := newCluster(t, cluster.Settings{}, s.Addr())
	if got := outcome(do(t, k, newCall(""))); got != "not_sent" {
		t.Fatalf("while down: got %s, want not_sent", got)
	}
	knowDown(t, k, s.Addr())
	s.Start()
	motantest.Await(t, "a call to succeed", func() bool { return outcome(do(t, k, newCall(""))) == "ok" })
	s.Stop()
	motantest.Await(t, "the node to be down again", func() bool { return outcome(do(t, k, newCall(""))) == "not_sent" })
	s.Start()
	motantest.Await(t, "a call to succeed again", func() bool { return outcome(do(t, k, newCall(""))) == "ok" })
}
