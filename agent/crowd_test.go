package agent

import (
	"net"
	"testing"

	"github.com/motand/motand/motan/motantest"
)

// So many connections are there at a time, over all listeners; who leaves makes room once.
func TestCrowd(t *testing.T) {
	c := &crowd{most: 2}
	var addrs []string
	accepted := make(chan net.Conn)
	for range 2 {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		bounded := c.bound(l)
		ended := make(chan struct{})
		t.Cleanup(func() { _ = l.Close(); <-ended })
		go func() { // ends with l
			defer close(ended)
			for {
				conn, err := bounded.Accept()
				if err != nil {
					return
				}
				accepted <- conn
			}
		}()
		addrs = append(addrs, l.Addr().String())
	}
	dial := func(addr string) net.Conn {
		t.Helper()
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = conn.Close() })
		return conn
	}
	dial(addrs[0])
	first := <-accepted
	dial(addrs[1])
	second := <-accepted
	for i, addr := range addrs {
		if n, err := dial(addr).Read(make([]byte, 1)); err == nil {
			t.Errorf("one too many at listener %d: got %d bytes, want it closed", i, n)
		}
	}
	if open, refused := c.open.Load(), c.refused.Load(); open != 2 || refused != 2 {
		t.Errorf("got %d open, %d refused, want 2 and 2", open, refused)
	}
	for range 2 { // closed twice, counted once
		_ = first.Close()
	}
	dial(addrs[0])
	third := <-accepted
	if open := c.open.Load(); open != 2 {
		t.Errorf("got %d open, want 2", open)
	}
	_ = second.Close()
	_ = third.Close()
	motantest.Await(t, "nobody to be left", func() bool { return c.open.Load() == 0 })
}
