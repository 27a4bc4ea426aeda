package cluster_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// bedside is a hospital of three whose heartbeats the test answers.
type bedside struct {
	k       *cluster.Cluster
	f       *acting
	pings   chan string
	answers chan error
}

func newBedside(t *testing.T, pause time.Duration) *bedside {
	t.Helper()
	b := &bedside{f: newActing(map[string]act{}), pings: make(chan string, 1000), answers: make(chan error)}
	done := make(chan struct{})
	b.k = newCluster(t, cluster.Settings{
		Balance: cluster.RoundRobin{}, Attempts: []motan.Filter{b.f},
		Health: cluster.Health{Failures: 10, Pause: pause, Ping: func(_ context.Context, addr string) error {
			b.pings <- addr
			select {
			case err := <-b.answers:
				return err
			case <-done:
				return nil
			}
		}},
		Timeouts: cluster.Timeouts{Request: time.Second, Min: time.Millisecond, Max: time.Minute},
	}, patient(0), patient(1), patient(2))
	t.Cleanup(func() { close(done) }) // before the end of the cluster, which waits for it
	b.f.acts[patient(0)] = broken
	b.f.run(b.k, 60)
	if out := outs(b.k, b.f.now); len(out) != 1 {
		t.Fatalf("got %v left out, want one", out)
	}
	return b
}

// A node that is left out gets no call before it has answered a heartbeat, however long that takes.
func TestHealthHeartbeat(t *testing.T) {
	b := newBedside(t, time.Millisecond)
	before := b.f.count[patient(0)]
	for range 3 {
		if got := <-b.pings; got != patient(0) {
			t.Fatalf("asked: got %s, want %s", got, patient(0))
		}
		b.f.wait(time.Minute) // its pause is over
		b.f.run(b.k, 30)
		if got := b.f.count[patient(0)]; got != before {
			t.Fatalf("got %d calls to it, want none", got-before)
		}
		b.answers <- errors.New("silent")
	}
	<-b.pings
	delete(b.f.acts, patient(0))
	b.answers <- nil
	b.f.wait(time.Minute)
	motantest.Await(t, "it to be back", func() bool { b.f.run(b.k, 3); return len(outs(b.k, b.f.now)) == 0 })
	if n := len(b.pings); n > 0 {
		t.Errorf("got %d more heartbeats, want none", n)
	}
}

// One that answers heartbeats and no calls is left out again, and asked again.
func TestHealthHeartbeatAlone(t *testing.T) {
	b := newBedside(t, time.Millisecond)
	before := b.f.count[patient(0)]
	<-b.pings
	b.answers <- nil
	b.f.wait(time.Minute)
	motantest.Await(t, "a call to decide", func() bool { b.f.run(b.k, 3); return b.f.count[patient(0)] > before })
	<-b.pings
	b.f.wait(time.Minute)
	b.f.run(b.k, 30)
	if got := b.f.count[patient(0)] - before; got != 1 {
		t.Errorf("got %d calls to it, want the one that decided", got)
	}
}

// After some heartbeats a call decides though none is answered: there are providers that know none.
func TestHealthHeartbeatUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBedside(t, time.Minute)
		before := b.f.count[patient(0)]
		for range 5 {
			<-b.pings
			b.f.wait(time.Minute)
			b.f.run(b.k, 30)
			if got := b.f.count[patient(0)]; got != before {
				t.Fatalf("got %d calls to it while it is asked, want none", got-before)
			}
			b.answers <- errors.New("silent")
		}
		synctest.Wait()
		b.f.wait(time.Minute)
		b.f.run(b.k, 30)
		if got := b.f.count[patient(0)]; got != before+1 {
			t.Errorf("got %d calls to it, want the one that decides", got-before)
		}
	})
}

// A node that the registry takes away is not asked any more.
func TestHealthHeartbeatEnds(t *testing.T) {
	b := newBedside(t, time.Millisecond)
	<-b.pings
	b.k.Update(nil)
	b.answers <- errors.New("silent")
	b.k.Close() // waits for who asks
	if n := len(b.pings); n > 0 {
		t.Errorf("got %d more heartbeats, want none", n)
	}
}
