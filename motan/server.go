package motan

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

// Server answers Motan2 calls that come in over the connections of its listeners.
// Its fields are set before Serve and not changed afterwards.
type Server struct {
	Handler Handler // gets every request; heartbeats are answered here

	MaxContentLength int           // bytes of metadata and of body, each; 0 means 10 MiB
	FrameTimeout     time.Duration // how long a frame that has begun may take to arrive, per 64 KiB; 0 means 10 s
	MaxConns         int           // 0 means 20,000; further ones are closed at once
	MaxInFlight      int           // calls of one connection; 0 means 4096; its reader waits beyond
	MaxInFlightBytes int           // of their requests; 0 means 64 MiB; likewise
	RestAfter        time.Duration // without a byte a connection gives up its goroutine after this; 0 means 3 s, below 0 never
	Room             *Room         // bounds what all connections hold together, here and at other servers that have it; nil for no such bound
	Logger           *slog.Logger  // nil means slog.Default

	Stats ServerStats

	mu        sync.Mutex
	listeners map[net.Listener]struct{} // guarded by mu
	conns     map[*serverConn]struct{}  // guarded by mu
	closed    bool                      // guarded by mu
	rests     *restRoom                 // guarded by mu; nil while there is no connection that could rest
	handing   *handOver                 // guarded by mu; nil while no connection is given up
	draining  atomic.Bool
	lastLog   atomic.Int64
	readers   sync.WaitGroup
}

// ServerStats counts what a server has seen. Every field may be read at any time. Calls and answers are counted by
// batches of a connection, so that InFlight may be wrong by a batch for as long as one is handled, even below 0.
type ServerStats struct {
	Accepted   atomic.Int64 // connections
	Open       atomic.Int64 // connections now
	Resting    atomic.Int64 // those of them that were idle and take no goroutine; on Linux only
	Calls      atomic.Int64 // requests read
	Answers    atomic.Int64 // replies queued for a connection that was still there
	InFlight   atomic.Int64 // requests that wait for their answer
	Heartbeats atomic.Int64

	// Connections closed by the server, by reason.
	Malformed atomic.Int64 // the bytes are not Motan2
	Oversize  atomic.Int64 // over maxContentLength
	Slow      atomic.Int64 // a frame did not arrive within FrameTimeout or there was no room for it, or answers were not read
	Refused   atomic.Int64 // over MaxConns
	Truncated atomic.Int64 // ended by the client in the middle of a frame
}

const (
	defaultFrameTimeout  = 10 * time.Second
	defaultMaxConns      = 20000
	defaultRestAfter     = 3 * time.Second
	defaultMaxInFlight   = 4096
	defaultInFlightBytes = 64 << 20
	acceptPause          = 5 * time.Millisecond // first wait after a failed accept, doubled up to a second
)

// ErrServerClosed is what Serve returns after Shutdown or Close.
var ErrServerClosed = errors.New("motan: server closed")

// Serve accepts connections until l or the server is closed. It may be called for several
// listeners at once. It returns ErrServerClosed after Shutdown and Close.
func (s *Server) Serve(l net.Listener) error {
	if !s.track(l) {
		_ = l.Close()
		return ErrServerClosed
	}
	defer s.untrack(l)
	pause := acceptPause
	for {
		conn, err := l.Accept()
		if err == nil {
			pause = acceptPause
			s.start(conn)
			continue
		}
		if s.draining.Load() {
			return ErrServerClosed
		}
		if errors.Is(err, net.ErrClosed) {
			return err
		}
		// Out of descriptors or memory: wait rather than spin; what is connected goes on.
		s.warn("motan: accept", "err", err, "retry_in", pause)
		time.Sleep(pause)
		pause = min(2*pause, time.Second)
	}
}

func (s *Server) track(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || s.draining.Load() {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]struct{})
	}
	s.listeners[l] = struct{}{}
	return true
}

func (s *Server) untrack(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.listeners, l)
}

// start serves conn, unless there are too many.
func (s *Server) start(conn net.Conn) {
	s.Stats.Accepted.Add(1)
	limit := s.MaxConns
	if limit == 0 {
		limit = defaultMaxConns
	}
	s.begin(newServerConn(s, conn), limit)
}

