package httpbridge

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// What the fields of a Server mean where they are 0.
const (
	defaultMaxBodySize    = 10 << 20 // maxContentLength of the motan-go agent
	defaultMaxConnections = 20000
	defaultBytesInFlight  = 1 << 30
	defaultTransfer       = 10 * time.Second
	defaultIdle           = 60 * time.Second
	defaultGuard          = 5 * time.Minute
)

const (
	// headBytes bounds the head of a request: request line and headers.
	headBytes = 16 << 10
	// spareWorkers lets connections end a little after they are counted as closed.
	spareWorkers = 1024
	// quietTime is how long a server that shuts down must have been silent.
	quietTime = 100 * time.Millisecond
)

// Server answers HTTP requests by making calls of them. Its exported fields must not change once Serve was called; what Change
// takes is an exception.
//
// Requests are read whole, so memory is bounded by MaxConnections for small bodies and MaxBytesInFlight for others; a client that is slow has its
// connection closed. What is passed on to
// other hosts is not held at all.
type Server struct {
	Handler        motan.Handler // gets every call; required
	Forward        *Forward      // passes on what belongs to other hosts; nil passes on nothing. Shutdown closes it
	MaxBodySize    int           // of a request's body and of an inflated reply, in bytes; 0 means 10 MiB
	MaxConnections int           // open connections, each with at most one call; 0 means 20,000
	ReadTimeout    time.Duration // from a request's first byte to its last; 0 means 10 s
	WriteTimeout   time.Duration // for an answer; 0 means 10 s
	IdleTimeout    time.Duration // between two requests; 0 means 60 s
	// DefaultTimeout is when the server answers 504 for a call that nobody has ended. It only guards against a Handler
	// that loses calls: deadlines are for the Handler to set, and must be shorter. 0 means 5 min.
	DefaultTimeout time.Duration

	// Domains returns the domains of the moment, whose requests become calls; nil means none.
	Domains func() *Domains

	// Serves tells whether calls of the service can be made; a Host that is its name stands for it. Nil means of none.
	Serves func(service []byte) bool

	// RequestID makes the ids of calls on /rpc that come without one; they are told in the header MOTAN-rid of the
	// answer. Nil makes none.
	RequestID func() int64

	Catalog Catalog  // what is known of the services; nil means nothing
	Origins []string // whose pages may call, such as https://shop.example.com; none if empty
	// MaxBytesInFlight bounds the bytes of bodies, requests and answers, that are held at one time, as far as they are not
	// small: 64 KiB for each connection are not counted. Requests beyond it are answered 503; 0 means 1 GiB.
	MaxBytesInFlight int64
	GzipSize         int // answers on /rpc of so many bytes are compressed for clients that take it; 0 means never

	Logger *slog.Logger // nil means slog.Default
	Stats  ServerStats

	policy    atomic.Pointer[Policy] // in use; made of the fields by setup
	once      sync.Once
	http      *fasthttp.Server
	draining  atomic.Bool
	handing   atomic.Pointer[handOver] // set under mu; nil while no connection is given up
	exchanges sync.Pool                // of *exchange
	room      room
	learned   learned

	mu        sync.Mutex
	listeners map[*listener]struct{}   // guarded by mu
	conns     map[*serverConn]struct{} // guarded by mu
	stopped   bool                     // guarded by mu
}

// ServerStats are the counters of a Server. They may be read at any time.
type ServerStats struct {
	Requests atomic.Int64          // requests that could be read whole
	Invalid  [reasons]atomic.Int64 // requests that could not, by reason
	Refused  atomic.Int64          // connections over MaxConnections
	Calls    atomic.Int64          // calls made of requests
	InFlight atomic.Int64          // calls that have not ended
	Lost     atomic.Int64          // calls that did not end within DefaultTimeout
}

// Policy is what of a Server may change while it runs, by the names of its fields.
type Policy struct {
	Origins  []string
	GzipSize int
}

// Change puts p in the place of the fields of the same names, for requests that begin from now on. It may be called at any time.
func (s *Server) Change(p Policy) { s.policy.Store(&p) }

// BytesHeld is how much of MaxBytesInFlight is in use.
func (s *Server) BytesHeld() int64 { return s.room.used.Load() }

// invalid counts a request that is refused.
func (s *ServerStats) invalid(reason Reason) { s.Invalid[reason].Add(1) }

// ErrServerClosed is what Serve returns after Shutdown.
var ErrServerClosed = errors.New("httpbridge: server is shut down")

