package httpbridge

import (
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"
)

// TestPatientConnDeadlines sets deadlines one after the other, each after a wait, and then reads or writes while the
// other side does nothing before it closes.
func TestPatientConnDeadlines(t *testing.T) {
	const closes = time.Minute
	type step struct{ wait, in time.Duration } // in 0 means no deadline
	tests := []struct {
		name  string
		steps []step
		ends  time.Duration // after the start; closes where the other side ends it
	}{
		{"none", nil, closes},
		{"one", []step{{0, time.Second}}, time.Second},
		{"moved on", []step{{0, time.Second}, {0, 3 * time.Second}}, 3 * time.Second},
		{"moved on several times", []step{{0, time.Second}, {500 * time.Millisecond, time.Second}, {500 * time.Millisecond, 4 * time.Second}}, 5 * time.Second},
		{"moved back", []step{{0, 3 * time.Second}, {0, time.Second}}, time.Second},
		{"moved on and back", []step{{0, time.Second}, {0, 9 * time.Second}, {0, 2 * time.Second}}, 2 * time.Second},
		{"taken away", []step{{0, time.Second}, {0, 0}}, closes},
		{"taken away and set", []step{{0, time.Second}, {0, 0}, {0, 4 * time.Second}}, 4 * time.Second},
		{"moved on after it has passed", []step{{0, time.Second}, {2 * time.Second, time.Second}}, 3 * time.Second},
		{"passed", []step{{0, time.Second}, {0, -time.Second}}, 0},
	}
	ways := []struct {
		name string
		set  func(c *patientConn, at time.Time) error
		do   func(c *patientConn) (int, error)
	}{
		{"read", (*patientConn).SetReadDeadline, func(c *patientConn) (int, error) { return c.Read(make([]byte, 1)) }},
		{"write", (*patientConn).SetWriteDeadline, func(c *patientConn) (int, error) { return c.Write([]byte("x")) }},
		{"either", (*patientConn).SetDeadline, func(c *patientConn) (int, error) { return c.Read(make([]byte, 1)) }},
	}
	for _, way := range ways {
		for _, tt := range tests {
			t.Run(way.name+" "+tt.name, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					near, far := net.Pipe()
					defer near.Close()
					time.AfterFunc(closes, func() { far.Close() })
					p, start := newPatientConn(near), time.Now()
					c := &p
					for _, s := range tt.steps {
						time.Sleep(s.wait)
						at := time.Time{}
						if s.in != 0 {
							at = time.Now().Add(s.in)
						}
						if err := way.set(c, at); err != nil {
							t.Fatal(err)
						}
					}
					n, err := way.do(c)
					if took := time.Since(start); n != 0 || err == nil || took != tt.ends {
						t.Errorf("got %d, %v after %v; want an error after %v", n, err, took, tt.ends)
					}
					if late := errors.Is(err, os.ErrDeadlineExceeded); late != (tt.ends != closes) {
						t.Errorf("got %v", err)
					}
				})
			})
		}
	}
}

// TestPatientConnGoesOn reads and writes across the end of the connection's own deadline, in parts.
func TestPatientConnGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c := newPatientConn(near)
		for _, in := range []time.Duration{time.Second, 10 * time.Second} {
			if err := c.SetDeadline(time.Now().Add(in)); err != nil {
				t.Fatal(err)
			}
		}
		go func() { // ends when all is read and written
			b := make([]byte, 4)
			for range 3 {
				time.Sleep(900 * time.Millisecond)
				if _, err := io.ReadFull(far, b); err != nil {
					t.Error(err)
				}
			}
			time.Sleep(3 * time.Second)
			if _, err := far.Write([]byte("answer")); err != nil {
				t.Error(err)
			}
		}()
		if n, err := c.Write([]byte("twelve bytes")); n != 12 || err != nil {
			t.Errorf("write: got %d, %v, want 12", n, err)
		}
		b := make([]byte, 6)
		if n, err := c.Read(b); n != 6 || err != nil || string(b) != "answer" {
			t.Errorf("read: got %d, %v, %q, want the answer", n, err, b)
		}
	})
}

// told counts the deadlines that a connection is told.
type told struct {
	net.Conn
	n int
}

func (c *told) SetReadDeadline(time.Time) error  { c.n++; return nil }
func (c *told) SetWriteDeadline(time.Time) error { c.n++; return nil }

// TestPatientConnCost checks that deadlines which move on are kept from the connection.
func TestPatientConnCost(t *testing.T) {
	under := &told{}
	c, now := newPatientConn(under), time.Now()
	for i := range 1000 {
		now = now.Add(time.Millisecond)
		// What fasthttp sets for a request: idle, then the time to read and to write.
		for _, err := range []error{
			c.SetReadDeadline(now.Add(defaultIdle)), c.SetReadDeadline(now.Add(defaultTransfer)), c.SetWriteDeadline(now.Add(defaultTransfer)),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		if i == 0 && under.n != 3 {
			t.Errorf("the first request: told %d times, want 3", under.n)
		}
	}
	if under.n != 3 {
		t.Errorf("1000 requests: told %d times, want 3", under.n)
	}
}
