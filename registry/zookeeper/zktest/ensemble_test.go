package zktest

import (
	"testing"
	"time"

	"github.com/go-zookeeper/zk"
)

// An ensemble serves without its leader, not without its majority, and has its data when that is back.
func TestEnsemble(t *testing.T) {
	e := StartEnsemble(t, 3)
	conn := e.Client()
	if _, err := conn.Create("/a", []byte("x"), 0, zk.WorldACL(zk.PermAll)); err != nil {
		t.Fatal(err)
	}
	first, others := e.Leader(), e.Followers()
	if len(others) != 2 {
		t.Fatalf("got %d followers, want 2", len(others))
	}
	first.Stop()
	second := e.Leader()
	if second == first {
		t.Error("a server leads that does not run")
	}
	second.Stop()
	deadline := time.Now().Add(startTimeout)
	for _, s := range others {
		for s.Mode() != "" {
			if time.Now().After(deadline) {
				t.Fatal("one of three goes on serving")
			}
		}
	}
	e.Restart(first, second)
	data, _, err := conn.Get("/a")
	for err != nil && time.Now().Before(deadline) { // the third may still look for the new leader
		data, _, err = conn.Get("/a")
	}
	if string(data) != "x" {
		t.Errorf("after the majority is back: got %q, %v", data, err)
	}
}
