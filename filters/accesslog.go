package filters

import (
	"math/rand/v2"
	"sync"
	"time"

	"github.com/motand/motand/motan"
)

// AccessLog writes a line for each call, as motan-go does.
//
// The filter "accessLog" writes one for each attempt, "clusterAccessLog" one for each call,
// with the time over all attempts and no address. A line has a time and columns:
//
//	2026-11-22T19:31:23.132Z	accessLog|client-agent|0|test|/test/x||127.0.0.1:19982|91|412|15|16|true|200||200
//
// In the order of the columns: the filter; client-agent or server-agent; the request id (M_rid
// if it is a decimal number, else that of the frame, signed); service; method; its parameter
// types; the node's address for client-agent and the caller's IP for server-agent; bytes of
// the bodies of request and reply, as they travel; the provider's time (M_pt of the reply,
// else the whole time) and the whole time, both in whole milliseconds; whether there was an
// answer without an exception; 200 or the exception's errcode; the exception as JSON, or
// nothing; upstreamCode of the reply. For server-agent the time ends when the reply is at
// hand, not when it is sent.
//
// What comes from the network cannot forge a column or a line: "|", "\", control characters,
// line separators and bytes that are not UTF-8 are written as \xNN, in the exception's JSON as
// \uNNNN. Names are cut after 512 bytes and messages after 2048.
//
// Settings:
//
//   - accessLog.sample: percent of the lines that are written, 100 by default; calls that failed or were
//     slow are always written
//   - accessLog.slow: ms from which on a call is slow, 200 by default
//   - accessLog.body: bytes of the bodies of request and reply that are logged in a line accessLogBody
//     behind the call's, 0 by default and at most 4096
//   - accessLog.bodyUntil: when that ends, such as 2026-11-23T18:00:00Z; without it no body is logged
//
// They can be changed while calls pass. The section motan-agent has, for all filters at once:
//
//	accessLog        where to: a path, stdout, or off; not written, a file in log_dir
//	log_dir          a folder, "." by default
//	log_structured   the columns as JSON after the time, in motan-go's form; false by default
//
// Metrics: none of its own. Lines that could not be written as fast as they came are dropped,
// so that no call waits for a disk; [AccessLogger.Dropped] counts them.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "accessLog,clusterAccessLog"
type AccessLog struct {
	log     *AccessLogger
	name    string
	role    string
	prefix  string // of a line with columns
	service string
	column  string // service in a line with columns
	cluster bool
	whole   bool // the time is that of the call, not of the attempt
	knobs[accessSettings]
}

type accessSettings struct {
	sample float64 // percent
	slow   int64   // ms
	body   int     // bytes
	until  time.Time
}

// accessState is what outlives the filter.
type accessState struct{ override[accessSettings] }

var _ motan.Filter = (*AccessLog)(nil)

// NewAccessLog is the filter "accessLog". Without Settings.AccessLog it does nothing.
func NewAccessLog(s Settings) (motan.Filter, error) { return newAccessLog(s, "accessLog", false) }

// NewClusterAccessLog is the filter "clusterAccessLog". Without Settings.AccessLog it does nothing.
func NewClusterAccessLog(s Settings) (motan.Filter, error) {
	return newAccessLog(s, "clusterAccessLog", true)
}

func newAccessLog(s Settings, name string, cluster bool) (motan.Filter, error) {
	if err := s.check(name); err != nil {
		return nil, err
	}
	f := &AccessLog{
		log: s.AccessLog, name: name, role: s.Role, prefix: name + "|" + s.Role + "|",
		service: s.Service, column: string(append(appendColumn(nil, s.Service), '|')),
		cluster: cluster, whole: cluster || s.WholeCall,
	}
	var err error
	f.knobs, err = newKnobs(s, &shared[accessState](s, name).override, readAccess)
	return f, err
}

func readAccess(p *params) *accessSettings {
	x := &accessSettings{
		sample: p.float("accessLog.sample", 100, 0, 100),
		slow:   p.millis("accessLog.slow", 200*time.Millisecond).Milliseconds(),
		body:   p.int("accessLog.body", 0, 0, maxLoggedBody),
	}
	if text, key := p.look("accessLog.bodyUntil"); text != "" {
		until, err := time.Parse(time.RFC3339, text)
		if err != nil {
			p.fail(key, "is %.40q; write a time such as 2026-11-23T18:00:00Z", text)
		}
		x.until = until
	}
	return x
}

// Request lets the call go on.
func (f *AccessLog) Request(*motan.Call) motan.Verdict { return motan.Next }

// Reply writes the line.
func (f *AccessLog) Reply(c *motan.Call) {
	if f.log == nil || f.log.off.Load() {
		return
	}
	now, x := c.Now(), f.get()
	e := f.entry(c, now)
	tails := f.log.tails.Load()
	write := x.sample >= 100 || e.failed || e.total >= x.slow || rand.Float64()*100 < x.sample
	if !write && tails == nil {
		return
	}
	l := lines.Get().(*line)
	l.begin(now)
	if f.log.structured.Load() {
		l.json(f, c, &e)
	} else {
		l.columns(f, c, &e)
	}
	if write {
		f.log.add(l.buf)
	}
	if tails != nil {
		f.log.show(*tails, c, &e, l.buf)
	}
	if write && x.body > 0 && time.Now().Before(x.until) {
		l.begin(now)
		l.bodies(f, c, &e, x.body)
		f.log.add(l.buf)
	}
	lines.Put(l)
}

// lines bounds what is pooled by the longest line: names and messages are cut.
var lines = sync.Pool{New: func() any { return &line{buf: make([]byte, 0, 512)} }}

// entry is what a line says beyond what the filter and the call say themselves.
type entry struct {
	service      string
	remote       string
	upstream     []byte
	requestBytes int
	replyBytes   int
	biz, total   int64 // ms
	failed       bool
	exception    motan.Exception
}

func (f *AccessLog) entry(c *motan.Call, now int64) entry {
	start := c.AttemptStart
	if f.whole {
		start = c.Start
	}
	e := entry{
		service:      c.Service,
		requestBytes: len(c.Request.Body()),
		total:        max(now-start, 0) / int64(time.Millisecond),
	}
	if e.service == "" {
		e.service = f.service
	}
	switch {
	case f.cluster:
	case f.role == ServerAgent:
		e.remote = c.Remote
	default:
		e.remote = c.Endpoint
	}
	e.biz = e.total
	if c.Err != nil {
		e.exception, e.failed = c.Err.Exception(), true
		return e
	}
	if ms, ok := millis(c.Reply.ProcessTime()); ok {
		e.biz = ms
	}
	e.replyBytes = len(c.Reply.Body())
	e.upstream = c.Reply.UpstreamCode()
	e.exception, e.failed = c.Reply.Exception()
	return e
}

// millis reads a number of up to 18 digits, so that it fits.
func millis(text []byte) (n int64, ok bool) {
	if len(text) == 0 || len(text) > 18 {
		return 0, false
	}
	for _, b := range text {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int64(b-'0')
	}
	return n, true
}
