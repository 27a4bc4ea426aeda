package filters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// logged returns what the filter writes about c, which ends as prepare has it.
func logged(t *testing.T, name, role string, o AccessLogOptions, c *motan.Call, prepare func(*motan.Call)) string {
	t.Helper()
	var out bytes.Buffer
	l := NewAccessLogger(&out, o)
	f := build(t, name, Settings{Role: role, Service: "configured", AccessLog: l})
	motan.NewChain(answer(prepare), f).Handle(c)
	l.Start()
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if l.Lines() != 1 || l.Dropped() != 0 {
		t.Fatalf("got %d lines and %d dropped, want 1 and 0", l.Lines(), l.Dropped())
	}
	return out.String()
}

// sample is the call of the line that motan-go's documentation of the format is made from.
func sample() *motan.Call {
	c := newCall("/test/x")
	c.Service = "test"
	c.Endpoint = "127.0.0.1:19982"
	c.Remote = "10.1.2.3"
	c.AttemptStart = c.Start
	c.Request.SetBody(make([]byte, 91))
	return c
}

func sampleReply(c *motan.Call) {
	c.Reply.Set("M_pt", "15")
	c.Reply.Set("upstreamCode", "200")
	c.Reply.SetBody(make([]byte, 412))
}

var stamp = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(Z|[+-]\d{4})\t`)

func TestAccessLogLine(t *testing.T) {
	none := func(*motan.Call) {}
	tests := []struct {
		name, filter, role string
		request            func(*motan.Call)
		reply              func(*motan.Call)
		want               string
	}{
		{
			"the sample", "accessLog", ClientAgent, none, sampleReply,
			"accessLog|client-agent|0|test|/test/x||127.0.0.1:19982|91|412|15|16|true|200||200",
		},
		{
			"server", "accessLog", ServerAgent, none, sampleReply,
			"accessLog|server-agent|0|test|/test/x||10.1.2.3|91|412|15|16|true|200||200",
		},
		{
			"cluster", "clusterAccessLog", ClientAgent, none, sampleReply,
			"clusterAccessLog|client-agent|0|test|/test/x|||91|412|15|16|true|200||200",
		},
		{
			"second attempt", "accessLog", ClientAgent,
			func(c *motan.Call) { c.AttemptStart = c.Batch.Now - int64(6999*time.Microsecond) }, none,
			"accessLog|client-agent|0|test|/test/x||127.0.0.1:19982|91|0|6|6|true|200||",
		},
		{
			"cluster with a second attempt", "clusterAccessLog", ClientAgent,
			func(c *motan.Call) { c.AttemptStart = c.Batch.Now }, none,
			"clusterAccessLog|client-agent|0|test|/test/x|||91|0|16|16|true|200||",
		},
		{
			"types, logical id, no service of the route", "accessLog", ClientAgent,
			func(c *motan.Call) {
				c.Request.Set("M_md", "java.lang.String,int")
				c.Request.Set("M_rid", "-42")
				c.Request.ID = 7
				c.Service = ""
			}, none,
			"accessLog|client-agent|-42|configured|/test/x|java.lang.String,int|127.0.0.1:19982|91|0|16|16|true|200||",
		},
		{
			"signed id", "accessLog", ClientAgent, func(c *motan.Call) { c.Request.ID = 1<<64 - 2 }, none,
			"accessLog|client-agent|-2|test|/test/x||127.0.0.1:19982|91|0|16|16|true|200||",
		},
		{
			"exception", "accessLog", ClientAgent, none,
			func(c *motan.Call) {
				c.Reply.SetException(motan.Exception{Code: 503, Message: `no "x"|y`, Type: motan.TypeBiz})
			},
			`accessLog|client-agent|0|test|/test/x||127.0.0.1:19982|91|0|16|16|false|503|{"errcode":503,"errmsg":"no \"x\"\u007cy","errtype":2}|`,
		},
		{
			"no answer", "clusterAccessLog", ClientAgent, none,
			func(c *motan.Call) {
				sampleReply(c) // of an attempt before
				c.Err = motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "no <node>")
				c.Err.Cause = io.ErrUnexpectedEOF
			},
			`clusterAccessLog|client-agent|0|test|/test/x|||91|0|16|16|false|1001|{"errcode":1001,"errmsg":"no \u003cnode\u003e","errtype":1}|`,
		},
		{
			"process time that is none", "accessLog", ClientAgent, none,
			func(c *motan.Call) { c.Reply.Set("M_pt", "-1|2") },
			"accessLog|client-agent|0|test|/test/x||127.0.0.1:19982|91|0|16|16|true|200||",
		},
		{
			"a clock that went back", "accessLog", ClientAgent, func(c *motan.Call) { c.AttemptStart = c.Batch.Now + 1e9 }, none,
			"accessLog|client-agent|0|test|/test/x||127.0.0.1:19982|91|0|0|0|true|200||",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := sample()
			tt.request(c)
			line := logged(t, tt.filter, tt.role, AccessLogOptions{}, c, tt.reply)
			if !stamp.MatchString(line) {
				t.Fatalf("%q begins with no time", line)
			}
			if _, got, _ := strings.Cut(line, "\t"); got != tt.want+"\n" {
				t.Errorf("got  %q\nwant %q", got, tt.want+"\n")
			}
		})
	}
}

func TestAccessLogTimeIsNow(t *testing.T) {
	before := time.Now().Truncate(time.Millisecond)
	c := sample()
	c.Batch = nil // the present time, not that of the sample's batch
	line := logged(t, "accessLog", ClientAgent, AccessLogOptions{}, c, sampleReply)
	text, _, _ := strings.Cut(line, "\t")
	got, err := time.Parse(stampLayout, text)
	if err != nil || got.Before(before) || got.After(time.Now()) {
		t.Errorf("got %q, %v, want a time from %v to now", text, err, before)
	}
}

// TestAccessLogCannotBeForged puts each hostile text into every field that comes from outside.
func TestAccessLogCannotBeForged(t *testing.T) {
	for i, text := range hostile {
		t.Run(fmt.Sprint(i), func(t *testing.T) {
			request := func() *motan.Call {
				c := sample()
				for _, name := range []string{"M_m", "M_md", "M_rid"} {
					c.Request.Set(name, text)
				}
				c.Service, c.Endpoint = text, text
				return c
			}
			reply := func(c *motan.Call) {
				c.Reply.SetException(motan.Exception{Code: 1, Message: text, Type: 2})
				c.Reply.Set("M_pt", text)
				c.Reply.Set("upstreamCode", text)
			}
			line := logged(t, "accessLog", ClientAgent, AccessLogOptions{}, request(), reply)
			checkLine(t, line, 1)
			columns := strings.Split(line[strings.IndexByte(line, '\t')+1:], "|")
			if len(columns) != 15 {
				t.Fatalf("got %d columns, want 15: %q", len(columns), line)
			}
			if columns[2] != "0" || columns[11] != "false" || columns[12] != "1" {
				t.Errorf("got id %q, success %q, code %q, want 0, false, 1", columns[2], columns[11], columns[12])
			}
			var x motan.Exception
			if err := json.Unmarshal([]byte(columns[13]), &x); err != nil {
				t.Errorf("the exception is no JSON: %v: %s", err, columns[13])
			}

			line = logged(t, "accessLog", ClientAgent, AccessLogOptions{Structured: true}, request(), reply)
			checkLine(t, line, 2)
			fields := map[string]any{}
			if err := json.Unmarshal([]byte(line[strings.IndexByte(line, '\t'):]), &fields); err != nil {
				t.Fatalf("no JSON: %v: %q", err, line)
			}
			if len(fields) != 15 || fields["success"] != false || fields["requestID"] != 0.0 {
				t.Errorf("got %v, want 15 fields, success false, requestID 0", fields)
			}
			// Metadata cannot carry a newline; a conversion to runes makes each wrong byte U+FFFD.
			want := string([]rune(cut(strings.ReplaceAll(text, "\n", " "), maxName)))
			if got := fields["method"]; got != want {
				t.Errorf("got method %q, want %q", got, want)
			}
		})
	}
}

// checkLine sees that a terminal and a reader of lines take it for one line.
func checkLine(t *testing.T, line string, tabs int) {
	t.Helper()
	if len(line) > pieceBytes {
		t.Errorf("got a line of %d bytes, at most %d can be kept", len(line), pieceBytes)
	}
	body := strings.TrimSuffix(line, "\n")
	if got := strings.Count(body, "\t"); got != tabs {
		t.Errorf("got %d tabs, want %d: %q", got, tabs, line)
	}
	for _, r := range strings.ReplaceAll(body, "\t", "") {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x2028 || r == 0x2029 {
			t.Errorf("got %U in %q", r, line)
		}
	}
	if strings.ToValidUTF8(line, "") != line {
		t.Errorf("not UTF-8: %q", line)
	}
}

func TestAccessLogOff(t *testing.T) {
	var out bytes.Buffer
	l := NewAccessLogger(&out, AccessLogOptions{})
	l.SetEnabled(false)
	for _, s := range []Settings{{Role: ClientAgent}, {Role: ClientAgent, AccessLog: l}} {
		motan.NewChain(answer(sampleReply), build(t, "accessLog", s)).Handle(sample())
	}
	if l.Enabled() || l.Lines() != 0 || l.Dropped() != 0 {
		t.Errorf("got %d lines and %d dropped of a log that is off, want none", l.Lines(), l.Dropped())
	}
	l.SetEnabled(true)
	motan.NewChain(answer(sampleReply), build(t, "accessLog", Settings{Role: ClientAgent, AccessLog: l})).Handle(sample())
	if !l.Enabled() || l.Lines() != 1 {
		t.Errorf("got %d lines after it was switched on, want 1", l.Lines())
	}
}

func TestAccessLogAllocatesNothing(t *testing.T) {
	if raced {
		t.Skip("the race detector makes sync.Pool forget at random")
	}
	for _, structured := range []bool{false, true} {
		l := NewAccessLogger(io.Discard, AccessLogOptions{Structured: structured})
		l.Start()
		f := build(t, "accessLog", Settings{Role: ClientAgent, AccessLog: l})
		c := sample()
		sampleReply(c)
		arrived(t, c)
		if got := testing.AllocsPerRun(5000, func() {
			f.Request(c)
			f.Reply(c)
			c.Batch.Now += 300_000 // another millisecond every few lines
		}); got != 0 {
			t.Errorf("structured %v: got %v allocations, want 0", structured, got)
		}
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	}
}

func BenchmarkAccessLog(b *testing.B) {
	for _, structured := range []bool{false, true} {
		for _, step := range []int64{0, 1e6} { // ns between lines: one stamp for all, or one each
			b.Run(fmt.Sprintf("structured=%v/apart=%v", structured, time.Duration(step)), func(b *testing.B) {
				l := NewAccessLogger(io.Discard, AccessLogOptions{Structured: structured})
				l.Start()
				f := build(b, "accessLog", Settings{Role: ClientAgent, AccessLog: l})
				c := sample()
				sampleReply(c)
				arrived(b, c)
				b.ReportAllocs()
				for b.Loop() {
					f.Request(c)
					f.Reply(c)
					c.Batch.Now += step
				}
				b.ReportMetric(float64(l.Dropped())/float64(b.N), "dropped/op")
				if err := l.Close(); err != nil {
					b.Error(err)
				}
			})
		}
	}
}
