package motan

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fakeConn is a connection without a descriptor whose Write is the test's.
type fakeConn struct {
	net.Conn // nil: what is not written below is not used
	write    func(p []byte) (int, error)
	closed   chan struct{}

	mu       sync.Mutex
	deadline time.Time // guarded by mu; of writing
	stopOnce sync.Once
}

func newFakeConn(write func(p []byte) (int, error)) *fakeConn {
	return &fakeConn{write: write, closed: make(chan struct{})}
}

func (f *fakeConn) Write(p []byte) (int, error) { return f.write(p) }

func (f *fakeConn) Read([]byte) (int, error) {
	<-f.closed
	return 0, net.ErrClosed
}

func (f *fakeConn) Close() error {
	f.stopOnce.Do(func() { close(f.closed) })
	return nil
}

func (f *fakeConn) SetReadDeadline(time.Time) error { return nil }

func (f *fakeConn) SetWriteDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.deadline = t
	return nil
}

func requestOf(size int) *Call {
	c := NewCall()
	c.Deadline = Now() + int64(10*time.Second)
	c.Request.SetBody(make([]byte, size-fixedBytes))
	return c
}

// TestSentOrNotSent breaks a connection in the middle of writing: a call of which a byte left,
// or may have left, is broken; one of which none did can be sent elsewhere.
func TestSentOrNotSent(t *testing.T) {
	const size = 100
	errWrite := errors.New("broken pipe")
	tests := []struct {
		name   string
		writes int // bytes taken before the failure
		want   string
	}{
		{"nothing", 0, "not_sent not_sent not_sent"},
		{"one byte of the first", 1, "broken not_sent not_sent"},
		{"the whole first", size, "broken not_sent not_sent"},
		{"one byte of the second", size + 1, "broken broken not_sent"},
		{"all", 3 * size, "broken broken broken"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			open := make(chan struct{})
			taken := 0
			conn := newFakeConn(func(p []byte) (int, error) {
				n := min(len(p), tt.writes-taken)
				taken += n
				return n, errWrite
			})
			n := NewConn("fake", ConnOptions{Dial: func(context.Context, string) (net.Conn, error) {
				<-open
				return conn, nil
			}})
			defer n.Close()
			kinds := make([]string, 3)
			var wait sync.WaitGroup
			for i := range kinds {
				c := requestOf(size)
				done := make(chan struct{})
				c.Push(returnFunc(func() { close(done) }), 0)
				n.Handle(c)
				wait.Go(func() {
					<-done
					kinds[i] = c.Err.Kind.String()
				})
			}
			close(open)
			wait.Wait()
			if got := strings.Join(kinds, " "); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

type returnFunc func()

func (f returnFunc) Return(*Call, int) bool {
	f()
	return false
}

// TestBrokenWhileWriting closes a connection while a write goes on: what is being written may
// arrive, so the calls are broken; what waits behind it is not sent.
func TestBrokenWhileWriting(t *testing.T) {
	writing := make(chan struct{})
	conn := newFakeConn(nil)
	conn.write = func([]byte) (int, error) {
		close(writing)
		<-conn.closed
		return 0, net.ErrClosed
	}
	n := NewConn("fake", ConnOptions{Dial: func(context.Context, string) (net.Conn, error) { return conn, nil }})
	kinds := make(chan string, 2)
	send := func() {
		c := requestOf(50)
		c.Push(returnFunc(func() { kinds <- c.Err.Kind.String() }), 0)
		n.Handle(c)
	}
	send()
	<-writing
	send()
	n.Close()
	if a, b := <-kinds, <-kinds; a != "broken" || b != "not_sent" {
		t.Errorf("got %s and %s, want broken and not_sent", a, b)
	}
}

// TestDrainLeavesNoDeadline holds that a write which had to wait does not make a later one
// fail that has not.
func TestDrainLeavesNoDeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		conn := newFakeConn(func(p []byte) (int, error) { return len(p), nil })
		o := outbox{refill: func() {}, fail: func(err error) { t.Error(err) }}
		o.mu.Lock()
		o.open(conn)
		o.mu.Unlock()
		for range 3 {
			o.mu.Lock()
			if !o.add(&requestOf(300000).Request, 1, 0) {
				t.Error("nobody flushes")
			}
			o.mu.Unlock()
			o.flush()
			synctest.Wait()
		}
		conn.mu.Lock()
		defer conn.mu.Unlock()
		if !conn.deadline.IsZero() {
			t.Errorf("the deadline is still %s", conn.deadline)
		}
		if o.sent != o.added || o.queued() != 0 || o.writing {
			t.Errorf("%d of %d bytes sent, %d queued, writing %t", o.sent, o.added, o.queued(), o.writing)
		}
	})
}

