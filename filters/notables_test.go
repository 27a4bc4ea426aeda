package filters

import (
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// notableCall is a call of the method that failed with the code, or went well where that is 0.
func notableCall(t *testing.T, method string, code int) *motan.Call {
	t.Helper()
	c := motan.NewCall()
	t.Cleanup(c.Release)
	c.Service, c.Group = "svc", "g"
	c.Request.Set("M_m", method)
	if code != 0 {
		c.Err = motan.Errorf(motan.KindOther, code, "no luck")
	}
	return c
}

func TestNotables(t *testing.T) {
	var n Notables
	now := int64(time.Hour)
	for i := range 300 {
		n.see(ClientAgent, notableCall(t, "fails", 500+i), now+int64(i)*int64(time.Second)/40, time.Millisecond, true)
	}
	failed := n.Failed()
	if len(failed) != keptFailures || failed[0].Code != 799 || failed[keptFailures-1].Code != 600 || failed[0].Error != "no luck" {
		t.Errorf("got %d failures, the newest %+v, the oldest %d", len(failed), failed[0], failed[len(failed)-1].Code)
	}
	for i := range 500 {
		n.see(ClientAgent, notableCall(t, "slow", 0), now, time.Duration(i+10)*time.Millisecond, false)
	}
	slowest := n.Slowest()
	if len(slowest) != keptSlowest || slowest[0].Millis != 509 || slowest[keptSlowest-1].Millis != 460 {
		t.Errorf("got %d slowest calls from %v to %v ms, want 50 from 509 to 460", len(slowest), slowest[0].Millis, slowest[len(slowest)-1].Millis)
	}
	if floor := time.Duration(n.floor.Load()); floor != 460*time.Millisecond {
		t.Errorf("got the floor %v", floor)
	}
	later := now + slowestPeriod + int64(time.Second)
	n.see(ClientAgent, notableCall(t, "fast", 0), later, time.Microsecond, false)
	if s := n.Slowest(); len(s) != keptSlowest || s[0].Millis != 509 {
		t.Errorf("after a period: got %d, the slowest %v ms; want those of before", len(s), s[0].Millis)
	}
	n.see(ClientAgent, notableCall(t, "fast", 0), later+slowestPeriod+int64(time.Second), time.Microsecond, false)
	if s := n.Slowest(); len(s) != 2 || s[0].Method != "fast" {
		t.Errorf("after two periods: got %+v, want the two fast ones", s)
	}
}

// A flood of failures is recorded in part; a call that is neither failed nor slow costs no allocation.
func TestNotablesAreBounded(t *testing.T) {
	var n Notables
	now := int64(time.Hour)
	var wait sync.WaitGroup
	for range 4 {
		wait.Go(func() {
			c := motan.NewCall()
			defer c.Release()
			c.Err = motan.Errorf(motan.KindOther, 500, "no")
			for range 10_000 {
				n.see(ServerAgent, c, now, time.Millisecond, true)
			}
		})
	}
	wait.Wait()
	if got := len(n.Failed()); got > failuresSecond+4 { // the four may begin the second at once
		t.Errorf("got %d failures of one second, want at most %d", got, failuresSecond)
	}
	c := notableCall(t, "m", 0)
	for range keptSlowest {
		n.see(ServerAgent, c, now, time.Second, false)
	}
	if got := testing.AllocsPerRun(1000, func() { n.see(ServerAgent, c, now, time.Millisecond, false) }); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}
