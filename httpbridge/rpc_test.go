package httpbridge

import (
	"bytes"
	"encoding/json"
	"math"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// TestRPCRequest checks which call a request becomes.
func TestRPCRequest(t *testing.T) {
	base := map[string]string{"M_p": "com.example.Hello", "M_m": "hello", "M_pp": "motan2"}
	with := func(more ...string) map[string]string {
		m := without(base)
		for i := 0; i < len(more); i += 2 {
			m[more[i]] = more[i+1]
		}
		return m
	}
	const path = "/rpc/com.example.Hello/hello"
	tests := []struct {
		name, raw string
		meta      map[string]string
		args      []any
	}{
		{"array", post(path, `["jack",1]`), base, []any{"jack", int64(1)}},
		{"one argument", post(path, `{"a":"b"}`), base, []any{simple.StringMap{{Key: "a", Value: "b"}}}},
		{"a list as the argument", post(path, `[["a"]]`), base, []any{[]string{"a"}}},
		{"no argument", post(path, ``), base, nil},
		{"blank", post(path, " \n"), base, nil},
		{"no content type", "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n[]", base, nil},
		{"text/json", strings.Replace(post(path, `[]`), "application/json", "text/JSON; charset=utf-8", 1), base, nil},
		{"+json", strings.Replace(post(path, `[]`), "application/json", "application/vnd.a+json", 1), base, nil},
		{"curl -d", strings.Replace(post(path, ` ["a"]`), "application/json", "application/x-www-form-urlencoded", 1), base, []any{"a"}},
		{"chunked", "POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n[\"a\r\n2\r\n\"]\r\n0\r\n\r\n", base, []any{"a"}},
		{
			"known headers", post(path, `["a"]`, "MOTAN-g: g1", "motan-V: 1.0", "Motan-Tmo: 250", "MOTAN-pp: motan", "MOTAN-s: app", "MOTAN-mdu: mod", "MOTAN-md: java.lang.String", "MOTAN-rid: 17"),
			with("M_g", "g1", "M_v", "1.0", "M_tmo", "250", "M_pp", "motan", "M_s", "app", "M_mdu", "mod", "M_md", "java.lang.String", "M_rid", "17"),
			[]any{"a"},
		},
		{
			"attachments keep their case", post(path, `[]`, "Motan-Meta-consistentHashKey: K", "motan-meta-lower: l", "MOTAN-META-UPPER: U"),
			with("consistentHashKey", "K", "lower", "l", "UPPER", "U"), nil,
		},
		{"the last of a repeated header", post(path, `[]`, "Motan-Meta-k: 1", "Motan-Meta-k: 2"), with("k", "2"), nil},
		{"other headers stay", post(path, `[]`, "Authorization: secret", "X-Att: 1", "MOTAN-p: other", "MOTAN-m: other", "Motan-Unknown: x"), base, nil},
		{"an empty value is none", post(path, `[]`, "Motan-Meta-k:", "MOTAN-g:"), base, nil},
		{"percent escapes", post("/rpc/test.domain/%2F2%2Fusers%2fshow.json", `[]`), with("M_p", "test.domain", "M_m", "/2/users/show.json"), nil},
		{"UTF-8", post("/rpc/%E4%BD%A0/%e5%a5%bd", `[]`), with("M_p", "你", "M_m", "好"), nil},
		{"a query is ignored", post(path+"?M_g=x", `[]`), base, nil},
		{"dots are names", post("/rpc/a/..", `[]`), with("M_p", "a", "M_m", ".."), nil},
		{"identity", post(path, `[]`, "Content-Encoding: identity"), base, nil},
	}
	r := record(reply(nil))
	l := serve(t, &Server{Handler: r})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, l.Dial, tt.raw)
			if got.status != 200 || got.body != "null" {
				t.Fatalf("got %d %s, want 200 null", got.status, got.body)
			}
			call := r.last(t)
			if !reflect.DeepEqual(call.meta, tt.meta) {
				t.Errorf("metadata:\n got %v\nwant %v", call.meta, tt.meta)
			}
			if want := must(t, tt.args...); call.body != string(want) {
				t.Errorf("body: got %x, want %x", call.body, want)
			}
		})
	}
}