// TestNothingIsWrittenAfterAFailure holds that a frame that was cut off stays the last thing
// on its connection, whoever flushes meanwhile.
func TestNothingIsWrittenAfterAFailure(t *testing.T) {
	writes := 0
	conn := newFakeConn(func(p []byte) (int, error) {
		writes++
		return len(p) / 2, errors.New("timed out")
	})
	failed := make(chan struct{})
	o := outbox{refill: func() {}}
	o.fail = func(error) { // before the owner can shut it, somebody else comes
		o.mu.Lock()
		o.add(&requestOf(100).Request, 2, 0)
		o.mu.Unlock()
		o.flush()
		close(failed)
	}
	o.mu.Lock()
	o.open(conn)
	o.add(&requestOf(100).Request, 1, 0)
	o.mu.Unlock()
	o.flush()
	<-failed
	if writes != 1 {
		t.Errorf("%d writes", writes)
	}
}

// TestQueueIsRefilled holds that no more than highWater and a frame is queued, and that what
// had to wait moves up when the peer reads.
func TestQueueIsRefilled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pace := make(chan struct{})
		written := 0
		conn := newFakeConn(func(p []byte) (int, error) {
			<-pace
			written += len(p)
			return len(p), nil
		})
		waiting := 8
		o := outbox{refill: func() {}, fail: func(err error) { t.Error(err) }}
		o.refill = func() {
			for ; waiting > 0 && !o.full(); waiting-- {
				o.add(&requestOf(highWater/2).Request, 1, 0)
			}
		}
		o.mu.Lock()
		o.open(conn)
		o.add(&requestOf(highWater+10*writeChunk).Request, 1, 0)
		if !o.full() {
			t.Error("not full above highWater")
		}
		o.mu.Unlock()
		o.flush()
		synctest.Wait()
		if waiting != 8 {
			t.Errorf("got %d waiting while the peer reads nothing, want 8", waiting)
		}
		for range 200 {
			o.mu.Lock()
			if o.queued() > 2*highWater+highWater/2 {
				t.Errorf("%d bytes are queued", o.queued())
			}
			done := !o.writing
			o.mu.Unlock()
			if done {
				break
			}
			pace <- struct{}{}
			synctest.Wait()
		}
		if want := highWater + 10*writeChunk + 8*highWater/2; waiting != 0 || written < want {
			t.Errorf("%d still wait, %d bytes written, want at least %d", waiting, written, want)
		}
	})
}

// TestReaderForgetsOldDeadlines lets a reader be held back for longer than a frame may take:
// the frame that had begun before has its time from then on.
func TestReaderForgetsOldDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		f := Frame{}
		f.SetBody([]byte("body"))
		frame := f.AppendTo(nil, 1, 0)
		pieces := make(chan []byte)
		go func() {
			for p := range pieces {
				_, _ = far.Write(p)
			}
		}()
		defer close(pieces)
		r := newReader(near, 0, 10*time.Second)
		defer r.drop()
		more := func(p []byte) {
			t.Helper()
			pieces <- p
			if err := r.more(); err != nil {
				t.Fatal(err)
			}
		}
		more(frame[:10])
		if got, err := r.next(); got != nil || err != nil {
			t.Fatalf("got %x, %v", got, err)
		}
		more(append(frame[10:], frame[:10]...))
		if got, err := r.next(); string(got) != string(frame) || err != nil {
			t.Fatalf("got %x, %v", got, err)
		}
		time.Sleep(15 * time.Second) // held back: too many calls in flight
		more(frame[10:])
		if got, err := r.next(); string(got) != string(frame) || err != nil {
			t.Fatalf("got %x, %v", got, err)
		}
	})
}
