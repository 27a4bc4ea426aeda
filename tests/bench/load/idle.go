package load

import (
	"context"
	"fmt"
	"net"
	"sync"
)

// idleDialers is how many connections are made at once, few enough for the queue of a listener.
const idleDialers = 16

// Idle are connections on each of which one call was answered, and nothing happens any more.
type Idle struct {
	mu    sync.Mutex
	conns []net.Conn // guarded by mu
}

// NewIdle makes n connections to t and one call on each. On an error, or when ctx ends, it closes them.
func NewIdle(ctx context.Context, t Target, request Request, n int) (*Idle, error) {
	idle := &Idle{conns: make([]net.Conn, 0, n)}
	_, err := parallel(ctx, idleDialers, grace, func(ctx context.Context, worker int, _ *Result) error {
		for range n/idleDialers + min(1, max(0, n%idleDialers-worker)) {
			if err := idle.open(ctx, t, request); err != nil {
				return failed(ctx, t.String(), err)
			}
		}
		return nil
	})
	if err != nil {
		idle.Close()
		return nil, err
	}
	return idle, nil
}

// open makes a connection and its call.
func (i *Idle) open(ctx context.Context, t Target, request Request) error {
	conn, err := new(net.Dialer).DialContext(ctx, t.Network, t.Address)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	i.mu.Lock()
	i.conns = append(i.conns, conn)
	made := len(i.conns)
	i.mu.Unlock()
	return exchange(ctx, conn, request, made)
}

// Call makes a call on connection n, from 0, on which there is none at the moment.
func (i *Idle) Call(ctx context.Context, n int, request Request) error {
	i.mu.Lock()
	if n >= len(i.conns) {
		i.mu.Unlock()
		return fmt.Errorf("load: connection %d: %w", n, net.ErrClosed)
	}
	conn := i.conns[n]
	i.mu.Unlock()
	return exchange(ctx, conn, request, n+1)
}

// exchange makes a call on conn, which is number made. When ctx ends it closes conn.
func exchange(ctx context.Context, conn net.Conn, request Request, made int) error {
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()
	if _, err := conn.Write(append(request.appendHead(nil, uint64(made)), request.body...)); err != nil {
		return fmt.Errorf("write to connection %d: %w", made, err)
	}
	replies := replies{want: request.body}
	buf := make([]byte, 1<<10+len(request.body))
	for to := 0; ; {
		n, err := conn.Read(buf[to:])
		if err != nil {
			return fmt.Errorf("read from connection %d: %w", made, err)
		}
		to += n
		used, id, ok, done, err := replies.next(buf[:to])
		if err != nil {
			return err
		}
		if done && (!ok || id != uint64(made)) {
			return fmt.Errorf("the call on connection %d was answered with an exception, or a reply to %d", made, id)
		}
		if done {
			return nil
		}
		to = copy(buf, buf[used:to])
	}
}

// Len is how many connections there are.
func (i *Idle) Len() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return len(i.conns)
}

// Close closes all connections.
func (i *Idle) Close() {
	i.mu.Lock()
	defer i.mu.Unlock()
	for _, conn := range i.conns {
		conn.Close()
	}
	i.conns = nil
}
