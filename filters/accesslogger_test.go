package filters

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// gate is a writer that waits, once for each write, until it is opened.
type gate struct {
	entered chan int // gets the length of each write as it begins
	open    chan struct{}
	got     bytes.Buffer
	parts   []string
}

func newGate() *gate { return &gate{entered: make(chan int, 1000), open: make(chan struct{})} }

func (g *gate) Write(p []byte) (int, error) {
	g.entered <- len(p)
	<-g.open
	g.parts = append(g.parts, string(p))
	return g.got.Write(p)
}

func TestAccessLoggerWaitsForCompany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		close(g.open)
		l := NewAccessLogger(g, AccessLogOptions{})
		l.Start()
		l.Start() // nothing more
		l.add([]byte("one\n"))
		time.Sleep(defaultInterval / 2)
		l.add([]byte("two\n"))
		time.Sleep(defaultInterval/2 - 1)
		synctest.Wait()
		if n := len(g.entered); n != 0 {
			t.Errorf("got %d writes before the interval was over, want none", n)
		}
		time.Sleep(time.Nanosecond)
		synctest.Wait()
		if got := g.got.String(); got != "one\ntwo\n" || len(g.entered) != 1 {
			t.Errorf("got %q in %d writes, want both lines in one", got, len(g.entered))
		}
		line := append(bytes.Repeat([]byte("x"), 1022), '\n') // so that no line ends where a part has to
		for range pieceBytes/len(line) + 1 {
			l.add(line)
		}
		synctest.Wait()
		if n, want := len(g.entered)-1, pieceBytes/partBytes+1; n != want {
			t.Errorf("got %d writes, want %d: the whole piece in parts, and what came with it", n, want)
		}
		for i, part := range g.parts[1:] {
			if len(part) > partBytes || part[len(part)-1] != '\n' {
				t.Errorf("part %d: got %d bytes that end with %q, want at most %d and whole lines", i, len(part), part[len(part)-1], partBytes)
			}
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
}

func TestAccessLoggerCloseWritesWhatWaits(t *testing.T) {
	var out bytes.Buffer
	l := NewAccessLogger(&out, AccessLogOptions{Interval: time.Hour})
	l.add([]byte("before Start\n"))
	l.Start()
	l.add([]byte("after\n"))
	for range 2 {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
	l.add([]byte("too late\n"))
	if got := out.String(); got != "before Start\nafter\n" || l.Lines() != 2 || l.Dropped() != 1 {
		t.Errorf("got %q, %d lines, %d dropped, want two lines and one dropped", got, l.Lines(), l.Dropped())
	}
}

func TestAccessLoggerNeverStarted(t *testing.T) {
	l := NewAccessLogger(io.Discard, AccessLogOptions{})
	l.add([]byte("x\n"))
	if err := l.Close(); err != nil || l.Dropped() != 1 {
		t.Errorf("got %v and %d dropped, want no error and 1", err, l.Dropped())
	}
}

// TestAccessLoggerStuckWriter: adding goes on without it, what does not fit is counted, and
// Close ends when it says.
func TestAccessLoggerStuckWriter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := newGate()
		l := NewAccessLogger(g, AccessLogOptions{BufferBytes: 4 * pieceBytes, CloseTimeout: 3 * time.Second})
		l.Start()
		const lineBytes = 1 << 10
		const perPiece, added = pieceBytes / lineBytes, 5 * pieceBytes / lineBytes
		line := append(bytes.Repeat([]byte("x"), lineBytes-1), '\n')
		for range added {
			l.add(line)
		}
		if l.Lines() != 4*perPiece || l.Dropped() != added-4*perPiece {
			t.Errorf("got %d taken and %d dropped, want %d and %d", l.Lines(), l.Dropped(), 4*perPiece, added-4*perPiece)
		}
		<-g.entered
		l.add(line)
		if l.Dropped() != added+1-4*perPiece {
			t.Error("took a line while everything waits for a writer that is stuck")
		}
		begin := time.Now()
		if err := l.Close(); !errors.Is(err, ErrStalled) {
			t.Errorf("Close: got %v, want ErrStalled", err)
		}
		if took := time.Since(begin); took != 3*time.Second {
			t.Errorf("Close took %v, want the 3 s that it was given", took)
		}
		if l.Dropped() != added+1-perPiece {
			t.Errorf("got %d dropped, want all %d but those of the piece that is being written", l.Dropped(), added+1-perPiece)
		}
		close(g.open)
		synctest.Wait()
		if got := g.got.Len(); got != pieceBytes {
			t.Errorf("the writer got %d bytes, want the %d that it was given before Close", got, pieceBytes)
		}
	})
}

