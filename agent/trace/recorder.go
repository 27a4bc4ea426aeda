package trace

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/motan"
)

// Options say where spans go. Without URL and File nobody records any.
type Options struct {
	URL     string      // of a collector that takes OTLP over HTTP in JSON, such as http://127.0.0.1:4318/v1/traces; may be empty
	Headers http.Header // sent to it; secret
	File    io.Writer   // gets a line of OTLP/JSON for each batch; may be nil
	Queue   int         // spans that wait at most; 0 means 4096

	Service, Host, Version string // of this agent, told with each batch
	Log                    *slog.Logger

	// Seen is told the certificate that the collector has shown; nil for nobody. It must not block.
	Seen func(server string, shown *x509.Certificate)
}

// Recorder takes spans from calls and sends them on. Its methods may be called at once.
type Recorder struct {
	options Options
	client  http.Client
	queue   chan *Span
	spans   sync.Pool
	closing chan struct{}
	done    sync.WaitGroup
	buf     []byte // of run
	failing bool   // of run; the last batch was lost

	exported, dropped, lost atomic.Int64
}

const (
	defaultQueue = 4096
	maxBatch     = 512
	flushPause   = time.Second
	sendTimeout  = 10 * time.Second // OTLP's default
	closeTimeout = 2 * time.Second  // for what is left at the end
	firstBackoff = time.Second      // doubled for each further try
	maxTries     = 3
)

// NewRecorder returns a recorder that takes spans; nothing is sent before Start.
func NewRecorder(o Options) *Recorder {
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	r := &Recorder{options: o, queue: make(chan *Span, o.Queue), closing: make(chan struct{})}
	r.client.Timeout = sendTimeout
	r.client.Transport = &http.Transport{MaxConnsPerHost: 1, IdleConnTimeout: time.Minute, Proxy: http.ProxyFromEnvironment}
	r.spans.New = func() any { return new(Span) }
	return r
}

// Active tells whether spans go anywhere. A nil Recorder is not active.
func (r *Recorder) Active() bool { return r != nil && (r.options.URL != "" || r.options.File != nil) }

// Begin returns an empty span. It is ended or forgotten.
func (r *Recorder) Begin() *Span {
	s := r.spans.Get().(*Span)
	*s = Span{}
	return s
}

// End takes the span of c back, which has ended, and sends it on; where the queue is full it is dropped.
func (r *Recorder) End(s *Span, c *motan.Call) {
	s.end(c)
	select {
	case r.queue <- s:
	default:
		r.dropped.Add(1)
		r.spans.Put(s)
	}
}

// Start begins to send. Close ends it.
func (r *Recorder) Start() {
	r.done.Go(r.run) // ends with Close
}

// Close sends what is left, for at most two seconds, and ends. No span may be ended after it.
func (r *Recorder) Close() error {
	close(r.closing)
	r.done.Wait()
	r.client.CloseIdleConnections()
	return nil
}

func (r *Recorder) run() {
	tick := time.NewTicker(flushPause)
	defer tick.Stop()
	batch := make([]*Span, 0, maxBatch)
	for {
		select {
		case s := <-r.queue:
			if batch = append(batch, s); len(batch) < maxBatch {
				continue
			}
		case <-tick.C:
		case <-r.closing:
			r.client.Timeout = closeTimeout
			for end := time.Now().Add(closeTimeout); time.Now().Before(end); batch = batch[:0] {
				for len(batch) < maxBatch && len(r.queue) > 0 {
					batch = append(batch, <-r.queue)
				}
				if len(batch) == 0 {
					return
				}
				r.send(batch)
			}
			return
		}
		r.send(batch)
		batch = batch[:0]
	}
}

// send sends a batch to where spans go, and takes the spans back.
func (r *Recorder) send(batch []*Span) {
	if len(batch) == 0 {
		return
	}
	r.buf = appendBatch(r.buf[:0], &r.options, batch)
	for _, s := range batch {
		r.spans.Put(s)
	}
	var errs [2]error
	if r.options.File != nil {
		if _, err := r.options.File.Write(append(r.buf, '\n')); err != nil {
			errs[0] = fmt.Errorf("write spans to the file: %w", err)
		}
	}
	if r.options.URL != "" {
		errs[1] = r.post(r.buf)
	}
	if err := errors.Join(errs[:]...); err != nil {
		r.lost.Add(int64(len(batch)))
		if !r.failing {
			r.options.Log.Warn("trace: spans are lost until this is mended; calls are not affected", "err", err)
		}
		r.failing = true
		return
	}
	r.exported.Add(int64(len(batch)))
	if r.failing {
		r.options.Log.Info("trace: spans are sent again")
	}
	r.failing = false
}

// Figures are the recorder's counters, for [metrics.Registry.Add]. A nil Recorder has none.
func (r *Recorder) Figures() []metrics.Figure {
	if !r.Active() {
		return nil
	}
	return []metrics.Figure{{
		Name: "motand_trace_spans_total", Help: "Spans of traced calls, by what became of them: exported, dropped because the queue was full, or lost because they could not be sent.",
		Labels: []string{"result"}, Counter: true,
		Read: func(emit func(float64, ...string)) {
			emit(float64(r.exported.Load()), "exported")
			emit(float64(r.dropped.Load()), "dropped")
			emit(float64(r.lost.Load()), "lost")
		},
	}}
}
