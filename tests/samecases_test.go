package tests

import (
	"testing"

	"github.com/motand/motand/motan"
)

// meta is metadata that asks for a method of a service.
func meta(service, method, more string) string {
	return "M_p\n" + service + "\nM_m\n" + method + more
}

const (
	simpleByte = motan.SerializeSimple << 3
	inDemo     = "\nM_g\ndemo"
)

// outboundCases are calls of programs on this host.
func outboundCases(t *testing.T) []sameCase {
	t.Helper()
	body := encoded(t, "jack")
	one := "com.example.One"
	call := func(method, more string) rawFrame {
		return rawFrame{ser: simpleByte, id: 11, meta: meta(one, method, more), body: body}
	}
	return []sameCase{
		{name: "PHP", port: "motan", f: rawFrame{
			ser: simpleByte, id: 1600000000123456789, body: body,
			meta: "M_s\ntest-app\nM_p\n" + one + "\nM_m\nhello\nM_g\ndemo\nM_pp\nmotan2\nrequestIdFromClient\n1600000000123456789\nSERIALIZATION\nsimple",
		}},
		{name: "Java", port: "motan", f: rawFrame{
			id: 1795376439234658305, body: []byte{0x04, 'j', 'a', 'c', 'k'},
			meta: meta(one, "hello", "\nM_md\njava.lang.String\nM_s\njava-app\nM_g\ndemo\ngroup\ndemo\nM_v\n1.0\nM_pp\nmotan2\nM_mdu\nmod"),
		}},
		{name: "minimal metadata", port: "motan", f: call("hello", "")},
		{name: "application of Java", port: "motan", f: call("hello", "\napplication\njava-app")},
		{name: "wrong group", port: "motan", f: call("hello", "\nM_g\nelsewhere")},
		{name: "wrong version", port: "motan", f: call("hello", "\nM_v\n9.9")},
		{name: "wrong protocol", port: "motan", f: call("hello", "\nM_pp\ngrpc")},
		{name: "own host, id and forwarder", port: "motan", f: call("hello", "\nhost\n9.9.9.9\nM_rid\n77\nx-forwarded-for\n8.8.8.8")},
		{name: "unknown service", port: "motan", f: rawFrame{ser: simpleByte, id: 12, meta: meta("com.example.None", "hello", inDemo)}},
		{
			name: "no metadata", port: "motan", f: rawFrame{ser: simpleByte, id: 13},
			differs: "the code is the same, and the words tell what to do",
			ours:    `caller: type=03 status=09 serialize=00 id=13 M_e="{\"errcode\":400,\"errmsg\":\"cluster not found. cluster: cluster not found. service: \",\"errtype\":1}" M_pt="*" body=""`,
		},
		{name: "one of two groups", port: "motan", f: rawFrame{ser: simpleByte, id: 14, meta: meta("com.example.Two", "hello", "\nM_g\nsouth"), body: body}},
		{name: "one of two groups as motan", port: "motan", f: rawFrame{ser: simpleByte, id: 14, meta: meta("com.example.Two", "hello", "\nM_g\nnorth\nM_pp\nmotan"), body: body}},
		{
			name: "several groups, none named", port: "motan", f: rawFrame{ser: simpleByte, id: 15, meta: meta("com.example.Two", "hello", "")},
			differs: "the code is the same, and the words tell what to do",
			ours:    `caller: type=03 status=09 serialize=00 id=15 M_e="{\"errcode\":400,\"errmsg\":\"cluster not found. cluster: service com.example.Two is referred to in several groups or versions, name the group (M_g)\",\"errtype\":1}" M_pt="*" body=""`,
		},
		{
			name: "several groups, another named", port: "motan", f: rawFrame{ser: simpleByte, id: 16, meta: meta("com.example.Two", "hello", "\nM_g\nwest")},
			differs: "the code is the same, and the words tell what to do",
			ours:    `caller: type=03 status=09 serialize=00 id=16 M_e="{\"errcode\":400,\"errmsg\":\"cluster not found. cluster: no refer of service com.example.Two has group west, version , protocol \",\"errtype\":1}" M_pt="*" body=""`,
		},
		{name: "business exception", port: "motan", f: call("biz", "")},
		{name: "service exception", port: "motan", f: call("service", "")},
		{name: "time-out", port: "motan", f: call("silent", "")},
		{name: "time-out of the caller", port: "motan", f: call("silent", "\nM_tmo\n250")},
		{
			name: "exception without M_e", port: "motan", f: call("bare", ""),
			differs: "callers disagree whether the status or M_e makes an exception; with both they all see it",
			ours: `provider: type=02 status=08 serialize=30 M_g="demo" M_m="bare" M_p="com.example.One" M_rid="11" M_s="test-app" host="127.0.0.1" body="\x01\x00\x00\x00\x04jack"
caller: type=03 status=09 serialize=30 id=11 M_e="{\"errcode\":500,\"errmsg\":\"provider answered with an exception but did not say which\",\"errtype\":1}" M_pt="*" x-forwarded-for="{provider}" body=""`,
		},
		{
			name: "M_e in a normal answer", port: "motan", f: call("odd", ""),
			differs: "PHP and Lua would take it for an exception, Java and Go do not",
			ours: `provider: type=02 status=08 serialize=30 M_g="demo" M_m="odd" M_p="com.example.One" M_rid="11" M_s="test-app" host="127.0.0.1" body="\x01\x00\x00\x00\x04jack"
caller: type=03 status=08 serialize=30 id=11 M_pt="*" x-forwarded-for="{provider}" body="\x01\x00\x00\x00\x04jack"`,
		},
		{name: "provider's own figures", port: "motan", f: call("timed", "")},
		{
			name: "packed answer", port: "motan", f: rawFrame{ser: simpleByte, typ: motan.FlagGzip, id: 17, meta: meta(one, "packed", ""), body: packed(t, "abc")},
			differs: "bodies are not opened, so that none can blow up in memory",
			ours: `provider: type=0a status=08 serialize=30 M_g="demo" M_m="packed" M_p="com.example.One" M_rid="17" M_s="test-app" host="127.0.0.1" packed body="abcabcabcabcabcabcabcabcabcabc"
caller: type=0b status=08 serialize=30 id=17 M_pt="*" x-forwarded-for="{provider}" packed body="abcabcabcabcabcabcabcabcabcabc"`,
		},
		{
			name: "packed request", port: "motan", f: rawFrame{ser: simpleByte, typ: motan.FlagGzip, id: 17, meta: meta(one, "hello", ""), body: packed(t, "abc")},
			differs: "bodies are not opened, so that none can blow up in memory",
			ours: `provider: type=0a status=08 serialize=30 M_g="demo" M_m="hello" M_p="com.example.One" M_rid="17" M_s="test-app" host="127.0.0.1" packed body="abcabcabcabcabcabcabcabcabcabc"
caller: type=03 status=08 serialize=30 id=17 M_pt="*" server-att="sv" x-forwarded-for="{provider}" body="abcabcabcabcabcabcabcabcabcabc"`,
		},
		{name: "oneway", port: "motan", f: rawFrame{ser: simpleByte, typ: motan.FlagOneway, id: 18, meta: meta(one, "hello", ""), body: body}},
		{
			name: "marked as a response", port: "motan", f: rawFrame{ser: simpleByte, typ: motan.FlagResponse, id: 19, meta: meta(one, "hello", ""), body: body},
			differs: "a provider must not take a call for an answer",
			ours: `provider: type=02 status=08 serialize=30 M_g="demo" M_m="hello" M_p="com.example.One" M_rid="19" M_s="test-app" host="127.0.0.1" body="\x01\x00\x00\x00\x04jack"
caller: type=03 status=08 serialize=30 id=19 M_pt="*" server-att="sv" x-forwarded-for="{provider}" body="\x01\x00\x00\x00\x04jack"`,
		},
		{name: "heartbeat of Go", port: "motan", f: rawFrame{ser: simpleByte, typ: motan.FlagHeartbeat | motan.FlagProxy, id: 20}},
		{name: "heartbeat of Java", port: "motan", f: rawFrame{ser: 8, typ: motan.FlagHeartbeat, id: 21}},
		{name: "unknown serialization", port: "motan", f: rawFrame{ser: 29 << 3, id: 22, meta: meta(one, "hello", ""), body: []byte{1, 2, 3}}},
		{name: "empty values", port: "motan", f: rawFrame{ser: simpleByte, id: 23, meta: meta(one, "hello", "\nM_g\n\nuid\n\nlast\n1"), body: body}},
		{name: "trailing newline", port: "motan", f: call("hello", "\nuid\n1\n")},
		{
			name: "unpaired key", port: "motan", f: call("hello", "\nlonely"),
			differs: "a key without a value harms nobody: it is left out, as Java does",
			ours: `provider: type=02 status=08 serialize=30 M_g="demo" M_m="hello" M_p="com.example.One" M_rid="11" M_s="test-app" host="127.0.0.1" body="\x01\x00\x00\x00\x04jack"
caller: type=03 status=08 serialize=30 id=11 M_pt="*" server-att="sv" x-forwarded-for="{provider}" body="\x01\x00\x00\x00\x04jack"`,
		},
		{name: "highest id", port: "motan", f: rawFrame{ser: simpleByte, id: 1<<64 - 1, meta: meta(one, "hello", ""), body: body}},
		{name: "no body", port: "motan", f: rawFrame{ser: simpleByte, id: 24, meta: meta(one, "hello", "")}},
	}
}

