package tests

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/motand/motand/motan/motantest"
)

// patrons are many callers that each make a call now and then on a connection that they keep.
type patrons struct {
	stop  chan struct{}
	done  sync.WaitGroup
	good  atomic.Int64
	wrong atomic.Pointer[error] // the first thing that went wrong
}

// startPatrons has n callers make a call each every pause.
func startPatrons(t testing.TB, addr string, n int, pause time.Duration) *patrons {
	t.Helper()
	p := &patrons{stop: make(chan struct{})}
	for i := range n {
		conn := newPipe(t, addr)
		p.done.Go(func() { // ends with stop
			tick := time.NewTicker(pause)
			defer tick.Stop()
			for id := uint64(1); ; id++ {
				if err := visit(conn, "patron"+strconv.Itoa(i), id); err != nil {
					err = fmt.Errorf("caller %d from %s, call %d: %w", i, conn.conn.LocalAddr(), id, err)
					p.wrong.CompareAndSwap(nil, &err)
					return
				}
				p.good.Add(1)
				select {
				case <-tick.C:
				case <-p.stop:
					return
				}
			}
		})
	}
	await(t, "a call of every caller", func() bool { return p.good.Load() >= int64(n) || p.wrong.Load() != nil })
	return p
}

// visit makes one call.
func visit(p *pipe, name string, id uint64) error {
	body := name + "/" + strconv.FormatUint(id, 10)
	_ = p.conn.SetDeadline(time.Now().Add(patience)) // a connection that is gone fails below
	p.queue(motantest.Request("com.example.Both", "echo", []byte(body), "M_g", "demo", "call", body), id)
	if err := p.flush(); err != nil {
		return err
	}
	reply, err := p.receive()
	if err != nil {
		return err
	}
	if reply.ID != id || reply.Failed() || string(reply.Body()) != body {
		return fmt.Errorf("got answer %d, %q, %v", reply.ID, reply.Body(), motantest.Metadata(reply))
	}
	return nil
}

// end stops all and fails the test where anything went wrong.
func (p *patrons) end(t testing.TB) {
	t.Helper()
	close(p.stop)
	p.done.Wait()
	if err := p.wrong.Load(); err != nil {
		t.Error(*err)
	}
}

// TestFaultReconnect has thousands of callers come back at once to an agent that was killed and started anew: each is served.
func TestFaultReconnect(t *testing.T) {
	w := newProvider(t, "127.0.0.1", echo)
	s := newSetup(t)
	yaml := outboundYAML("com.example.Both", "127.0.0.1:"+strconv.Itoa(w.port))
	d := startMotandIn(s, yaml)
	n := briefly(scaled(2000), 5000)
	callers := make([]*pipe, n)
	for i := range callers {
		callers[i] = newPipe(t, d.addr("motan"))
	}
	d.Kill()
	for _, p := range callers {
		p.conn.Close()
	}
	startMotandIn(s, yaml)
	start := make(chan struct{})
	var done sync.WaitGroup
	var again, failed atomic.Int64
	for i := range n {
		done.Go(func() { // ends with its call
			<-start
			p, err := dialAgain(s.addr("motan"), &again)
			if err == nil {
				defer p.conn.Close()
				err = visit(p, "caller"+strconv.Itoa(i), 1)
			}
			if err != nil && failed.Add(1) == 1 {
				t.Errorf("caller %d: %v", i, err)
			}
		})
	}
	began := time.Now()
	close(start)
	done.Wait()
	note(t, "callers", n)
	note(t, "all served within", time.Since(began).Round(time.Millisecond))
	note(t, "connections refused or timed out meanwhile", again.Load())
	if n := failed.Load(); n > 0 {
		t.Errorf("%d calls failed", n)
	}
}

// dialAgain connects as often as it takes, for as long as callers wait.
func dialAgain(addr string, again *atomic.Int64) (*pipe, error) {
	for end := time.Now().Add(patience); ; again.Add(1) {
		conn, err := net.DialTimeout("tcp", addr, patience)
		if err == nil {
			return pipeOn(conn), nil
		}
		if time.Now().After(end) || !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, os.ErrDeadlineExceeded) {
			return nil, err
		}
	}
}
