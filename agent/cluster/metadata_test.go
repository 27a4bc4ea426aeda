package cluster_test

import (
	"strings"
	"testing"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry"
)

// received is the first request that s got.
func received(t *testing.T, s *motantest.Server) *motan.Frame {
	t.Helper()
	raw := s.Await(1)[0]
	f := new(motan.Frame)
	if _, err := f.Decode(raw, len(raw)); err != nil {
		t.Fatal(err)
	}
	return f
}

// What the cluster adds to requests (Motan protocol, section 1.10).
func TestRequestMetadata(t *testing.T) {
	tests := []struct {
		name     string
		settings cluster.Settings
		pairs    []string
		key      string
		want     string
	}{
		{"group is the node's", cluster.Settings{}, nil, "M_g", "g"},
		{"also when the caller names another", cluster.Settings{}, []string{"M_g", "asked"}, "M_g", "g"},
		{"provider here: the group stays", cluster.Settings{Local: true}, []string{"M_g", "asked"}, "M_g", "asked"},
		{"provider here: no group stays none", cluster.Settings{Local: true}, nil, "M_g", ""},
		{"version is not told by default", cluster.Settings{}, nil, "M_v", ""},
		{"nor is 1.0", cluster.Settings{Version: "1.0"}, nil, "M_v", ""},
		{"another one is", cluster.Settings{Version: "2.0"}, nil, "M_v", "2.0"},
		{"but the caller's stays", cluster.Settings{Version: "2.0"}, []string{"M_v", "1.1"}, "M_v", "1.1"},
		{"the wish for a timeout stays", cluster.Settings{}, []string{"M_tmo", "1"}, "M_tmo", "1"},
		{"unknown keys stay", cluster.Settings{}, []string{"key", "value"}, "key", "value"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := motantest.NewServer(t, motantest.Reply(nil))
			k := newCluster(t, tt.settings, s.Addr())
			do(t, k, newCall("body", tt.pairs...))
			if got := string(received(t, s).Get(tt.key)); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.key, got, tt.want)
			}
		})
	}
}

// The node's own group counts, not the cluster's: a list may be merged from several groups.
func TestGroupOfTheNode(t *testing.T) {
	s := motantest.NewServer(t, motantest.Reply(nil))
	k := newCluster(t, cluster.Settings{})
	n := node(t, s.Addr())
	n.Group = "merged"
	k.Update([]registry.Node{n})
	c := do(t, k, newCall("", "M_g", "g"))
	if got := string(received(t, s).Group()); got != "merged" {
		t.Errorf("M_g: got %q, want merged", got)
	}
	if c.Group != "merged" {
		t.Errorf("group of the call: got %q, want merged", c.Group)
	}
}

// A copy from another registry may be in another group than the one that its provider knows.
func TestGroupOfACopy(t *testing.T) {
	s := motantest.NewServer(t, motantest.Reply(nil))
	k := newCluster(t, cluster.Settings{})
	n := node(t, s.Addr())
	n.Group, n.Params = "east-g", map[string]string{registry.SyncedFrom: "east", registry.SyncedGroup: "g"}
	k.Update([]registry.Node{n})
	c := do(t, k, newCall(""))
	if got := string(received(t, s).Group()); got != "g" {
		t.Errorf("M_g: got %q, want the provider's g", got)
	}
	if c.Group != "east-g" {
		t.Errorf("group of the call: got %q, want east-g", c.Group)
	}
}

// What the cluster adds to replies, and that it leaves alone what providers say.
func TestReplyMetadata(t *testing.T) {
	tests := []struct {
		name      string
		settings  cluster.Settings
		handler   motantest.Handler
		forwarded bool // the node's address is told
		time      string
	}{
		{"reply", cluster.Settings{}, motantest.Reply([]byte("b")), true, ""},
		{"time of the provider", cluster.Settings{}, motantest.Reply([]byte("b"), "M_pt", "77"), true, "77"},
		{"exception", cluster.Settings{}, motantest.Exception(30001, motan.TypeBiz, "no"), true, ""},
		{"provider here", cluster.Settings{Local: true}, motantest.Reply([]byte("b")), false, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := motantest.NewServer(t, tt.handler)
			c := do(t, newCluster(t, tt.settings, s.Addr()), newCall("body"))
			want := ""
			if tt.forwarded {
				want = s.Addr()
			}
			if got := string(c.Reply.Get("x-forwarded-for")); got != want {
				t.Errorf("x-forwarded-for: got %q, want %q", got, want)
			}
			got := string(c.Reply.ProcessTime())
			if tt.time != "" && got != tt.time {
				t.Errorf("M_pt: got %q, want %q", got, tt.time)
			}
			if got == "" || strings.Trim(got, "0123456789") != "" {
				t.Errorf("M_pt: got %q, want a number", got)
			}
		})
	}
}

func TestUnixSocketProviderHere(t *testing.T) {
	s := motantest.NewUnixServer(t, t.TempDir()+"/s", motantest.Echo)
	c := do(t, newCluster(t, cluster.Settings{Local: true}, s.Addr()), newCall("body"))
	if outcome(c) != "ok" || string(c.Reply.Body()) != "body" || c.Endpoint != s.Addr() {
		t.Errorf("got %s %q from %s, want body from %s", outcome(c), c.Reply.Body(), c.Endpoint, s.Addr())
	}
}

func TestNoNodes(t *testing.T) {
	c := do(t, newCluster(t, cluster.Settings{Retries: 3}), newCall(""))
	if c.Err == nil || c.Err.Kind != motan.KindNoEndpoint || c.Err.Code != 1001 || c.Err.Type != motan.TypeService {
		t.Fatalf("got %+v, want no_endpoint, 1001, 1", c.Err)
	}
	if want := "No refers for request, service: svc, group: g"; c.Err.Message != want {
		t.Errorf("got %q, want %q", c.Err.Message, want)
	}
	if got := string(c.Reply.Get("x-forwarded-for")); got != "" || c.Endpoint != "" {
		t.Errorf("x-forwarded-for: got %q of %q, want none: no node was chosen", got, c.Endpoint)
	}
}

// Large bodies are compressed on the way out where the configuration says so; the provider
// reads what the caller has written.
func TestGzipOver(t *testing.T) {
	large := strings.Repeat("abcdefgh", 1000)
	tests := []struct {
		name    string
		over    int
		body    string
		gzipped bool
	}{
		{"never", 0, large, false},
		{"below", len(large), large, false},
		{"over", len(large) - 1, large, true},
		{"empty", 1, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := motantest.NewServer(t, motantest.Reply(nil))
			do(t, newCluster(t, cluster.Settings{GzipOver: tt.over}, s.Addr()), newCall(tt.body))
			got := received(t, s)
			if got.Gzipped() != tt.gzipped {
				t.Errorf("compressed: got %t, want %t", got.Gzipped(), tt.gzipped)
			}
			if err := got.Inflate(len(large)); err != nil {
				t.Fatal(err)
			}
			if string(got.Body()) != tt.body {
				t.Errorf("got a body of %d bytes, want the %d sent", len(got.Body()), len(tt.body))
			}
		})
	}
}