// inboundCases are calls of other hosts for a Motan service here.
func inboundCases(t *testing.T) []sameCase {
	t.Helper()
	body := encoded(t, "jack")
	one := "com.example.One"
	call := func(method, more string) rawFrame {
		return rawFrame{ser: simpleByte, typ: motan.FlagProxy, id: 31, meta: meta(one, method, inDemo+"\nM_s\napp\nM_rid\n5\nhost\n10.0.0.9"+more), body: body}
	}
	return []sameCase{
		{name: "in: call", port: "export", f: call("hello", "")},
		{name: "in: forwarded before", port: "export", f: call("hello", "\nx-forwarded-for\n10.1.1.1")},
		{name: "in: no id in metadata", port: "export", f: rawFrame{ser: simpleByte, id: 32, meta: meta(one, "hello", inDemo), body: body}},
		{name: "in: group of Java only", port: "export", f: rawFrame{ser: simpleByte, id: 33, meta: meta(one, "hello", "\ngroup\ndemo"), body: body}},
		{name: "in: wrong group", port: "export", f: rawFrame{ser: simpleByte, id: 34, meta: meta(one, "hello", "\nM_g\nelsewhere"), body: body}},
		{name: "in: unknown service", port: "export", f: rawFrame{ser: simpleByte, id: 35, meta: meta("com.example.None", "hello", inDemo)}},
		{name: "in: no metadata", port: "export", f: rawFrame{ser: simpleByte, id: 36}},
		{name: "in: framework service", port: "export", f: rawFrame{ser: simpleByte, id: 37, meta: meta("com.example.Frame", "hello", inDemo+"\nM_fws\ny")}},
		{name: "in: business exception", port: "export", f: call("biz", "")},
		{
			name: "in: exception without M_e", port: "export", f: call("bare", ""),
			differs: "callers disagree whether the status or M_e makes an exception; with both they all see it",
			ours: `provider: type=02 status=08 serialize=30 M_g="demo" M_m="bare" M_p="com.example.One" M_rid="5" M_s="app" host="127.0.0.1" x-forwarded-for="127.0.0.1" body="\x01\x00\x00\x00\x04jack"
caller: type=03 status=09 serialize=30 id=31 M_e="{\"errcode\":500,\"errmsg\":\"provider answered with an exception but did not say which\",\"errtype\":1}" M_pt="*" body=""`,
		},
		{name: "in: provider's own figures", port: "export", f: call("timed", "")},
		{name: "in: time-out", port: "export", f: call("silent", "")},
		{name: "in: provider is not there", port: "export", f: rawFrame{ser: simpleByte, id: 38, meta: meta("com.example.Gone", "hello", inDemo), body: body}},
		{name: "in: oneway", port: "export", f: rawFrame{ser: simpleByte, typ: motan.FlagOneway, id: 39, meta: meta(one, "hello", inDemo), body: body}},
		{name: "in: heartbeat", port: "export", f: rawFrame{ser: simpleByte, typ: motan.FlagHeartbeat | motan.FlagProxy, id: 40}},
	}
}