// Serve answers the connections of l, TCP or unix, and returns nil once Shutdown has closed l, or the error of l. It
// may be called for several listeners at once.
func (s *Server) Serve(l net.Listener) error {
	s.once.Do(s.setup)
	bounded := &listener{Listener: l, server: s, done: make(chan struct{})}
	s.mu.Lock()
	stopped := s.stopped
	if !stopped {
		s.listeners[bounded] = struct{}{}
	}
	s.mu.Unlock()
	if stopped {
		_ = l.Close() // nobody will accept from it
		return ErrServerClosed
	}
	err := s.http.Serve(bounded)
	s.mu.Lock()
	delete(s.listeners, bounded)
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("httpbridge: accept at %s: %w", l.Addr(), err)
	}
	return nil
}

// setup makes what the fields describe.
func (s *Server) setup() {
	if s.MaxBodySize <= 0 {
		s.MaxBodySize = defaultMaxBodySize
	}
	if s.MaxConnections <= 0 {
		s.MaxConnections = defaultMaxConnections
	}
	s.policy.CompareAndSwap(nil, &Policy{Origins: s.Origins, GzipSize: s.GzipSize})
	s.learned.seed = maphash.MakeSeed()
	s.room.limit = s.MaxBytesInFlight
	if s.room.limit <= 0 {
		s.room.limit = defaultBytesInFlight
	}
	if s.DefaultTimeout <= 0 {
		s.DefaultTimeout = defaultGuard
	}
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	s.mu.Lock() // the metrics may ask for the connections before there are any
	s.listeners = map[*listener]struct{}{}
	s.conns = map[*serverConn]struct{}{}
	s.mu.Unlock()
	s.http = &fasthttp.Server{
		Handler:                       s.serve,
		ErrorHandler:                  s.refuse,
		ConnState:                     s.connState,
		Logger:                        quietLogger{s.Logger},
		Concurrency:                   s.MaxConnections + spareWorkers,
		ReadBufferSize:                headBytes,
		MaxRequestBodySize:            s.MaxBodySize,
		ReadTimeout:                   orDefault(s.ReadTimeout, defaultTransfer),
		WriteTimeout:                  orDefault(s.WriteTimeout, defaultTransfer),
		IdleTimeout:                   orDefault(s.IdleTimeout, defaultIdle),
		DisableHeaderNamesNormalizing: true, // metadata keys keep their case
		DisablePreParseMultipartForm:  true,
		StreamRequestBody:             true, // takeBody and Forward read it
		NoDefaultServerHeader:         true,
		SecureErrorLogMessage:         true,
		CloseOnShutdown:               true,
		LazyRequestTime:               true,
	}
}

func orDefault(d, otherwise time.Duration) time.Duration {
	if d <= 0 {
		return otherwise
	}
	return d
}

// quietLogger takes what fasthttp logs about connections. Those are the clients' errors, so they are of use only to
// someone who looks for them.
type quietLogger struct{ log *slog.Logger }

func (q quietLogger) Printf(format string, args ...any) {
	if q.log.Enabled(context.Background(), slog.LevelDebug) {
		q.log.Debug("httpbridge: " + fmt.Sprintf(format, args...))
	}
}

// Shutdown stops listening and lets what is in flight be answered, with "Connection: close" so that clients turn
// away. Once no request came for a moment it closes all connections. If ctx ends before that, it closes them
// at once, whatever is in flight, and returns the error of ctx.
func (s *Server) Shutdown(ctx context.Context) error {
	s.once.Do(s.setup)
	s.draining.Store(true)
	s.mu.Lock()
	s.stopped = true
	for l := range s.listeners {
		_ = l.Close() // an error means that it is closed already
	}
	s.mu.Unlock()
	err := s.awaitQuiet(ctx)
	if s.Forward != nil {
		s.Forward.Close()
	}
	s.mu.Lock()
	for c := range s.conns {
		_ = c.Conn.Close() // as above
	}
	s.mu.Unlock()
	if err != nil {
		return fmt.Errorf("httpbridge: shut down with requests in flight: %w", err)
	}
	if err := s.http.ShutdownWithContext(ctx); err != nil {
		return fmt.Errorf("httpbridge: shut down: %w", err)
	}
	return nil
}

// awaitQuiet waits until there is no connection, or none of them had a request for quietTime.
func (s *Server) awaitQuiet(ctx context.Context) error {
	tick := time.NewTicker(quietTime / 10)
	defer tick.Stop()
	seen, since := int64(-1), time.Now()
	for {
		s.mu.Lock()
		open, active := len(s.conns), false
		for c := range s.conns {
			active = active || c.active.Load()
		}
		s.mu.Unlock()
		if open == 0 {
			return nil
		}
		if n := s.Stats.Requests.Load(); active || n != seen {
			seen, since = n, time.Now()
		}
		if time.Since(since) >= quietTime {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// Connections is how many connections are open.
func (s *Server) Connections() int64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return int64(len(s.conns))
}
