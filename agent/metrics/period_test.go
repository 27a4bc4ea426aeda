package metrics

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestPeriod(t *testing.T) {
	r := New(Options{Kinds: []string{"other", "timeout"}})
	p := NewPeriod(r)
	hello, bye := r.Service(echo).Method([]byte("hello")), r.Service(echo).Method([]byte("bye"))
	next := func() string {
		var all []string
		for _, s := range p.Next() {
			all = append(all, fmt.Sprintf("%s %d of %v, biz %d", s.Method, s.Total(), s.Durations.Sum, s.BizErrors()))
		}
		slices.Sort(all)
		return strings.Join(all, "; ")
	}
	for _, step := range []struct {
		name  string
		count func()
		want  string
	}{
		{"nothing yet", func() {}, ""},
		{"the first calls", func() { hello.Count(time.Second, OK); hello.Count(time.Second, BizException) }, "hello 2 of 2s, biz 1"},
		{"no further call", func() {}, ""},
		{"another method", func() { bye.Count(time.Millisecond, OK) }, "bye 1 of 1ms, biz 0"},
		{"both", func() { bye.Count(time.Millisecond, OK); hello.Count(time.Second, OK) }, "bye 1 of 1ms, biz 0; hello 1 of 1s, biz 0"},
	} {
		step.count()
		if got := next(); got != step.want {
			t.Errorf("%s: got %q, want %q", step.name, got, step.want)
		}
	}
}