func TestAccessLoggerGoesOnAfterAPause(t *testing.T) {
	g := newGate()
	l := NewAccessLogger(g, AccessLogOptions{BufferBytes: pieceBytes, CloseTimeout: time.Minute})
	l.Start()
	line := append(bytes.Repeat([]byte("x"), pieceBytes-1), '\n')
	l.add(line)
	<-g.entered
	l.add([]byte("dropped\n"))
	close(g.open)
	deadline := time.Now().Add(10 * time.Second)
	for lines := l.Lines(); l.Lines() == lines; {
		if time.Now().After(deadline) {
			t.Fatal("took no line after the writer went on")
		}
		l.add([]byte("again\n"))
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if got := g.got.String()[pieceBytes:]; got != "again\n" {
		t.Errorf("got %q after the pause, want one line", got)
	}
}

// failing is a writer that takes a few bytes of each write and then fails.
type failing struct {
	takes int
	err   error
}

func (f failing) Write(p []byte) (int, error) { return min(f.takes, len(p)), f.err }

func TestAccessLoggerCountsFailures(t *testing.T) {
	tests := []struct {
		name    string
		w       io.Writer
		dropped int64
		logs    string
	}{
		{"error", failing{0, syscall.ENOSPC}, 3, "no space left"},
		{"error after a line and a half", failing{6, syscall.EIO}, 2, "input/output error"},
		{"short without an error", failing{4, nil}, 2, "short write"},
		{"more than there was", failing{1 << 20, nil}, 0, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var log bytes.Buffer
			l := NewAccessLogger(tt.w, AccessLogOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
			for range 3 {
				l.add([]byte("abc\n"))
			}
			l.Start()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			if l.Dropped() != tt.dropped || (l.Failures() > 0) != (tt.logs != "") {
				t.Errorf("got %d dropped, %d failures, want %d dropped", l.Dropped(), l.Failures(), tt.dropped)
			}
			if !strings.Contains(log.String(), tt.logs) || tt.logs == "" && log.Len() > 0 {
				t.Errorf("got log %q, want it to say %q", log.String(), tt.logs)
			}
		})
	}
}

func TestAccessLoggerComplainsOnceAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log bytes.Buffer
		l := NewAccessLogger(failing{0, syscall.ENOSPC}, AccessLogOptions{Logger: slog.New(slog.NewTextHandler(&log, nil))})
		l.Start()
		for range 150 { // seconds
			l.add([]byte("x\n"))
			time.Sleep(time.Second)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if got := strings.Count(log.String(), "lines are lost"); got != 3 {
			t.Errorf("complained %d times in 150 s, want 3", got)
		}
		if l.Failures() != 150 {
			t.Errorf("got %d failures, want 150", l.Failures())
		}
	})
}

// TestAccessLoggerOnAPipeNobodyReads is the stuck writer as operators have it. Closing the
// pipe ends the goroutine, which goleak looks for.
func TestAccessLoggerOnAPipeNobodyReads(t *testing.T) {
	path := filepath.Join(t.TempDir(), "fifo")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Skipf("no named pipes here: %v", err)
	}
	pipe, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	l := NewAccessLogger(pipe, AccessLogOptions{
		BufferBytes: 8 * pieceBytes, CloseTimeout: 10 * time.Millisecond, Logger: slog.New(slog.DiscardHandler),
	})
	l.Start()
	for range 10000 {
		l.add(append(bytes.Repeat([]byte("x"), 255), '\n'))
	}
	if l.Dropped() == 0 {
		t.Error("dropped nothing, though nobody reads")
	}
	if err := l.Close(); !errors.Is(err, ErrStalled) {
		t.Errorf("Close: got %v, want ErrStalled", err)
	}
	if err := pipe.Close(); err != nil {
		t.Error(err)
	}
	select {
	case <-l.done:
	case <-time.After(10 * time.Second):
		t.Error("the goroutine is still there after the pipe was closed")
	}
}

// TestAccessLoggerManyAtOnce sees that lines stay whole and each is either written or counted.
func TestAccessLoggerManyAtOnce(t *testing.T) {
	const goroutines, each = 8, 4000
	var out bytes.Buffer
	l := NewAccessLogger(&out, AccessLogOptions{BufferBytes: 2 * pieceBytes, CloseTimeout: time.Minute})
	l.Start()
	var adding sync.WaitGroup
	for g := range goroutines {
		adding.Go(func() {
			for i := range each {
				l.add(fmt.Appendf(nil, "%d %d %s\n", g, i, strings.Repeat("x", i%100)))
			}
		})
	}
	adding.Wait()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	last := [goroutines]int{}
	lines := int64(0)
	for text := range strings.Lines(out.String()) {
		var g, i int
		if _, err := fmt.Sscanf(text, "%d %d ", &g, &i); err != nil {
			t.Fatalf("%v in %q", err, text)
		}
		if want := fmt.Sprintf("%d %d %s\n", g, i, strings.Repeat("x", i%100)); text != want {
			t.Fatalf("got %q, want %q", text, want)
		}
		if i < last[g] {
			t.Errorf("line %d of %d came after line %d", i, g, last[g])
		}
		last[g] = i
		lines++
	}
	if lines != l.Lines() || lines+l.Dropped() != goroutines*each {
		t.Errorf("got %d lines, %d counted and %d dropped, want %d in all", lines, l.Lines(), l.Dropped(), goroutines*each)
	}
}

func BenchmarkAccessLoggerAdd(b *testing.B) {
	l := NewAccessLogger(io.Discard, AccessLogOptions{})
	l.Start()
	line := append(bytes.Repeat([]byte("x"), 150), '\n')
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			l.add(line)
		}
	})
	if err := l.Close(); err != nil {
		b.Error(err)
	}
}