// TestRPCRefused checks that what is wrong is answered with a JSON error and no call is made.
func TestRPCRefused(t *testing.T) {
	const path = "/rpc/s/m"
	tests := []struct {
		name, raw string
		status    int
		message   string // part of errmsg
	}{
		{"not POST", "GET " + path + " HTTP/1.1\r\nHost: x\r\n\r\n", 405, "POST"},
		{"other type", strings.Replace(post(path, `[]`), "application/json", "text/plain", 1), 415, "application/json"},
		{"a page of another site", post(path, `[]`, "origin: http://evil.example"), 403, "other sites"},
		{"a page that says it is ours", post(path, `[]`, "Origin: http://localhost", "Sec-Fetch-Site: same-origin"), 403, "ours and"},
		{"a page without a site", post(path, `[]`, "Origin: null"), 403, "other sites"},
		{"a browser that says so", post(path, `[]`, "sec-fetch-site: cross-site"), 403, "other sites"},
		{"json in a parameter", strings.Replace(post(path, `[]`), "application/json", "text/plain; a=application/json", 1), 415, "application/json"},
		{"compressed", post(path, `[]`, "Content-Encoding: br"), 415, "Content-Encoding"},
		{"no method", post("/rpc/s", `[]`), 404, "/rpc/{service}/{method}"},
		{"empty method", post("/rpc/s/", `[]`), 404, "/rpc/{service}/{method}"},
		{"empty service", post("/rpc//m", `[]`), 404, "/rpc/{service}/{method}"},
		{"third part", post("/rpc/s/m/x", `[]`), 404, "%2F"},
		{"newline in a name", post("/rpc/s%0AM_g%0Ax/m", `[]`), 400, "control"},
		{"NUL in a name", post("/rpc/s/m%00", `[]`), 400, "control"},
		{"broken escape", post("/rpc/s/m%4", `[]`), 400, "hexadecimal"},
		{"broken escape at the end", post("/rpc/s/m%", `[]`), 400, "hexadecimal"},
		{"not UTF-8", post("/rpc/s/m%ff", `[]`), 400, "UTF-8"},
		{"long name", post("/rpc/s/"+strings.Repeat("m", nameBytes+1), `[]`), 400, "1024"},
		{"bad JSON", post(path, `["a",{"b":}]`), 400, "$[1].b (byte 10)"},
		{"two values", post(path, `1 2`), 400, "byte 2"},
		{"reserved", post(path, `[]`, "Motan-Meta-M_g: x"), 400, "reserved"},
		{"reserved host", post(path, `[]`, "Motan-Meta-HOST: x"), 400, "reserved"},
		{"no key", post(path, `[]`, "Motan-Meta-: x"), 400, "characters"},
		{"timeout not a number", post(path, `[]`, "MOTAN-tmo: 1s"), 400, "milliseconds"},
		{"timeout of 0", post(path, `[]`, "MOTAN-tmo: 0"), 400, "milliseconds"},
		{"control character", post(path, `[]`, "Motan-Meta-k: a\x01b"), 400, ""},
		{"NUL in a header", post(path, `[]`, "MOTAN-g: a\x00b"), 400, ""},
		{"bare carriage return", post(path, `[]`, "MOTAN-g: a\rMotan-Meta-k: b"), 400, ""},
		{"grows over the limit", post(path, "["+strings.Repeat("1.0,", 200)+"1.0]"), 413, "serialization"},
		{"body over the limit", post(path, `"`+strings.Repeat("x", 2000)+`"`), 413, "1024"},
		{"chunks over the limit", "POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n800\r\n" + strings.Repeat("x", 0x800) + "\r\n0\r\n\r\n", 413, "1024"},
		{"head over the limit", post(path, `[]`, "X: "+strings.Repeat("x", headBytes)), 431, "16384"},
		{"unknown path", post("/other", `[]`), 404, "/proxy_to_rpc"},
		{"not HTTP", "\x16\x03\x01\x02\x00\r\n\r\n", 400, ""},
		{"no host", "POST " + path + " HTTP/1.1\r\n\r\n", 400, "no Host"},
		{"two lengths", post(path, `[]`, "Content-Length: 3"), 400, ""},
		{"a negative length", "POST " + path + " HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n", 400, ""},
		{"broken chunk", "POST " + path + " HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", 400, ""},
	}
	r := record(reply(nil))
	s := &Server{Handler: r, MaxBodySize: 1024}
	l := serve(t, s)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, l.Dial, tt.raw)
			checkError(t, got, tt.status, tt.message)
			if len(r.got) > 0 {
				t.Errorf("a call was made: %v", r.last(t).meta)
			}
		})
	}
	if got := ask(t, l.Dial, "GET "+path+" HTTP/1.1\r\nHost: x\r\n\r\n").headers.Get("Allow"); got != "POST" {
		t.Errorf("Allow: got %q, want POST", got)
	}
}

