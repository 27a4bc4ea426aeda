package filters

import (
	"encoding/json"
	"maps"
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

func TestStampFollowsTheClock(t *testing.T) {
	var l line
	zone := time.FixedZone("", 2*3600)
	at := time.Date(2026, 11, 22, 19, 31, 23, 132e6, zone)
	for _, tt := range []struct {
		add  time.Duration
		want string
	}{
		{0, "2026-11-22T19:31:23.132+0200"},
		{time.Millisecond, "2026-11-22T19:31:23.133+0200"},
		{867 * time.Millisecond, "2026-11-22T19:31:23.999+0200"},
		{868 * time.Millisecond, "2026-11-22T19:31:24.000+0200"},
		{877 * time.Millisecond, "2026-11-22T19:31:24.009+0200"},
		{-time.Hour, "2026-11-22T18:31:23.132+0200"},
		{4*time.Hour + 28*time.Minute + 37*time.Second, "2026-11-23T00:00:00.132+0200"},
	} {
		l.setStamp(at.Add(tt.add))
		if got := string(l.stamp); got != tt.want {
			t.Errorf("after %v: got %s, want %s", tt.add, got, tt.want)
		}
	}
}

// TestExceptionIsAsMotanGoWritesIt compares with encoding/json, but for the "|".
func TestExceptionIsAsMotanGoWritesIt(t *testing.T) {
	for _, text := range append(hostile, "<a href=\"x\">&</a>", "plain") {
		text = strings.ToValidUTF8(cut(text, 1000), "\ufffd")
		x := motan.Exception{Code: -3, Message: text, Type: 1}
		want := map[string]any{}
		if err := json.Unmarshal(x.AppendJSON(nil), &want); err != nil {
			t.Fatal(err)
		}
		got := map[string]any{}
		written := appendException(nil, &x)
		if err := json.Unmarshal(written, &got); err != nil || !maps.Equal(got, want) {
			t.Errorf("got %s, %v, want %v", written, err, want)
		}
	}
	x := motan.Exception{Code: 400, Message: `a "b" <c> \ é`, Type: 1}
	if got, want := string(appendException(nil, &x)), string(x.AppendJSON(nil)); got != want {
		t.Errorf("got %s, want the same bytes as motan-go: %s", got, want)
	}
}

func TestAccessLogStructured(t *testing.T) {
	c := sample()
	c.Request.Set("M_rid", "18446744073709551615")
	line := logged(t, "accessLog", ClientAgent, AccessLogOptions{Structured: true}, c, sampleReply)
	const want = "\t\t" + `{"filterName": "accessLog", "role": "client-agent", "requestID": 18446744073709551615, ` +
		`"service": "test", "method": "/test/x", "desc": "", "remoteAddress": "127.0.0.1:19982", "reqSize": 91, ` +
		`"resSize": 412, "bizTime": 15, "totalTime": 16, "success": true, "responseCode": "200", "exception": "", ` +
		`"upstreamCode": "200"}` + "\n"
	if got := line[strings.IndexByte(line, '\t'):]; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	line = logged(t, "accessLog", ClientAgent, AccessLogOptions{Structured: true}, sample(), func(c *motan.Call) {
		c.Err = motan.Errorf(motan.KindTimeout, 400, `"late"`)
	})
	const part = `"responseCode": "400", "exception": "{\"errcode\":400,\"errmsg\":\"\\\"late\\\"\",\"errtype\":1}", "upstreamCode": ""}`
	if !strings.HasSuffix(line, part+"\n") {
		t.Errorf("got %s, want it to end with %s", line, part)
	}
}

// TestNamedRequest checks the id of a call whose caller has given it a text.
func TestNamedRequest(t *testing.T) {
	c := sample()
	c.Request.Set("M_rid", "7")
	c.Request.Set("X-Request-Id", `shop|"1"`)
	if line := logged(t, "accessLog", ClientAgent, AccessLogOptions{}, c, sampleReply); !strings.Contains(line, `accessLog|client-agent|shop\x7c"1"|test|`) {
		t.Errorf("got %s, want the name as its third column", line)
	}
	c = sample()
	c.Request.Set("X-Request-Id", `shop-"1"`)
	if line := logged(t, "accessLog", ClientAgent, AccessLogOptions{Structured: true}, c, sampleReply); !strings.Contains(line, `"requestID": "shop-\"1\"", "service"`) {
		t.Errorf("got %s, want the name as its requestID", line)
	}
}

func TestDecimal(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-1": true, "9223372036854775807": true, "18446744073709551615": true,
		"": false, "-": false, "007": false, "1.5": false, "1e5": false, "+1": false, " 1": false, "1|": false,
		strings.Repeat("1", 21): false, "--1": false,
	} {
		if got := decimal([]byte(text)); got != want {
			t.Errorf("decimal(%q) = %v, want %v", text, got, want)
		}
	}
}

func TestAppendNumber(t *testing.T) {
	for _, n := range []int64{0, 9, 10, 99, 100, 101, 110, 999, 1000, 1001, math.MaxInt64, -1, -9, -10, -100, math.MinInt64} {
		if got, want := string(appendNumber([]byte("x"), n)), "x"+strconv.FormatInt(n, 10); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
