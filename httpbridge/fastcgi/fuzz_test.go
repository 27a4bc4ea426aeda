package fastcgi

import (
	"bufio"
	"bytes"
	"net"
	"testing"
	"time"
)

// answersOnly is a connection that takes whatever is written and has an answer ready.
type answersOnly struct {
	net.Conn // nil: nothing else is called
	answer   *bytes.Reader
}

func (c answersOnly) Read(b []byte) (int, error)     { return c.answer.Read(b) }
func (answersOnly) Write(b []byte) (int, error)      { return len(b), nil }
func (answersOnly) Close() error                     { return nil }
func (answersOnly) SetDeadline(time.Time) error      { return nil }
func (answersOnly) SetWriteDeadline(time.Time) error { return nil }

// FuzzAnswer reads whatever a server may send as the answer to a request, and its output as that of a script: no panic, no
// more memory than the limits, nothing in the head that another reader could take for something else.
func FuzzAnswer(f *testing.F) {
	f.Add(good)
	f.Add(join(stream(typeStderr, "no"), stream(typeStdout, "Status: 404 Not Found\nSet-Cookie: a\n"), stream(typeStdout, "\n"), good[len(good)-16:]))
	f.Add([]byte{1, 6, 0, 1, 255, 255, 255, 0})
	f.Add(join(stream(typeStdout, "Content-Length: 2\r\nLocation: x\r\n\r\nab"), stream(typeStdout, ""), good[len(good)-16:]))
	f.Fuzz(func(t *testing.T, sent []byte) {
		const maxHead, maxBody = 1 << 10, 1 << 12
		c := answersOnly{answer: bytes.NewReader(sent)}
		e := exchange{conn: &conn{Conn: c, in: bufio.NewReaderSize(c, readBytes)}, limit: maxHead + maxBody}
		if err := e.run(&Request{}, true, time.Time{}); err != nil {
			e.stdout = sent // the head's reader gets it in any case
		} else if len(e.stdout) > maxHead+maxBody || len(e.stderr) > stderrBytes {
			t.Fatalf("%d and %d bytes are kept", len(e.stdout), len(e.stderr))
		}
		r, err := parseResponse(e.stdout, maxHead)
		if err != nil {
			return
		}
		if r.Status < 200 || r.Status > 599 || len(r.Header) > maxHeaders {
			t.Errorf("got the status %d and %d headers", r.Status, len(r.Header))
		}
		for _, h := range r.Header {
			if !isToken(h.Name) || bytes.ContainsAny(h.Value, "\r\n\x00") {
				t.Errorf("got the header %q: %q", h.Name, h.Value)
			}
		}
		if bytes.ContainsAny([]byte(r.Reason), "\r\n\x00") || !bytes.HasSuffix(e.stdout, r.Body) {
			t.Errorf("got the reason %q and a body of %d bytes", r.Reason, len(r.Body))
		}
	})
}
