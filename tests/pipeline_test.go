package tests

import (
	"fmt"
	"sync"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// calls are what is sent over one connection: number i of n is request(i), and check tells what is wrong
// with its answer. Both must be the same whenever they are asked, and safe for use by several goroutines.
type calls struct {
	n       int
	window  int // how many may wait for their answer
	request func(i int) *motan.Frame
	check   func(i int, reply *motan.Frame) error
}

// id is the header id of call i: unique, over the whole range of 64 bits, and nothing to count by.
func (c *calls) id(i int) uint64 { return uint64(i+1) * 0x9e3779b97f4a7c15 }

// run makes the calls at addr and returns the first thing that was wrong: each has to be answered once and
// rightly, in any order.
func (c *calls) run(t testing.TB, addr string) error {
	t.Helper()
	p := newPipe(t, addr)
	defer p.conn.Close()
	var mu sync.Mutex
	waiting := make(map[uint64]int, c.window)
	room := make(chan struct{}, c.window)
	stop := make(chan struct{}) // closed when an answer was wrong
	sent := make(chan error, 1)
	go func() { // ends with the last call, or when the connection or stop is closed
		sent <- func() error {
			for i := range c.n {
				select {
				case room <- struct{}{}:
				default:
					if err := p.flush(); err != nil {
						return fmt.Errorf("send call %d: %w", i, err)
					}
					select {
					case room <- struct{}{}:
					case <-stop:
						return nil
					}
				}
				mu.Lock()
				waiting[c.id(i)] = i
				mu.Unlock()
				p.queue(c.request(i), c.id(i))
			}
			return p.flush()
		}()
	}()
	err := c.receive(p, &mu, waiting, room)
	close(stop)
	if err != nil {
		p.conn.Close()
	}
	if e := <-sent; err == nil {
		err = e
	}
	return err
}

func (c *calls) receive(p *pipe, mu *sync.Mutex, waiting map[uint64]int, room <-chan struct{}) error {
	for n := range c.n {
		reply, err := p.receive()
		if err != nil {
			return fmt.Errorf("after %d of %d answers: %w", n, c.n, err)
		}
		mu.Lock()
		i, ok := waiting[reply.ID]
		delete(waiting, reply.ID)
		mu.Unlock()
		if !ok {
			return fmt.Errorf("answer with id %d, which no waiting call has", reply.ID)
		}
		if reply.Type&motan.FlagResponse == 0 {
			return fmt.Errorf("call %d: answer of type %#02x is no response", i, reply.Type)
		}
		if reply.Failed() {
			return fmt.Errorf("call %d: %v", i, motantest.Metadata(reply))
		}
		if err := c.check(i, reply); err != nil {
			return fmt.Errorf("call %d: %w", i, err)
		}
		<-room
	}
	return nil
}

// runAll runs each of all on a connection of its own and fails the test for each that went wrong.
func runAll(t testing.TB, addr string, all []*calls) {
	t.Helper()
	var wait sync.WaitGroup
	for n, c := range all {
		wait.Go(func() {
			if err := c.run(t, addr); err != nil {
				t.Errorf("connection %d: %v", n, err)
			}
		})
	}
	wait.Wait()
}

// scaled is full, or a fourth with the race detector, which costs several times the processor, or a tenth
// with -short.
func scaled(full int) int {
	switch {
	case testing.Short():
		return full / 10
	case raced:
		return full / 4
	}
	return full
}
