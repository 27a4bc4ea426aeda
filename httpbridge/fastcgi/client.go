package fastcgi

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"
)

// Settings are what a [Client] is made with.
type Settings struct {
	Network, Address string        // "tcp" and host:port, or "unix" and a path
	Keep             int           // connections that may be kept open, see Client; 0 is none
	IdleTimeout      time.Duration // how long one is kept without a request
	MaxHead, MaxBody int           // of a response, in bytes
	Log              *slog.Logger  // for what scripts write to their standard error; nil drops it
}

// Request is a script to run. Who made it leaves it alone until Do has returned.
type Request struct {
	Params Params
	Body   []byte
	Safe   bool   // running it twice does no harm, as that of a GET
	Script string // its name in the log
}

// ErrTooLarge is the error of a response over MaxHead and MaxBody, ErrOverloaded that of a server that has not taken the
// request.
var (
	ErrTooLarge   = errors.New("fastcgi: the response takes more than the limit")
	ErrOverloaded = errors.New("fastcgi: the server is overloaded and has not taken the request")
)

// DialError is a connection that could not be made: the request was not sent.
type DialError struct{ Cause error }

// Error is that of the cause.
func (e *DialError) Error() string { return fmt.Sprintf("fastcgi: %v", e.Cause) }

// Unwrap returns the cause.
func (e *DialError) Unwrap() error { return e.Cause }

// Client runs scripts on a server. It may be used by many at once.
//
// A process of PHP-FPM belongs to its connection, also while that has no request, and a connection for which there is no
// free process waits. A connection is therefore kept only while all that are open are Keep at most: as long as Keep is
// not more than the server has processes, no request waits for a process that waits for a request.
type Client struct {
	settings Settings
	stderr   stderrLog

	mu     sync.Mutex
	idle   []*conn     // guarded by mu; the one that was used last is last
	open   int         // guarded by mu; connections, idle and in use
	timer  *time.Timer // guarded by mu; closes what has been idle for too long, nil while nothing is
	closed bool        // guarded by mu
}

// New returns a client that has no connection yet.
func New(s Settings) *Client { return &Client{settings: s, stderr: stderrLog{log: s.Log}} }

// Do runs r and returns when there is a response or an error: at the deadline, at the latest. A request that was sent is
// sent again only if it is safe and its connection had been kept and was closed before the first byte of an answer.
//
// Errors are a *DialError, ErrOverloaded (not executed), ErrTooLarge, a *MalformedError, one of the deadline
// (os.ErrDeadlineExceeded) or one of the connection; they are wrapped.
func (c *Client) Do(r *Request, deadline time.Time) (*Response, error) {
	s := &c.settings
	for {
		x, err := c.take(deadline)
		if err != nil {
			return nil, err
		}
		e := exchange{conn: x, limit: s.MaxHead + s.MaxBody}
		kept := x.kept
		err = e.run(r, s.Keep > 0, deadline)
		c.stderr.tell(r.Script, e.stderr)
		c.give(x, e.reusable)
		if err != nil && kept && !e.answered && (r.Safe || !e.sent) && time.Now().Before(deadline) {
			continue // each such connection is gone now, so that ends
		}
		if err != nil {
			return nil, err
		}
		response, err := parseResponse(e.stdout, s.MaxHead)
		if err == nil && len(response.Body) > s.MaxBody {
			err = fmt.Errorf("%w, %d bytes", ErrTooLarge, s.MaxBody)
		}
		return response, err
	}
}

// take returns a connection that was kept and is still good, or a new one.
func (c *Client) take(deadline time.Time) (*conn, error) {
	for {
		x := c.pop()
		if x == nil {
			break
		}
		if !x.stale() {
			return x, nil
		}
		c.give(x, false)
	}
	left := time.Until(deadline)
	if left <= 0 {
		return nil, fmt.Errorf("fastcgi: connect: %w", os.ErrDeadlineExceeded)
	}
	made, err := net.DialTimeout(c.settings.Network, c.settings.Address, left)
	if err != nil {
		return nil, &DialError{err}
	}
	c.mu.Lock()
	c.open++
	c.mu.Unlock()
	return newConn(made), nil
}

func (c *Client) pop() *conn {
	c.mu.Lock()
	defer c.mu.Unlock()
	last := len(c.idle) - 1
	if last < 0 {
		return nil
	}
	x := c.idle[last]
	c.idle[last] = nil
	c.idle = c.idle[:last]
	return x
}

// give keeps a connection for the next request, or closes it.
func (c *Client) give(x *conn, reusable bool) {
	c.mu.Lock()
	if !reusable || c.closed || c.open > c.settings.Keep {
		c.open--
		c.mu.Unlock()
		x.Close()
		return
	}
	defer c.mu.Unlock()
	x.kept, x.idleSince = true, time.Now()
	c.idle = append(c.idle, x)
	if c.timer == nil {
		c.timer = time.AfterFunc(c.settings.IdleTimeout, c.expire)
	}
}

// expire closes what has been idle for too long and sees to it that it is called again while there are others.
func (c *Client) expire() {
	c.mu.Lock()
	now, n := time.Now(), 0
	for n < len(c.idle) && now.Sub(c.idle[n].idleSince) >= c.settings.IdleTimeout {
		n++
	}
	old := append([]*conn(nil), c.idle[:n]...)
	c.idle = append(c.idle[:0], c.idle[n:]...)
	c.open -= n
	switch {
	case c.closed || len(c.idle) == 0:
		c.timer = nil
	default:
		c.timer.Reset(c.settings.IdleTimeout - now.Sub(c.idle[0].idleSince))
	}
	c.mu.Unlock()
	for _, x := range old {
		x.Close()
	}
}

// Close closes the connections that have no request; the others are closed when theirs has ended. It may be called again.
func (c *Client) Close() {
	c.mu.Lock()
	c.closed = true
	idle := c.idle
	c.idle, c.open = nil, c.open-len(c.idle)
	if c.timer != nil {
		c.timer.Stop()
	}
	c.mu.Unlock()
	for _, x := range idle {
		x.Close()
	}
}
