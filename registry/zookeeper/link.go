package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-zookeeper/zk"
)

// refusedLong is for how long all servers must refuse us before the link is given up. An election, during which servers
// refuse everybody, is shorter.
const refusedLong = 5 * time.Second

// firstPause is the longest wait before the first attempt after a connection was lost: many others lost the same server.
const firstPause = 250 * time.Millisecond

// roundPause is the longest wait before each attempt once all servers were tried.
const roundPause = 2 * time.Second

// link is one client of the library: it connects again by itself, keeps its session while the servers do, and gets a new
// one when they do not.
type link struct {
	conn    *zk.Conn
	events  <-chan zk.Event // closed when the library has ended
	mail    mailbox
	options *Options
	servers int
	ctx     context.Context // ends dialing
	cancel  context.CancelFunc

	mu       sync.Mutex
	tcp      *guard        // guarded by mu: the connection that was made last
	patience time.Duration // guarded by mu: how long a server may take to let us in
	attempts int           // guarded by mu: since a session was last there
	refusals int           // guarded by mu: connections in a row that ended before a server let us in
	refused  time.Time     // guarded by mu: when the first of these was made
	failure  string        // guarded by mu: why the last attempt failed; empty when it did not
}

// dialLink starts a client of the servers of a. The library's goroutines end with close.
func dialLink(o *Options, a address, wake chan<- struct{}) (*link, error) {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{mail: mailbox{wake: wake}, options: o, servers: len(a.servers), ctx: ctx, cancel: cancel, patience: o.ConnectTimeout}
	conn, events, err := zk.Connect(a.servers, o.SessionTimeout,
		zk.WithDialer(l.dial),
		zk.WithHostProvider(&hosts{}),
		zk.WithEventCallback(l.mail.put),
		zk.WithLogger(logger{o.Log}),
		zk.WithLogInfo(false),
		zk.WithMaxBufferSize(maxPacket),
	)
	if err != nil {
		cancel()
		return nil, fmt.Errorf("registry/zookeeper: connect: %w", err)
	}
	l.conn, l.events = conn, events
	return l, nil
}

// dial is the library's zk.Dialer. It draws out the attempts of many agents that lost the same server at once; the library
// itself adds a second to each attempt after all servers were tried.
func (l *link) dial(network, address string, _ time.Duration) (net.Conn, error) {
	if err := l.pause(); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(l.ctx, l.options.ConnectTimeout)
	defer cancel()
	tcp, err := l.options.Dial(ctx, network, address)
	l.mu.Lock()
	defer l.mu.Unlock()
	if err != nil {
		l.refusals = 0
		l.failure = fmt.Sprintf("connect to %s: %v", address, err)
		return nil, err
	}
	if l.refusals == 0 {
		l.refused = time.Now()
	}
	l.tcp = &guard{Conn: tcp, welcomeBy: time.Now().Add(l.patience)}
	if l.ctx.Err() != nil { // closed meanwhile
		tcp.Close()
	}
	return l.tcp, nil
}

// pause notes how the attempt before ended, and waits where one must not follow it at once. When no server lets us in within
// the time that it has, they may be busy with all who want to get in, and each attempt that is given up makes that worse: the
// next ones have twice the time, up to that of a session.
func (l *link) pause() error {
	most := time.Duration(0)
	l.mu.Lock()
	if l.tcp != nil {
		switch {
		case l.tcp.isWelcomed():
			l.attempts, l.refusals = 0, 0
			l.patience = l.options.ConnectTimeout
			l.failure = l.tcp.lost()
			most = firstPause
		case l.tcp.hung.Load():
			l.refusals = 0
			l.failure = fmt.Sprintf("%s accepts connections but does not answer within %v", l.tcp.RemoteAddr(), l.patience)
			if l.attempts >= l.servers {
				l.patience = max(l.patience, min(2*l.patience, l.options.SessionTimeout))
			}
		default:
			l.refusals++
			l.failure = l.tcp.RemoteAddr().String() + " ends connections without an answer"
		}
		l.tcp = nil
	}
	if l.attempts >= l.servers {
		most = roundPause
	}
	l.attempts++
	l.mu.Unlock()
	if most == 0 {
		return l.ctx.Err()
	}
	t := time.NewTimer(rand.N(most))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-l.ctx.Done():
		return l.ctx.Err()
	}
}

// hopeless reports that every server has refused us more than once for a while. That is so for ever when the servers lost
// their data: they refuse a client that has seen a later transaction than theirs, which the library cannot forget.
func (l *link) hopeless() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.refusals > 2*l.servers && time.Since(l.refused) >= refusedLong
}

// problem tells why there is no session; empty when nothing is known to be wrong.
func (l *link) problem() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.tcp != nil && l.tcp.isWelcomed() {
		return l.tcp.lost()
	}
	return l.failure
}

// kick gives up the present connection, not the session: everything that waits for an answer ends with an error.
func (l *link) kick(reason string) {
	l.mu.Lock()
	tcp := l.tcp
	l.mu.Unlock()
	if tcp != nil {
		tcp.ended(reason)
		tcp.Close()
	}
}

// close ends the session if it can be reached, and waits until the library has ended. It takes a second or two when no
// server answers.
func (l *link) close() {
	l.conn.Close()
	l.cancel()
	l.kick("closed by us")
	for range l.events {
	}
}

// hosts is a zk.HostProvider that leaves the resolving of names to the dialer, so that servers may move. Only the library's
// main goroutine uses it.
type hosts struct {
	servers []string
	next    int
	tried   int // since one of them let us in
}

func (h *hosts) Init(servers []string) error {
	if len(servers) == 0 {
		return errors.New("registry/zookeeper: no servers")
	}
	h.servers = servers
	return nil
}

func (h *hosts) Len() int { return len(h.servers) }

// Next returns the next server; the second result has the library wait for a second.
func (h *hosts) Next() (string, bool) {
	server := h.servers[h.next%len(h.servers)]
	h.next++
	h.tried++
	return server, h.tried > len(h.servers)
}

func (h *hosts) Connected() { h.tried = 0 }

// logger passes on what the library has to say; it matters only to those who look for a fault.
type logger struct{ log *slog.Logger }

func (l logger) Printf(format string, args ...any) {
	l.log.Debug("registry/zookeeper: client: " + fmt.Sprintf(format, args...))
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
