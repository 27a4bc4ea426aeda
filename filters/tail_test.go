package filters

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// Who looks on gets the lines that he wants, those that are not written as well, and holds up nobody.
func TestTail(t *testing.T) {
	var out bytes.Buffer
	l := NewAccessLogger(&out, AccessLogOptions{})
	s := settings(map[string]string{"accessLog.sample": "0", "accessLog.slow": "60000"})
	s.AccessLog = l
	f := build(t, "accessLog", s)
	all, failing, other := l.Tail(TailOptions{}), l.Tail(TailOptions{Failed: true, Service: "com.example.Echo", Caller: "shop"}), l.Tail(TailOptions{Method: "other"})
	bad := answer(func(c *motan.Call) { c.Err = motan.Errorf(motan.KindOther, 500, "no") })
	outcomeOf(t, motan.NewChain(ok, f), call("hello", "M_s", "shop"))
	outcomeOf(t, motan.NewChain(bad, f), call("hello", "M_s", "shop"))
	if len(all.lines) != 2 || len(failing.lines) != 1 || len(other.lines) != 0 {
		t.Errorf("got %d, %d and %d lines, want 2, 1 and 0", len(all.lines), len(failing.lines), len(other.lines))
	}
	if line := string(<-failing.Lines()); !strings.Contains(line, "|hello|") || !strings.Contains(line, "|false|500|") || !strings.HasSuffix(line, "\n") {
		t.Errorf("got %q", line)
	}
	for range 2 * tailLines {
		outcomeOf(t, motan.NewChain(ok, f), call("hello"))
	}
	if n := all.Missed(); n != tailLines+2 {
		t.Errorf("got %d missed lines, want %d", n, tailLines+2)
	}
	for _, x := range []*Tail{all, failing, other, other} {
		l.Untail(x)
	}
	if l.tails.Load() != nil {
		t.Error("somebody looks on still")
	}
	for range maxTails {
		if l.Tail(TailOptions{}) == nil {
			t.Fatal("got none")
		}
	}
	if l.Tail(TailOptions{}) != nil {
		t.Errorf("got more than %d", maxTails)
	}
	l.Start()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), "\n"); n != 1 {
		t.Errorf("got %d lines written, want that of the call that failed:\n%s", n, out.String())
	}
}

// Of a sample those that failed or were slow are never left out.
func TestAccessLogSample(t *testing.T) {
	tests := []struct {
		name     string
		sample   string
		slow     string
		provider motan.Handler
		least    int
		most     int
	}{
		{"all", "100", "200", ok, 1000, 1000},
		{"none", "0", "200", ok, 0, 0},
		{"none, but all are slow", "0", "0", ok, 1000, 1000},
		{"none, but all fail", "0", "200", answer(func(c *motan.Call) { c.Err = motan.Errorf(motan.KindOther, 500, "no") }), 1000, 1000},
		{"a tenth", "10", "200", ok, 40, 180},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := NewAccessLogger(new(bytes.Buffer), AccessLogOptions{})
			s := settings(map[string]string{"accessLog.sample": tt.sample, "accessLog.slow": tt.slow})
			s.AccessLog = l
			h := motan.NewChain(tt.provider, build(t, "accessLog", s))
			for range 1000 {
				c := call("hello")
				c.AttemptStart = c.Start
				outcomeOf(t, h, c)
			}
			if n := int(l.Lines()); n < tt.least || n > tt.most {
				t.Errorf("got %d lines, want %d to %d", n, tt.least, tt.most)
			}
		})
	}
}

// Bodies are logged where that was asked for, until the time that was given, and can break no line.
func TestAccessLogBody(t *testing.T) {
	later, before := time.Now().Add(time.Hour).Format(time.RFC3339), time.Now().Add(-time.Hour).Format(time.RFC3339)
	reply := answer(func(c *motan.Call) { c.Reply.SetBody([]byte("an|swer\n")) })
	tests := []struct {
		name       string
		params     map[string]string
		structured bool
		want       string // behind the name of the method; "" for no such line
	}{
		{"not asked for", nil, false, ""},
		{"without a time", map[string]string{"accessLog.body": "100"}, false, ""},
		{"over", map[string]string{"accessLog.body": "100", "accessLog.bodyUntil": before}, false, ""},
		{"asked for", map[string]string{"accessLog.body": "100", "accessLog.bodyUntil": later}, false, `|hello|\x00req|an\x7cswer\x0a` + "\n"},
		{"cut", map[string]string{"accessLog.body": "2", "accessLog.bodyUntil": later}, false, `|hello|\x00r|an` + "\n"},
		{"as JSON", map[string]string{"accessLog.body": "100", "accessLog.bodyUntil": later}, true, `"method": "hello", "request": "\u0000req", "reply": "an|swer\n"}` + "\n"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var out bytes.Buffer
			l := NewAccessLogger(&out, AccessLogOptions{Structured: tt.structured})
			s := settings(tt.params)
			s.AccessLog = l
			c := call("hello")
			c.Request.SetBody([]byte("\x00req"))
			outcomeOf(t, motan.NewChain(reply, build(t, "accessLog", s)), c)
			l.Start()
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			_, line, found := strings.Cut(out.String(), "accessLogBody")
			if found != (tt.want != "") || !strings.HasSuffix(line, tt.want) {
				t.Errorf("got %q, want a line that ends with %q", out.String(), tt.want)
			}
		})
	}
	s := settings(map[string]string{"accessLog.bodyUntil": "soon", "accessLog.sample": "101", "accessLog.body": "5000"})
	if _, err := NewAccessLog(s); err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("got %v, want three mistakes", err)
	}
}
