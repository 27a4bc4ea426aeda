package motan_test

import (
	"context"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// countedConn counts the writes to a connection.
type countedConn struct {
	*net.TCPConn
	writes *atomic.Int32
}

type countedRaw struct {
	syscall.RawConn
	writes *atomic.Int32
}

func (c countedConn) SyscallConn() (syscall.RawConn, error) {
	raw, err := c.TCPConn.SyscallConn()
	return countedRaw{raw, c.writes}, err
}

func (c countedRaw) Write(f func(fd uintptr) bool) error {
	c.writes.Add(1)
	return c.RawConn.Write(f)
}

// TestHandSharesWrites makes calls from a goroutine each at the same moment.
func TestHandSharesWrites(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	const calls = 32
	s := serve(t, &motan.Server{Handler: echo})
	var writes atomic.Int32
	conn := motan.NewConn(s.addr, motan.ConnOptions{Dial: func(ctx context.Context, addr string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err != nil {
			return nil, err
		}
		return countedConn{conn.(*net.TCPConn), &writes}, nil
	}})
	defer conn.Close()
	do := func() {
		c := motan.NewCall()
		defer c.Release()
		c.Request.Set("M_p", "s")
		c.Deadline = motan.Now() + int64(10*time.Second)
		motan.Do(conn, c)
		if c.Err != nil {
			t.Error(c.Err)
		}
	}
	do() // which dials
	writes.Store(0)
	start := make(chan struct{})
	var ended sync.WaitGroup
	for range calls {
		ended.Go(func() {
			<-start
			do()
		})
	}
	close(start)
	ended.Wait()
	if got := writes.Load(); got == 0 || got > calls/2 {
		t.Errorf("%d calls at the same moment: got %d writes, want at most half as many", calls, got)
	}
}

// TestSettle checks that an answer which another goroutine gives is written, from within a batch that ends with it.
func TestSettle(t *testing.T) {
	answered := make(chan bool, 1)
	s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		c.Batch = nil
		c.Push(returned(func(c *motan.Call) { answered <- c.Batch != nil }), 0)
		go func() { // ends with the call
			c.Reply.SetBody([]byte("late"))
			motan.Settle(c)
		}()
	})})
	conn := motan.NewConn(s.addr, motan.ConnOptions{})
	defer conn.Close()
	c := motan.NewCall()
	defer c.Release()
	c.Deadline = motan.Now() + int64(10*time.Second)
	motan.Do(conn, c)
	if c.Err != nil || string(c.Reply.Body()) != "late" {
		t.Errorf("got %q, %v, want the late answer", c.Reply.Body(), c.Err)
	}
	if !<-answered {
		t.Error("the call ended without a batch")
	}
}

// returned is told of the end of a call and lets it go on.
type returned func(c *motan.Call)

func (r returned) Return(c *motan.Call, _ int) bool {
	r(c)
	return true
}