// webCases are calls of other hosts for a web service here.
func webCases(t *testing.T) []sameCase {
	t.Helper()
	call := func(service, method, more string, args ...any) rawFrame {
		return rawFrame{ser: simpleByte, id: 51, meta: meta("com.example."+service, method, inDemo+"\nM_s\napp\nM_rid\n5"+more), body: encoded(t, args...)}
	}
	form := map[string]string{"a": "1 2"}
	raw := []byte("GET /raw?x=1 HTTP/1.1\r\nHost: raw.example.com\r\nX-Own: 1\r\n\r\n")
	post := []byte("POST /raw HTTP/1.1\r\nHost: raw.example.com\r\nContent-Type: text/plain\r\nContent-Length: 4\r\n\r\n")
	return []sameCase{
		{
			name: "web: GET", port: "export", f: call("Web", "/path", "", form),
			differs: "a space in a query is + or %20, which web services read alike",
			ours:    `caller: type=03 status=08 serialize=30 id=51 Content-Length="169" Content-Type="text/plain" Date="Sun, 01 Nov 2026 12:00:00 GMT" M_pt="*" X-Answer="yes" upstreamCode="200" body="\x03\x00\x00\x00\xa9GET /path?a=1+2 host=web.example.com body=\"\" Motan-G=[\"demo\"] Motan-M=[\"/path\"] Motan-P=[\"com.example.Web\"] Motan-Rid=[\"5\"] Motan-S=[\"app\"] X-Forwarded-For=[\"127.0.0.1\"]"`,
		},
		{name: "web: POST", port: "export", f: call("Web", "/path", "\nHTTP_Method\nPOST", form)},
		{name: "web: query", port: "export", f: call("Web", "/path", "\nHTTP_QueryString\nq=1&r=2")},
		{name: "web: body of text", port: "export", f: call("Web", "/path", "\nHTTP_Method\nPOST\nContent-Type\napplication/json", `{"a":1}`)},
		{name: "web: body of bytes", port: "export", f: call("Web", "/path", "\nHTTP_Method\nPUT", []byte{0, 1, 2})},
		{name: "web: headers", port: "export", f: call("Web", "/path", "\nhttp_Host\nother.example.com\nhttp_X-One\n1\nx-two\n2\nremoteIP\n7.7.7.7")},
		{
			name: "web: argument of a wrong kind", port: "export", f: call("Web", "/path", "", int64(1)),
			differs: "the code is the same, and the words tell what to do",
			ours:    `caller: type=03 status=09 serialize=00 id=51 M_e="{\"errcode\":400,\"errmsg\":\"http rpc unsupported parameter type: int64; want a map of strings, a string or bytes\",\"errtype\":2}" M_pt="*" body=""`,
		},
		{name: "web: status 404", port: "export", f: call("Web", "/missing", "")},
		{name: "web: status 500 as an exception", port: "export", f: call("Strict", "/broken", "")},
		{name: "web: no location", port: "export", f: call("Ruled", "/path", "")},
		{name: "web: raw request", port: "export", f: call("Web", "/raw", "\nHTTP_PROXY\ntrue", raw, []byte{})},
		{name: "web: raw POST", port: "export", f: call("Web", "/raw", "\nHTTP_PROXY\ntrue", post, []byte("body"))},
		{
			name: "web: raw GET with a body", port: "export", f: call("Web", "/raw", "\nHTTP_PROXY\ntrue", raw, []byte("body")),
			differs: "HTTP allows it",
			ours:    `caller: type=03 status=08 serialize=30 id=51 M_pt="*" upstreamCode="200" body="\x15\x00\x00\x01J\x03\x00\x00\x00vHTTP/1.1 200 OK\r\nDate: *\r\nContent-Type: text/plain\r\nContent-Length: 202\r\nX-Answer: yes\r\n\r\n\x03\x00\x00\x00\xcaGET /raw?x=1 host=raw.example.com body=\"body\" Content-Length=[\"4\"] Motan-G=[\"demo\"] Motan-M=[\"/raw\"] Motan-P=[\"com.example.Web\"] Motan-Rid=[\"5\"] Motan-S=[\"app\"] X-Forwarded-For=[\"127.0.0.1\"] X-Own=[\"1\"]"`,
		},
		{name: "web: URL format", port: "export", f: call("Format", "method", "\nrequestIdFromClient\n99", form)},
		{
			name: "web: URL format, no argument", port: "export", f: call("Format", "method", ""),
			differs: "motan-go panics",
			ours:    `caller: type=03 status=08 serialize=30 id=51 Content-Length="293" Content-Type="text/plain" Date="Sun, 01 Nov 2026 12:00:00 GMT" M_g="demo" M_m="method" M_p="com.example.Format" M_pt="*" M_rid="5" M_s="app" X-Answer="yes" host="127.0.0.1" upstreamCode="200" body="\x01\x00\x00\x01%POST /api/method host={web} body=\"requestIdFromClient=5\" Accept-Encoding=[\"gzip\"] Content-Length=[\"21\"] Content-Type=[\"application/x-www-form-urlencoded\"] Motan-G=[\"demo\"] Motan-M=[\"method\"] Motan-P=[\"com.example.Format\"] Motan-Rid=[\"5\"] Motan-S=[\"app\"] X-Forwarded-For=[\"127.0.0.1\"]"`,
		},
	}
}
