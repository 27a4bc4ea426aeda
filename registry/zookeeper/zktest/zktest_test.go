package zktest

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// Data stay over a restart and go with Wipe; the address stays in any case.
func TestServer(t *testing.T) {
	s := Start(t)
	addr := s.Addr
	if _, err := s.Client().Create("/a", []byte("x"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	s.Restart()
	if data, _, err := s.Client().Get("/a"); err != nil || string(data) != "x" {
		t.Errorf("after a restart: got %q, %v", data, err)
	}
	s.Wipe()
	s.Stop() // it does not run: nothing happens
	s.Restart()
	if exists, _, err := s.Client().Exists("/a"); err != nil || exists {
		t.Errorf("after a wipe: got %v, %v", exists, err)
	}
	s.Pause()
	if s.answers() {
		t.Error("it answers though it is paused")
	}
	s.Resume()
	deadline := time.Now().Add(startTimeout)
	for !s.answers() {
		if time.Now().After(deadline) {
			t.Fatal("it does not answer after Resume")
		}
	}
	if s.Addr != addr {
		t.Errorf("address: got %s, want %s", s.Addr, addr)
	}
}
