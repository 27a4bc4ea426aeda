package motan_test

import (
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// A call that waits can be taken back once; its reply is dropped as a late one and reaches nobody.
func TestWithdraw(t *testing.T) {
	open := make(chan struct{})
	s := motantest.NewServer(t, func(f *motan.Frame) *motan.Frame {
		<-open
		return motantest.Echo(f)
	})
	k := motan.NewClient(s.Addr(), 2, motan.ConnOptions{})
	t.Cleanup(k.Close)
	deadline := motan.Now() + int64(motantest.Patience)
	newCall := func(body string) *motan.Call {
		c := motan.NewCall()
		c.Request.CopyFrom(motantest.Request("svc", "m", []byte(body)))
		c.Deadline = deadline
		return c
	}
	c, other := newCall("one"), newCall("two")
	if k.Withdraw(c) {
		t.Fatal("a call was taken back before it was sent")
	}
	ended := make(chan struct{})
	c.Push(returnFunc(func(*motan.Call) { close(ended) }), 0)
	k.Handle(c)
	s.Await(1)
	if !k.Withdraw(c) || k.Withdraw(c) {
		t.Fatal("a call that waits can be taken back, and once only")
	}
	if n := k.InFlight(); n != 0 {
		t.Errorf("%d calls wait after that, want none", n)
	}
	select {
	case <-ended:
		t.Fatal("the call was ended by taking it back")
	default:
	}
	c.Fail(motan.Errorf(motan.KindDropped, motan.CodeDefault, "dropped"))
	<-ended
	if c.Failed() {
		t.Error("a dropped call counts as failed")
	}
	close(open)
	motan.Do(k, other) // comes after the late reply
	if other.Err != nil || string(other.Reply.Body()) != "two" {
		t.Errorf("the next call: got %q, %v", other.Reply.Body(), other.Err)
	}
	motantest.Await(t, "the late reply to be dropped", func() bool { return k.Conns()[0].Stats().Late.Load() == 1 })
	c.Release()
	other.Release()
}

// returnFunc is what happens at the end of a call, as its edge.
type returnFunc func(*motan.Call)

func (f returnFunc) Return(c *motan.Call, _ int) bool {
	f(c)
	return false
}
