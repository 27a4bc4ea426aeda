package etcdtest

import (
	"context"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// Data stay over a restart and go with Wipe; the address stays in any case.
func TestServer(t *testing.T) {
	s := Start(t)
	addr := s.Addr
	put(t, s, "a", "x")
	s.Restart()
	if got := get(t, s, "a"); got != "x" {
		t.Errorf("after a restart: got %q, want x", got)
	}
	s.Wipe()
	s.Stop() // it does not run: nothing happens
	s.Restart()
	if got := get(t, s, "a"); got != "" {
		t.Errorf("after a wipe: got %q", got)
	}
	s.Pause()
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	if _, err := s.Client("", "").Get(ctx, "a"); err == nil {
		t.Error("it answers though it is paused")
	}
	s.Resume()
	put(t, s, "a", "y")
	if s.Addr != addr {
		t.Errorf("address: got %s, want %s", s.Addr, addr)
	}
}

func TestCluster(t *testing.T) {
	servers := StartCluster(t, 3)
	put(t, servers[0], "a", "x")
	servers[0].Stop()
	if got := get(t, servers[1], "a"); got != "x" {
		t.Errorf("at another member: got %q, want x", got)
	}
	servers[0].Restart()
	if got := get(t, servers[0], "a"); got != "x" {
		t.Errorf("after a restart: got %q, want x", got)
	}
}

func TestTLS(t *testing.T) {
	s, _ := StartTLS(t)
	put(t, s, "a", "x")
	if got := get(t, s, "a"); got != "x" {
		t.Errorf("got %q, want x", got)
	}
}

func put(t *testing.T, s *Server, key, value string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	if _, err := s.Client("", "").Put(ctx, key, value); err != nil {
		t.Fatalf("put: %v", err)
	}
}

func get(t *testing.T, s *Server, key string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), startTimeout)
	defer cancel()
	r, err := s.Client("", "").Get(ctx, key)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	if len(r.Kvs) == 0 {
		return ""
	}
	return string(r.Kvs[0].Value)
}
