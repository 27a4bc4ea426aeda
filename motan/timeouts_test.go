package motan_test

import (
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestTimeoutsLeaveNothing(t *testing.T) {
	s := motantest.NewServer(t, motantest.Silent)
	n := motan.NewConn(s.Addr(), motan.ConnOptions{})
	defer n.Close()
	first := newCall(nil)
	first.Deadline = within(time.Millisecond)
	motan.Do(n, first)
	motantest.Await(t, "the connection", n.Open) // a call whose time ends before was not sent
	before := n.Stats().Timeouts.Load()
	random := seeded(t)
	var wait sync.WaitGroup
	for range 300 {
		after := time.Duration(random.IntN(100)-10) * time.Millisecond
		wait.Go(func() {
			c := newCall(nil)
			c.Deadline = within(after)
			if motan.Do(n, c); kindOf(c) != "timeout" {
				t.Errorf("got %v", c.Err)
			}
			if now := motan.Now(); now < c.Deadline {
				t.Errorf("timed out %s early", time.Duration(c.Deadline-now))
			}
		})
	}
	wait.Wait()
	if timeouts := n.Stats().Timeouts.Load() - before; n.InFlight() != 0 || timeouts != 300 {
		t.Errorf("got %d in flight, %d time-outs", n.InFlight(), timeouts)
	}
}