// checkError checks that an answer is a JSON error of the status with part in its message.
func checkError(t *testing.T, got answerOf, status int, part string) motan.Exception {
	t.Helper()
	if got.status != status {
		t.Errorf("status: got %d, want %d (%s)", got.status, status, got.body)
	}
	if kind := got.headers.Get("Content-Type"); kind != "application/json" {
		t.Errorf("Content-Type: got %q, want application/json", kind)
	}
	var x motan.Exception
	d := json.NewDecoder(strings.NewReader(got.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil {
		t.Fatalf("body %q: %v", got.body, err)
	}
	if !strings.HasSuffix(got.body, "}\n") {
		t.Errorf("body %q does not end with a newline", got.body)
	}
	if x.Code == 0 || x.Message == "" || !strings.Contains(x.Message, part) {
		t.Errorf("error: got %+v, want a code and a message with %q", x, part)
	}
	return x
}

// TestRPCReply checks what becomes of the end of a call.
func TestRPCReply(t *testing.T) {
	bodyOf := func(serialization int, body []byte) func(c *motan.Call) {
		return func(c *motan.Call) {
			c.Reply.SetSerialization(serialization)
			c.Reply.SetBody(body)
			c.End()
		}
	}
	gzipped := func(body []byte) func(c *motan.Call) {
		return func(c *motan.Call) {
			c.Reply.SetSerialization(motan.SerializeSimple)
			c.Reply.SetBody(body)
			if err := c.Reply.Deflate(1); err != nil {
				t.Error(err)
			}
			c.End()
		}
	}
	tests := []struct {
		name    string
		answer  func(c *motan.Call)
		status  int
		body    string // whole for 200, else part of errmsg
		code    int    // errcode where one is checked
		headers map[string]string
	}{
		{"string", reply("ok"), 200, `"ok"`, 0, nil},
		{"map", reply(simple.StringMap{{Key: "a", Value: "b"}}), 200, `{"a":"b"}`, 0, nil},
		{"null", reply(nil), 200, `null`, 0, nil},
		{"no body", bodyOf(motan.SerializeBreeze, nil), 200, `null`, 0, nil},
		{"gzip", gzipped(must(t, strings.Repeat("x", 500))), 200, `"` + strings.Repeat("x", 500) + `"`, 0, nil},
		{"gzip bomb", gzipped(must(t, strings.Repeat("x", 5000))), 502, "4096", 502, nil},
		{"broken gzip", func(c *motan.Call) {
			c.Reply.Type |= motan.FlagGzip
			c.Reply.SetBody([]byte("xx"))
			c.End()
		}, 502, "inflate", 502, nil},
		{"breeze", bodyOf(motan.SerializeBreeze, []byte{1}), 502, "serialization 8", 502, nil},
		{"hessian2", bodyOf(motan.SerializeHessian2, []byte{1}), 502, "serialization 0", 502, nil},
		{"broken body", bodyOf(motan.SerializeSimple, []byte{1, 0}), 502, "byte", 502, nil},
		{"two values", bodyOf(motan.SerializeSimple, must(t, "a", "b")), 502, "JSON", 502, nil},
		{"not a JSON value", reply([]any{"a", math.NaN()}), 502, "$[1]", 502, nil},
		{"not UTF-8", reply("\xff"), 502, "JSON", 502, nil},
		{"attachments", func(c *motan.Call) {
			c.Reply.Set("M_pt", "3")
			c.Reply.Set("server-att", "sv")
			c.Reply.Set("x-forwarded-for", "10.0.0.1:80")
			reply("ok")(c)
		}, 200, `"ok"`, 0, map[string]string{"Motan-Pt": "3", "Motan-Meta-Server-Att": "sv", "Motan-Meta-X-Forwarded-For": "10.0.0.1:80"}},
		{"injection", func(c *motan.Call) {
			c.Reply.Set("a\r", "x")
			c.Reply.Set("b: c", "x")
			c.Reply.Set("v", "1\rSet-Cookie: a=b\x00")
			reply("ok")(c)
		}, 200, `"ok"`, 0, map[string]string{"Motan-Meta-V": "1 Set-Cookie: a=b", "Set-Cookie": "", "Motan-Meta-B": ""}},
		{"error", func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "no endpoint")) }, 503, "no endpoint", 1001, nil},
		{"exception", func(c *motan.Call) {
			c.Reply.SetException(motan.Exception{Code: 30001, Message: "biz", Type: motan.TypeBiz})
			c.Reply.Set("M_pt", "7")
			c.End()
		}, 500, "biz", 30001, map[string]string{"Motan-Pt": "7"}},
		{"exception without text", func(c *motan.Call) { c.Reply.Status = 0x09; c.End() }, 500, "did not say", 500, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, &Server{Handler: motan.HandlerFunc(tt.answer), MaxBodySize: 4096})
			got := ask(t, l.Dial, post("/rpc/s/m", `[]`))
			if tt.status == 200 {
				if got.status != 200 || got.body != tt.body || got.headers.Get("Content-Type") != "application/json" {
					t.Errorf("got %d %s %s, want 200 %s", got.status, got.headers.Get("Content-Type"), got.body, tt.body)
				}
			} else if x := checkError(t, got, tt.status, tt.body); x.Code != tt.code {
				t.Errorf("errcode: got %d, want %d", x.Code, tt.code)
			}
			for name, want := range tt.headers {
				if got := got.headers.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestRPCHeaderCase checks on the bytes what http.Header hides.
func TestRPCHeaderCase(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		c.Reply.Set("traceId", "7")
		c.Reply.Set("M_pt", "3")
		echo(c)
	})})
	conn, err := l.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte(post("/rpc/s/m", `["x"]`))); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 4096)
	n, err := conn.Read(buf)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"\r\nMotan-Meta-traceId: 7\r\n", "\r\nMOTAN-pt: 3\r\n"} {
		if !bytes.Contains(buf[:n], []byte(want)) {
			t.Errorf("got %q, want in it %q", buf[:n], want)
		}
	}
}