// begin serves c on a goroutine of its own, which ends with the connection.
func (s *Server) begin(c *serverConn, limit int) {
	s.mu.Lock()
	if s.closed || len(s.conns) >= limit {
		s.mu.Unlock()
		s.Stats.Refused.Add(1)
		_ = c.conn.Close()
		return
	}
	if s.conns == nil {
		s.conns = make(map[*serverConn]struct{})
	}
	s.conns[c] = struct{}{}
	s.readers.Add(1)
	s.enterRoom(c)
	s.mu.Unlock()
	s.Stats.Open.Add(1)
	go s.run(c) // ends with the connection, or when it rests
}

// run is a reader of c, the only one at the moment.
func (s *Server) run(c *serverConn) {
	if c.serve() {
		return
	}
	s.drop(c)
	s.readers.Done()
}

// drop forgets c; again does nothing.
func (s *Server) drop(c *serverConn) {
	s.mu.Lock()
	_, ours := s.conns[c]
	delete(s.conns, c)
	s.mu.Unlock()
	if ours {
		s.Stats.Open.Add(-1)
	}
}

// Shutdown stops accepting, lets every connection finish and closes it: at once when it is
// quiet, else when its client pauses. Calls that keep coming are answered for half of the
// time that ctx leaves; then nothing more is read and what is in flight is finished. When ctx
// ends, what is left is cut off and ctx's error returned.
func (s *Server) Shutdown(ctx context.Context) error {
	s.draining.Store(true)
	s.closeListeners()
	stop := time.Now().Add(time.Second)
	if end, ok := ctx.Deadline(); ok {
		stop = time.Now().Add(time.Until(end) / 2)
	}
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		if s.closeQuiet(time.Now().After(stop)) == 0 {
			s.closeRoom()
			s.readers.Wait()
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			_ = s.Close()
			return ctx.Err()
		}
	}
}

// closeQuiet makes the connections on which nothing happens end, with stop all of them. It
// returns how many are left.
func (s *Server) closeQuiet(stop bool) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for c := range s.conns {
		if stop || c.quiet() {
			c.stopReading() // and not close: its reader may just be reading a call
		}
	}
	s.closed = s.closed || len(s.conns) == 0 // an accept that has just succeeded comes too late
	return len(s.conns)
}

// Close closes every listener and connection at once and waits for their goroutines.
func (s *Server) Close() error {
	s.draining.Store(true)
	s.closeListeners()
	s.mu.Lock()
	s.closed = true
	for c := range s.conns {
		c.close()
	}
	s.mu.Unlock()
	s.closeRoom()
	s.readers.Wait()
	return nil
}

func (s *Server) closeListeners() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for l := range s.listeners {
		_ = l.Close()
	}
	s.listeners = nil
}

// ended counts and tells why a connection's reader has stopped.
func (s *Server) ended(c *serverConn, err error) {
	switch {
	case errors.Is(err, ErrOversize):
		s.Stats.Oversize.Add(1)
	case errors.Is(err, ErrMagic), errors.Is(err, ErrVersion), errors.Is(err, ErrMotan1):
		s.Stats.Malformed.Add(1)
	case errors.Is(err, os.ErrDeadlineExceeded) && !c.stopped.Load(), errors.Is(err, errQueueFull), errors.Is(err, errNoRoom):
		s.Stats.Slow.Add(1)
	case errors.Is(err, io.ErrUnexpectedEOF):
		s.Stats.Truncated.Add(1)
	default: // closed by the client, by us, or reset: nothing to tell
		return
	}
	s.warn("motan: connection closed", "remote", c.remote, "reason", err)
}

// warn logs at most one line a second; counters tell about the rest.
func (s *Server) warn(msg string, args ...any) {
	now, last := Now(), s.lastLog.Load()
	if last != 0 && now-last < int64(time.Second) || !s.lastLog.CompareAndSwap(last, now) {
		return
	}
	log := s.Logger
	if log == nil {
		log = slog.Default()
	}
	log.Warn(msg, args...)
}

// unread tells whether the peer has sent bytes that nobody has read.
func unread(conn net.Conn) bool {
	sc, ok := conn.(syscall.Conn)
	if !ok {
		return false
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return false
	}
	var peek [1]byte
	n := 0
	if err := raw.Control(func(fd uintptr) {
		n, _, _ = syscall.Recvfrom(int(fd), peek[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
	}); err != nil {
		return false
	}
	return n > 0
}
