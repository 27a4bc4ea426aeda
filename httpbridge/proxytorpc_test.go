package httpbridge

import (
	"maps"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// TestProxyToRPCCaptured makes the captured requests and compares call and answer with the capture.
func TestProxyToRPCCaptured(t *testing.T) {
	ok := func(c *motan.Call) {
		c.Reply.Set("M_pt", "3")
		c.Reply.Set("server-att", "sv")
		c.Reply.Set("x-forwarded-for", "127.0.0.1:21810")
		reply("ok")(c)
	}
	unknown := func(c *motan.Call) {
		c.Fail(motan.Errorf(motan.KindNotFound, motan.CodeDefault, "cluster not found. cluster: cluster not found. service: nope"))
	}
	const head = " HTTP/1.1\r\nHost: 127.0.0.1:21983\r\nUser-Agent: Go-http-client/1.1\r\nX-Att: 1\r\nAccept-Encoding: gzip\r\n\r\n"
	requests := []struct {
		target string
		answer func(c *motan.Call)
	}{
		{"/proxy_to_rpc?service=com.example.HelloService&method=hello&group=test-group&arg_type=string&arg=jack", ok},
		{"/proxy_to_rpc?service=nope&method=hello&group=test-group&arg_type=string&arg=jack", unknown},
		{"/proxy_to_rpc?service=s&method=hello&arg_type=int&arg=1", nil},
		{"/proxy_to_rpc?method=hello", nil},
	}
	var exchanges []exchangeOf
	for _, e := range captured(t) {
		if strings.Contains(e.section, "proxy_to_rpc") {
			exchanges = append(exchanges, e)
		}
	}
	if len(exchanges) < len(requests) {
		t.Fatalf("the capture has %d exchanges, want %d", len(exchanges), len(requests))
	}
	for i, tt := range requests {
		r := record(tt.answer)
		l := serve(t, &Server{Handler: r})
		got, want := ask(t, l.Dial, "GET "+tt.target+head), capturedAnswer(t, exchanges[i].received)
		if got.status != want.status || got.body != want.body {
			t.Errorf("%s:\n got %d %q\nwant %d %q", tt.target, got.status, got.body, want.status, want.body)
		}
		got.headers.Del("Date")
		want.headers.Del("Date")
		if !reflect.DeepEqual(got.headers, want.headers) {
			t.Errorf("%s: headers:\n got %v\nwant %v", tt.target, got.headers, want.headers)
		}
		if exchanges[i].behind == "" {
			continue
		}
		meta := capturedMeta(t, exchanges[i].behind)
		delete(meta, "M_s") // the agent's
		call := r.last(t)
		if !maps.Equal(call.meta, meta) {
			t.Errorf("%s: metadata:\n got %v\nwant %v", tt.target, call.meta, meta)
		}
		if want := string(must(t, "jack")); call.body != want {
			t.Errorf("body: got %x, want %x", call.body, want)
		}
	}
}

// TestProxyToRPCRequest checks what the capture does not show.
func TestProxyToRPCRequest(t *testing.T) {
	form := func(body string, lines ...string) string {
		return strings.Replace(post("/proxy_to_rpc", body, lines...), "application/json", "application/x-www-form-urlencoded", 1)
	}
	const whole = "service=s&method=m&group=g&arg_type=string&arg=%E4%BD%A0+a"
	tests := []struct {
		name, raw string
		want      map[string]string // of the keys given; "" means absent
	}{
		{"form", form(whole), map[string]string{"M_p": "s", "M_m": "m", "M_g": "g", "M_pp": "motan2", "Content-Type": "application/x-www-form-urlencoded", "Content-Length": strconv.Itoa(len(whole))}},
		{"canonical names", form(whole, "x-lower-CASE: v"), map[string]string{"X-Lower-Case": "v", "x-lower-CASE": ""}},
		{
			"hop by hop", form(whole, "Connection: keep-alive, x-a", "Keep-Alive: 5", "TE: gzip", "Proxy-Authorization: secret"),
			map[string]string{"Connection": "", "Keep-Alive": "", "Te": "", "Proxy-Authorization": ""},
		},
		{
			"reserved", form(whole, "M_p: evil", "M_g: evil", "M_s: app", "M_tmo: 5", "M_e: {}", "M_fws: y"),
			map[string]string{"M_p": "s", "M_g": "g", "M_s": "app", "M_tmo": "5", "M_e": "", "M_fws": ""},
		},
		{"any host", strings.Replace(form(whole), "Host: localhost", "Host: some.domain", 1), map[string]string{"Host": "some.domain"}},
		{"as a proxy", strings.Replace(form(whole), "/proxy_to_rpc", "http://localhost/proxy_to_rpc", 1), map[string]string{"M_p": "s"}},
		{"no group", form("service=s&method=m&arg_type=string"), map[string]string{"M_g": ""}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := record(reply("ok"))
			l := serve(t, &Server{Handler: r})
			if got := ask(t, l.Dial, tt.raw); got.status != 200 || got.body != "ok" {
				t.Fatalf("got %d %q, want 200 ok", got.status, got.body)
			}
			call := r.last(t)
			for key, want := range tt.want {
				if got := call.meta[key]; got != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
			arg := "你 a"
			if tt.name == "no group" {
				arg = ""
			}
			if want := string(must(t, arg)); call.body != want {
				t.Errorf("body: got %x, want %x", call.body, want)
			}
		})
	}
}

func TestProxyToRPCReply(t *testing.T) {
	tests := []struct {
		name   string
		answer func(c *motan.Call)
		status int
		body   string
	}{
		{"bytes", reply([]byte("raw")), 200, "raw"},
		{"nothing", func(c *motan.Call) { c.End() }, 200, ""},
		{"null", reply(nil), 200, ""},
		{"gzip", func(c *motan.Call) {
			c.Reply.SetSerialization(motan.SerializeSimple)
			c.Reply.SetBody(must(t, strings.Repeat("x", 500)))
			if err := c.Reply.Deflate(1); err != nil {
				t.Error(err)
			}
			c.End()
		}, 200, strings.Repeat("x", 500)},
		{"a number", reply(int64(1)), 502, "get response body failed: int64 is neither a string nor bytes"},
		{"breeze", func(c *motan.Call) {
			c.Reply.SetSerialization(motan.SerializeBreeze)
			c.Reply.SetBody([]byte{1})
			c.End()
		}, 502, "get response body failed: serialization 8 is not simple"},
		{"exception", func(c *motan.Call) {
			c.Reply.SetException(motan.Exception{Code: 3, Message: "biz", Type: motan.TypeBiz})
			c.End()
		}, 502, "biz"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, &Server{Handler: motan.HandlerFunc(tt.answer)})
			got := ask(t, l.Dial, "GET /proxy_to_rpc?service=s&method=m&arg_type=string HTTP/1.1\r\nHost: x\r\n\r\n")
			if got.status != tt.status || got.body != tt.body {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
			}
		})
	}
}