// TestRPCManyAttachments checks that an answer's head stays readable whatever a provider sends.
func TestRPCManyAttachments(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		for i := range 3 * shownPairs {
			c.Reply.Set("key"+strings.Repeat("k", i%50)+string(rune('a'+i%26))+strings.Repeat("x", i/26), "v")
		}
		reply("ok")(c)
	})})
	got := ask(t, l.Dial, post("/rpc/s/m", ``))
	if got.status != 200 || len(got.headers) > shownPairs+10 {
		t.Errorf("got %d with %d headers, want 200 with at most %d", got.status, len(got.headers), shownPairs)
	}
}

func TestIndex(t *testing.T) {
	l := serve(t, &Server{Handler: record(echo)})
	got := ask(t, l.Dial, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
	var v map[string]any
	if err := json.Unmarshal([]byte(got.body), &v); err != nil || got.status != 200 || v["post"] != "/rpc/{service}/{method}" {
		t.Errorf("got %d %q (%v), want the index", got.status, got.body, err)
	}
}

func TestRemoteIP(t *testing.T) {
	tests := []struct {
		addr net.Addr
		want string
	}{
		{&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 1}, "127.0.0.1"},
		{&net.TCPAddr{IP: net.IPv4(10, 1, 2, 3), Port: 1}, "10.1.2.3"},
		{&net.TCPAddr{IP: net.IPv6loopback, Port: 1}, "::1"},
		{&net.UnixAddr{Name: "@"}, ""},
		{nil, ""},
	}
	for _, tt := range tests {
		if got := remoteIP(tt.addr); got != tt.want {
			t.Errorf("remoteIP(%v): got %q, want %q", tt.addr, got, tt.want)
		}
	}
}

// TestRPCRemote checks the client's IP over a real socket.
func TestRPCRemote(t *testing.T) {
	r := record(reply(nil))
	addr := serveTCP(t, &Server{Handler: r})
	resp, err := http.Post("http://"+addr+"/rpc/s/m", "application/json", strings.NewReader(`[]`))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	defer http.DefaultClient.CloseIdleConnections()
	if got := r.last(t).remote; got != "127.0.0.1" {
		t.Errorf("got %q, want 127.0.0.1", got)
	}
}
