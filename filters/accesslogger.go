package filters

import (
	"bytes"
	"errors"
	"io"
	"log/slog"
	"runtime"
	"sync/atomic"
	"time"
)

// AccessLogOptions are the settings of an [AccessLogger]. The zero value is ready for use.
type AccessLogOptions struct {
	Structured   bool          // lines carry JSON (log_structured) instead of motan-go's columns
	BufferBytes  int           // of lines that wait to be written, in steps of 256 KiB; 0 means 4 MiB
	Interval     time.Duration // how long a line may wait for others; 0 means 100 ms
	CloseTimeout time.Duration // how long Close waits for the writer; 0 means 1 s
	Logger       *slog.Logger  // told that writing fails, at most once a minute; nil means slog.Default
}

const (
	defaultBufferBytes  = 4 << 20
	defaultInterval     = 100 * time.Millisecond
	defaultCloseTimeout = time.Second
	complainEvery       = time.Minute
)

// AccessLogger writes the lines of access logs. Whoever adds a line copies it into memory and
// never waits for the writer: when BufferBytes wait already, the line is dropped and counted.
// One goroutine, which Start starts and Close ends, writes large pieces. Its methods may be
// called at once.
type AccessLogger struct {
	w        io.Writer
	interval time.Duration
	patience time.Duration
	logger   *slog.Logger
	queue    lineQueue

	wake chan struct{} // a first line waits
	full chan struct{} // a whole piece does
	quit chan struct{} // closed by Close
	done chan struct{} // closed by the goroutine

	started    atomic.Bool
	off        atomic.Bool
	structured atomic.Bool
	tails      atomic.Pointer[[]*Tail] // nil while nobody looks on
	lines      atomic.Int64
	dropped    atomic.Int64
	failures   atomic.Int64
}

// ErrStalled is what [AccessLogger.Close] returns when the writer did not take what was left.
var ErrStalled = errors.New("filters: close the access log: the writer is stuck and lines are lost; " +
	"look for a full disk or a pipe that nobody reads")

// NewAccessLogger returns a logger to w, which stays the caller's: close it after the logger.
func NewAccessLogger(w io.Writer, o AccessLogOptions) *AccessLogger {
	l := &AccessLogger{
		w:        w,
		interval: or(o.Interval, defaultInterval),
		patience: or(o.CloseTimeout, defaultCloseTimeout),
		logger:   o.Logger,
		wake:     make(chan struct{}, 1),
		full:     make(chan struct{}, 1),
		quit:     make(chan struct{}),
		done:     make(chan struct{}),
	}
	l.structured.Store(o.Structured)
	l.queue.limit = max(or(o.BufferBytes, defaultBufferBytes)/pieceBytes, 1)
	if l.logger == nil {
		l.logger = slog.Default()
	}
	return l
}

func or[T int | time.Duration](value, otherwise T) T {
	if value > 0 {
		return value
	}
	return otherwise
}

// Start starts to write; lines of before wait for it. It is called once, before Close.
func (l *AccessLogger) Start() {
	if !l.started.Swap(true) {
		go l.run() // ends by Close
	}
}

// SetEnabled switches the log on and off for every filter that uses it; it begins on.
func (l *AccessLogger) SetEnabled(on bool) { l.off.Store(!on) }

// SetStructured says whether lines to come carry JSON, see AccessLogOptions.
func (l *AccessLogger) SetStructured(yes bool) { l.structured.Store(yes) }

// Enabled tells whether lines are taken.
func (l *AccessLogger) Enabled() bool { return !l.off.Load() }

// Lines is how many lines were taken.
func (l *AccessLogger) Lines() int64 { return l.lines.Load() }

// Dropped is how many lines were lost: too many waited, a write failed, or the log was closed.
func (l *AccessLogger) Dropped() int64 { return l.dropped.Load() }

// Failures is how many writes have failed.
func (l *AccessLogger) Failures() int64 { return l.failures.Load() }

// add takes a copy of line, which ends with a newline, or drops it.
func (l *AccessLogger) add(line []byte) {
	first, whole, ok := l.queue.put(line)
	if !ok {
		l.dropped.Add(1)
		return
	}
	l.lines.Add(1)
	if first {
		poke(l.wake)
	}
	if whole {
		poke(l.full)
	}
}

// Write is for logs that are no access log: it takes a copy of p, whole lines, as a filter's line is taken.
// It never fails.
func (l *AccessLogger) Write(p []byte) (int, error) {
	l.add(p)
	return len(p), nil
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run writes until Close. The first line waits for others, for the interval or a whole piece.
func (l *AccessLogger) run() {
	defer close(l.done)
	timer := time.NewTimer(l.interval)
	defer timer.Stop()
	var complained time.Time
	for open := true; open; {
		open = l.wait(timer)
		for piece := l.queue.take(); piece != nil; piece = l.queue.take() {
			err := l.writeAll(piece)
			l.queue.release(piece)
			if err != nil && time.Since(complained) > complainEvery {
				complained = time.Now()
				l.logger.Error("access log: lines are lost, see to the file or pipe that it is written to",
					"error", err, "dropped", l.Dropped())
			}
		}
	}
}

// wait returns when it is time to write, false when that is the last time.
func (l *AccessLogger) wait(timer *time.Timer) bool {
	select {
	case <-l.wake:
	case <-l.full:
		return true
	case <-l.quit:
		return false
	}
	timer.Reset(l.interval)
	select {
	case <-timer.C:
	case <-l.full:
	case <-l.quit:
		return false
	}
	return true
}

// writeAll writes a piece in parts, between which calls go on: a write holds up the processor that it runs on.
func (l *AccessLogger) writeAll(piece []byte) error {
	var failed error
	for len(piece) > 0 {
		part := piece[:min(len(piece), partBytes)]
		if end := bytes.LastIndexByte(part, '\n') + 1; end > 0 {
			part = part[:end]
		}
		if err := l.write(part); err != nil {
			failed = err
		}
		piece = piece[len(part):]
		runtime.Gosched()
	}
	return failed
}

func (l *AccessLogger) write(piece []byte) error {
	n, err := l.w.Write(piece)
	if err == nil && n < len(piece) {
		err = io.ErrShortWrite
	}
	if err != nil {
		l.failures.Add(1)
		l.dropped.Add(countLines(piece[min(max(n, 0), len(piece)):]))
	}
	return err
}

// Close writes what waits and stops; further lines are dropped and counted. It ends within
// CloseTimeout even when the writer is stuck: what waits is then lost, the error is
// ErrStalled, and the goroutine ends when the writer returns, which closing a file or pipe
// often achieves.
func (l *AccessLogger) Close() error {
	if l.queue.close() {
		close(l.quit)
	}
	if !l.started.Load() {
		l.dropped.Add(l.queue.discard())
		return nil
	}
	timer := time.NewTimer(l.patience)
	defer timer.Stop()
	select {
	case <-l.done:
		return nil
	case <-timer.C:
		l.dropped.Add(l.queue.discard())
		return ErrStalled
	}
}