// TestProxyToRPCInjection checks that attachments of a reply cannot break out of their header or replace ours.
func TestProxyToRPCInjection(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		for _, pair := range [][2]string{
			{"Content-Length", "1"},
			{"Transfer-Encoding", "chunked"},
			{"Connection", "close"},
			{"Content-Type", "text/html"},
			{"a: b\r", "x"},
			{"x-v", "1\rSet-Cookie: a=b"},
			{"content-length", "2"},
		} {
			c.Reply.Set(pair[0], pair[1])
		}
		reply("<html>")(c)
	})})
	got := ask(t, l.Dial, "GET /proxy_to_rpc?service=s&method=m&arg_type=string HTTP/1.1\r\nHost: x\r\n\r\n")
	got.headers.Del("Date")
	want := http.Header{"Content-Length": {"6"}, "Content-Type": {"text/plain"}, "X-V": {"1 Set-Cookie: a=b"}}
	if got.body != "<html>" || got.closed || !reflect.DeepEqual(got.headers, want) {
		t.Errorf("got %q %v (closed %t), want %v", got.body, got.headers, got.closed, want)
	}
	bad := ask(t, l.Dial, "GET /proxy_to_rpc?service=s%0aM_g&method=m&arg_type=string HTTP/1.1\r\nHost: x\r\n\r\n")
	if bad.status != 400 {
		t.Errorf("newline in the service: got %d, want 400", bad.status)
	}
}
