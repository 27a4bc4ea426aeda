package filters

import (
	"bytes"
	"slices"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Tail is a copy of the lines of an access log for somebody who looks on. Lines that he does not take in time are left
// out and counted.
type Tail struct {
	want   TailOptions
	lines  chan []byte
	missed atomic.Int64
}

// TailOptions choose lines. What is empty chooses every line.
type TailOptions struct {
	Service string
	Method  string
	Caller  string // application (M_s)
	Failed  bool   // only calls that failed
	Slow    int64  // only calls that took at least so many ms
}

const (
	maxTails  = 16
	tailLines = 1024 // that wait for who looks on
)

// Lines are the lines, each with its end of line.
func (t *Tail) Lines() <-chan []byte { return t.lines }

// Missed is how many lines were left out since it was last asked.
func (t *Tail) Missed() int64 { return t.missed.Swap(0) }

// Tail begins a Tail, which Untail ends; nil where too many look on.
func (l *AccessLogger) Tail(o TailOptions) *Tail {
	t := &Tail{want: o, lines: make(chan []byte, tailLines)}
	for {
		old := l.tails.Load()
		var now []*Tail
		if old != nil {
			now = *old
		}
		if len(now) >= maxTails {
			return nil
		}
		now = append(slices.Clone(now), t)
		if l.tails.CompareAndSwap(old, &now) {
			return t
		}
	}
}

// Untail ends t.
func (l *AccessLogger) Untail(t *Tail) {
	for {
		old := l.tails.Load()
		if old == nil {
			return
		}
		now := slices.DeleteFunc(slices.Clone(*old), func(x *Tail) bool { return x == t })
		next := &now
		if len(now) == 0 {
			next = nil
		}
		if l.tails.CompareAndSwap(old, next) {
			return
		}
	}
}

// show gives a line to everybody who looks on and wants it.
func (l *AccessLogger) show(tails []*Tail, c *motan.Call, e *entry, line []byte) {
	for _, t := range tails {
		if !t.wants(c, e) {
			continue
		}
		select {
		case t.lines <- bytes.Clone(line):
		default:
			t.missed.Add(1)
		}
	}
}

func (t *Tail) wants(c *motan.Call, e *entry) bool {
	o := &t.want
	return (o.Service == "" || o.Service == e.service) && (o.Method == "" || o.Method == string(c.Request.Method())) &&
		(o.Caller == "" || o.Caller == string(c.Request.Source())) && (!o.Failed || e.failed) && e.total >= o.Slow
}
