package motantest_test

import (
	"bytes"
	"path/filepath"
	"testing"

	"go.uber.org/goleak"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestServerAnswers(t *testing.T) {
	tests := []struct {
		name     string
		handler  motantest.Handler
		body     string
		metadata map[string]string
		failed   bool
	}{
		{"echo", motantest.Echo, "ping", map[string]string{"M_p": "s", "M_m": "m", "k": "v"}, false},
		{"reply", motantest.Reply([]byte("pong"), "a", "b"), "pong", map[string]string{"a": "b"}, false},
		{"exception", motantest.Exception(500, 1, "no"), "", map[string]string{"M_e": `{"errcode":500,"errmsg":"no","errtype":1}`}, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := motantest.NewServer(t, tt.handler)
			c := motantest.Dial(t, s.Addr())
			request := motantest.Request("s", "m", []byte("ping"), "k", "v")
			reply := c.Call(request)
			if got := string(reply.Body()); got != tt.body {
				t.Errorf("body: got %q, want %q", got, tt.body)
			}
			got := motantest.Metadata(reply)
			if len(got) != len(tt.metadata) {
				t.Errorf("metadata: got %v, want %v", got, tt.metadata)
			}
			for k, v := range tt.metadata {
				if got[k] != v {
					t.Errorf("%s: got %q, want %q", k, got[k], v)
				}
			}
			if reply.Failed() != tt.failed {
				t.Errorf("failed: got %t, want %t", reply.Failed(), tt.failed)
			}
			if got, want := s.Await(1)[0], motantest.Bytes(request, 1); !bytes.Equal(got, want) {
				t.Errorf("recorded: got % x, want % x", got, want)
			}
		})
	}
}

func TestHeartbeat(t *testing.T) {
	s := motantest.NewServer(t, motantest.Silent)
	c := motantest.Dial(t, s.Addr())
	beat := &motan.Frame{Type: motan.FlagHeartbeat, ID: 7}
	c.Send(beat)
	if reply := c.Receive(); reply.ID != 7 || reply.Type != motan.FlagHeartbeat|motan.FlagProxy|motan.FlagResponse {
		t.Errorf("got id %d and type %#02x, want 7 and 0x13", reply.ID, reply.Type)
	}
	if got := s.Heartbeats(); got != 1 {
		t.Errorf("heartbeats: got %d, want 1", got)
	}
}

func TestRestartKeepsAddress(t *testing.T) {
	for _, s := range []*motantest.Server{
		motantest.NewServer(t, motantest.Echo),
		motantest.NewUnixServer(t, filepath.Join(t.TempDir(), "s"), motantest.Echo),
	} {
		addr := s.Addr()
		c := motantest.Dial(t, addr)
		c.Call(motantest.Request("s", "m", nil))
		s.Stop()
		c.AwaitClose()
		s.Start()
		if s.Addr() != addr {
			t.Errorf("address: got %s, want %s", s.Addr(), addr)
		}
		motantest.Dial(t, addr).Call(motantest.Request("s", "m", nil))
		if got := s.Accepted(); got != 2 {
			t.Errorf("accepted: got %d, want 2", got)
		}
		s.Break()
		motantest.Await(t, "connections to end", func() bool { return s.Open() == 0 })
	}
}
