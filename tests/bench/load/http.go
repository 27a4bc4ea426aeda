package load

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"
)

// HTTPRequest is a request as bytes, and the body that the answer must have.
type HTTPRequest struct {
	Head []byte // request line and headers; without the empty line, which is added
	Body []byte
	Want []byte
}

// NewPost prepares a POST of JSON to a path.
func NewPost(path string, body, want []byte) HTTPRequest {
	head := "POST " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n"
	return HTTPRequest{Head: []byte(head), Body: body, Want: want}
}

// NewGet prepares a GET of a path with its query.
func NewGet(path string, want []byte) HTTPRequest {
	return HTTPRequest{Head: []byte("GET " + path + " HTTP/1.1\r\nHost: 127.0.0.1\r\n"), Want: want}
}

// bytes is the whole request.
func (r *HTTPRequest) bytes(closing bool) []byte {
	out := bytes.Clone(r.Head)
	if closing {
		out = append(out, "Connection: close\r\n"...)
	}
	return append(append(out, "\r\n"...), r.Body...)
}

// HTTP is a closed loop over HTTP/1.1: Conns callers, each of which makes its next call when the last is answered.
type HTTP struct {
	Target   Target
	Request  HTTPRequest
	Conns    int
	Fresh    bool // each call on a connection of its own, closed after it, instead of one for all
	Duration time.Duration
}

// Run makes calls for the time of Duration and returns when all are answered; its errors are those of [Motan].
func (h HTTP) Run(ctx context.Context) (*Result, error) {
	end := time.Now().Add(h.Duration)
	whole := h.Request.bytes(h.Fresh)
	return parallel(ctx, h.Conns, h.Duration, func(ctx context.Context, _ int, r *Result) error {
		c := &httpCaller{whole: whole, want: h.Request.Want, buf: make([]byte, 0, 4<<10+len(h.Request.Want))}
		run := c.keepAlive
		if h.Fresh {
			run = c.fresh
		}
		if err := run(ctx, h.Target, end, r); err != nil {
			return failed(ctx, h.Target.String(), err)
		}
		return nil
	})
}

// Once makes one call on a connection of its own and returns what is wrong with the answer.
func (h HTTP) Once(ctx context.Context) error {
	h.Conns, h.Fresh, h.Duration = 1, true, 0
	r, err := h.Run(ctx)
	if err == nil && r.Calls != 1 {
		err = errors.New("load: the answer has another status than 200")
	}
	return err
}

// httpCaller makes one call at a time.
type httpCaller struct {
	whole []byte
	want  []byte
	buf   []byte
}

func (c *httpCaller) keepAlive(ctx context.Context, t Target, end time.Time, r *Result) error {
	conn, done, err := dial(ctx, t)
	if err != nil {
		return err
	}
	defer done()
	for start := time.Now(); ; {
		status, err := c.call(conn)
		if err != nil {
			return err
		}
		now := time.Now()
		if err := count(r, status, now.Sub(start)); err != nil || !now.Before(end) {
			return err
		}
		start = now
	}
}

func (c *httpCaller) fresh(ctx context.Context, t Target, end time.Time, r *Result) error {
	dialer := new(net.Dialer)
	for start := time.Now(); ; {
		conn, err := dialer.DialContext(ctx, t.Network, t.Address)
		if err != nil {
			return fmt.Errorf("connect: %w", err)
		}
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		status, err := c.call(conn)
		stop()
		conn.Close()
		if err != nil {
			return err
		}
		now := time.Now()
		if err := count(r, status, now.Sub(start)); err != nil || !now.Before(end) {
			return err
		}
		start = now
	}
}

func count(r *Result, status int, d time.Duration) error {
	if status == 200 {
		r.Calls++
		r.Latency.Add(d)
		return nil
	}
	if r.Errors++; r.Errors > tooManyErrors {
		return fmt.Errorf("over %d calls were answered with an error, the last with the status %d", tooManyErrors, status)
	}
	return nil
}

// call sends the request and reads the whole answer.
func (c *httpCaller) call(conn net.Conn) (status int, err error) {
	if _, err := conn.Write(c.whole); err != nil {
		return 0, fmt.Errorf("write: %w", err)
	}
	c.buf = c.buf[:0]
	for {
		if len(c.buf) == cap(c.buf) {
			return 0, fmt.Errorf("an answer of over %d bytes, a body of %d is wanted", cap(c.buf), len(c.want))
		}
		n, err := conn.Read(c.buf[len(c.buf):cap(c.buf)])
		c.buf = c.buf[:len(c.buf)+n]
		status, body, whole, perr := parseAnswer(c.buf)
		if perr != nil {
			return 0, perr
		}
		if whole {
			if status == 200 && !bytes.Equal(body, c.want) {
				return 0, fmt.Errorf("an answer with the body %.100q; want %.100q", body, c.want)
			}
			return status, nil
		}
		if err != nil {
			return 0, fmt.Errorf("read: %w", err)
		}
	}
}

var (
	endOfHead     = []byte("\r\n\r\n")
	contentLength = []byte("\r\ncontent-length:")
)

// parseAnswer looks at what has come of an answer; whole is false while something is missing. Only answers with a
// Content-Length are read.
func parseAnswer(data []byte) (status int, body []byte, whole bool, err error) {
	end := bytes.Index(data, endOfHead)
	if end < 0 {
		return 0, nil, false, nil
	}
	head := data[:end+2]
	if len(head) < 12 || !bytes.HasPrefix(head, []byte("HTTP/1.")) {
		return 0, nil, false, fmt.Errorf("not an HTTP answer: %.100q", head)
	}
	for _, b := range head[9:12] {
		status = status*10 + int(b-'0')
	}
	at := indexFold(head, contentLength)
	if at < 0 {
		return 0, nil, false, fmt.Errorf("an answer without Content-Length: %.300q", head)
	}
	value := head[at+len(contentLength):]
	text := strings.TrimSpace(string(value[:bytes.IndexByte(value, '\r')]))
	size, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return 0, nil, false, fmt.Errorf("an answer with the Content-Length %.50q", text)
	}
	rest := data[end+len(endOfHead):]
	if len(rest) > int(size) {
		return 0, nil, false, fmt.Errorf("%d bytes after the end of an answer", len(rest)-int(size))
	}
	return status, rest, len(rest) == int(size), nil
}

// indexFold is bytes.Index without regard to the case of ASCII letters; what is in lower case.
func indexFold(data, what []byte) int {
	for i := 0; i+len(what) <= len(data); i++ {
		if data[i] == what[0] && bytes.EqualFold(data[i:i+len(what)], what) {
			return i
		}
	}
	return -1
}
