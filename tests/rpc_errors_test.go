package tests

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
)

// maxBody is the limit of a body in these tests, in bytes.
const maxBody = 64 << 10

// startFailing runs a motand that refers to one service for each way in which a call can fail.
func startFailing(t testing.TB) *daemon {
	t.Helper()
	s := newSetup(t)
	if err := os.WriteFile(filepath.Join(s.dir, "nodes.yaml"), []byte("services:\n  - {path: com.example.Nobody, group: demo, nodes: []}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	yaml := strings.Replace(agentYAML, "accessLog: off", "accessLog: off\n  httpMaxBodySize: 65536", 1) + `
motan-registry:
  nodes: {protocol: file, path: nodes.yaml}
`
	refers := "motan-refer:\n  nobody: {path: com.example.Nobody, group: demo, protocol: motan2, registry: nodes}\n"
	refer := func(name, addr, timeout string) {
		yaml += "  " + name + ": {protocol: direct, address: \"" + addr + "\"}\n"
		refers += "  " + name + ": {path: com.example." + name + ", group: demo, protocol: motan2, registry: " + name + ", requestTimeout: " + timeout + "}\n"
	}
	broken := motantest.NewServer(t, motantest.Silent)
	broken.SetHandler(func(*motan.Frame) *motan.Frame { go broken.Break(); return nil })
	for name, h := range map[string]motantest.Handler{
		"Echo":        bodyBack,
		"Biz":         motantest.Exception(30001, motan.TypeBiz, "no luck <b>\r\n\"quoted\" é"),
		"Busy":        motantest.Exception(motan.CodeRejected, motan.TypeService, "too many requests"),
		"Unsupported": motantest.Exception(motan.CodeUnsupported, motan.TypeService, "service not support"),
		"Internal":    motantest.Exception(motan.CodeInternal, motan.TypeService, "provider call panic"),
		"NotExist":    motantest.Exception(motan.CodeNotFound, motan.TypeService, motan.ProviderNotExist+"demo_x"),
		"Unavailable": motantest.Exception(motan.CodeUnavailable, motan.CodeUnavailable, "reverse proxy call err"),
		"Hessian":     serialized(0, []byte{'N'}),
		"Malformed":   serialized(motan.SerializeSimple, []byte{byte(simple.TagString), 0, 0, 0, 9, 'x'}),
		"NotANumber":  serialized(motan.SerializeSimple, []byte{byte(simple.TagFloat64), 0x7f, 0xf8, 0, 0, 0, 0, 0, 1}),
	} {
		refer(name, motantest.NewServer(t, h).Addr(), "20000")
	}
	refer("Silent", motantest.NewServer(t, motantest.Silent).Addr(), "50")
	refer("Broken", broken.Addr(), "20000")
	refer("Refused", s.addr("nobody_listens"), "20000")
	return startMotandIn(s, yaml+refers)
}

// serialized answers with a body of that serialization.
func serialized(serialization int, body []byte) motantest.Handler {
	return func(*motan.Frame) *motan.Frame {
		reply := new(motan.Frame)
		reply.SetSerialization(serialization)
		reply.SetBody(body)
		return reply
	}
}

const typeJSON = "Content-Type: application/json"

// rpcErrors are requests that fail, the status that HTTP has for it, and a part of the message.
var rpcErrors = []struct {
	name, request string
	status        int
	want          string
}{
	{"bad JSON", httpText("POST", "/rpc/com.example.Echo/echo", "[1,", typeJSON), 400, "$"},
	{"escape cut off", httpText("POST", "/rpc/com.example.Echo/echo%4", "[]", typeJSON), 400, "%"},
	{"newline in the method", httpText("POST", "/rpc/com.example.Echo/echo%0aM_g", "[]", typeJSON), 400, "control characters"},
	{"zero byte in the service", httpText("POST", "/rpc/com.example.Echo%00/echo", "[]", typeJSON), 400, "control characters"},
	{"reserved key", httpText("POST", "/rpc/com.example.Echo/echo", "[]", typeJSON, "Motan-Meta-M_p: com.example.Biz"), 400, "reserved"},
	{"reserved key host", httpText("POST", "/rpc/com.example.Echo/echo", "[]", typeJSON, "motan-meta-Host: 10.0.0.1"), 400, "reserved"},
	{"timeout is no number", httpText("POST", "/rpc/com.example.Echo/echo", "[]", typeJSON, "MOTAN-tmo: soon"), 400, "milliseconds"},
	{"web page of another site", httpText("POST", "/rpc/com.example.Echo/echo", "[]", "Origin: http://evil.example"), 403, "other sites"},
	{"fetched by another site", httpText("POST", "/rpc/com.example.Echo/echo", "[]", "Sec-Fetch-Site: cross-site"), 403, "other sites"},
	{"no such path", httpText("GET", "/nothing/here", ""), 404, "/rpc/{service}/{method}"},
	{"no method", httpText("POST", "/rpc/com.example.Echo", "[]", typeJSON), 404, "/rpc/{service}/{method}"},
	{"too many segments", httpText("POST", "/rpc/com.example.Echo/echo/x", "[]", typeJSON), 404, "%2F"},
	{"unknown service", httpText("POST", "/rpc/com.example.Unknown/echo", "[]", typeJSON), 404, "com.example.Unknown"},
	{"service that the provider lacks", httpText("POST", "/rpc/com.example.NotExist/echo", "[]", typeJSON), 404, "provider not exist"},
	{"GET", httpText("GET", "/rpc/com.example.Echo/echo", ""), 405, "POST"},
	{"PUT", httpText("PUT", "/rpc/com.example.Echo/echo", "[]", typeJSON), 405, "POST"},
	{"too large", httpText("POST", "/rpc/com.example.Echo/echo", `["`+strings.Repeat("x", maxBody)+`"]`, typeJSON), 413, "65536"},
	{"too large in chunks", "POST /rpc/com.example.Echo/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" +
		strings.Repeat("4000\r\n"+strings.Repeat(" ", 0x4000)+"\r\n", 5) + "0\r\n\r\n", 413, "65536"},
	{"too large in Motan's serialization", httpText("POST", "/rpc/com.example.Echo/echo", "["+strings.Repeat("1.5,", 15000)+"1]", typeJSON), 413, "65536"},
	{"text", httpText("POST", "/rpc/com.example.Echo/echo", "[]", "Content-Type: text/plain"), 415, "application/json"},
	{"form of several parts", httpText("POST", "/rpc/com.example.Echo/echo", "--x--", "Content-Type: multipart/form-data; boundary=x"), 415, "multipart"},
	{"compressed otherwise", httpText("POST", "/rpc/com.example.Echo/echo", "[]", typeJSON, "Content-Encoding: br"), 415, "Content-Encoding"},
	{"not compressed", httpText("POST", "/rpc/com.example.Echo/echo", "[]", typeJSON, "Content-Encoding: gzip"), 400, "not gzip"},
	{"limit of the provider", httpText("POST", "/rpc/com.example.Busy/echo", "[]", typeJSON), 429, "too many"},
	{"head too large", httpText("POST", "/rpc/com.example.Echo/echo", "[]", typeJSON, "X-Large: "+strings.Repeat("x", 17<<10)), 431, "16384"},
	{"business exception", httpText("POST", "/rpc/com.example.Biz/echo", "[]", typeJSON), 500, "no luck <b>\r\n\"quoted\" é"},
	{"exception", httpText("POST", "/rpc/com.example.Internal/echo", "[]", typeJSON), 500, "panic"},
	{"framework service", httpText("POST", "/rpc/com.example.Unsupported/echo", "[]", typeJSON), 501, "not support"},
	{"connection breaks", httpText("POST", "/rpc/com.example.Broken/echo", "[]", typeJSON), 502, ""},
	{"nobody listens", httpText("POST", "/rpc/com.example.Refused/echo", "[]", typeJSON), 502, "refused"},
	{"other serialization", httpText("POST", "/rpc/com.example.Hessian/echo", "[]", typeJSON), 502, "serialization 0"},
	{"malformed reply", httpText("POST", "/rpc/com.example.Malformed/echo", "[]", typeJSON), 502, "JSON"},
	{"reply that JSON lacks", httpText("POST", "/rpc/com.example.NotANumber/echo", "[]", typeJSON), 502, "$"},
	{"no node", httpText("POST", "/rpc/com.example.Nobody/echo", "[]", typeJSON), 503, "No refers"},
	{"unavailable", httpText("POST", "/rpc/com.example.Unavailable/echo", "[]", typeJSON), 503, "reverse proxy"},
	{"no answer in time", httpText("POST", "/rpc/com.example.Silent/echo", "[]", typeJSON), 504, "timeout"},
	{"time-out of the caller", httpText("POST", "/rpc/com.example.Silent/echo", "[]", typeJSON, "MOTAN-tmo: 30"), 504, "timeout"},
	{"no HTTP", "hello motand\r\n\r\n", 400, "HTTP"},
	{"length is no number", "POST /rpc/com.example.Echo/echo HTTP/1.1\r\nHost: a\r\nContent-Length: 1x\r\n\r\n", 400, ""},
	{"bad chunk", "POST /rpc/com.example.Echo/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n", 400, ""},
}

// TestRPCErrors holds that every failure is an error in JSON with a fitting status, and that the connection
// serves the next request afterwards unless the answer has said that it ends, and then it does.
func TestRPCErrors(t *testing.T) {
	d := startFailing(t)
	for _, tt := range rpcErrors {
		t.Run(tt.name, func(t *testing.T) {
			c := dialWeb(t, d.addr("http"))
			go c.write(tt.request) // ends with the connection, which is closed with the test
			a := c.answer()
			x := a.problem(tt.status)
			if !strings.Contains(x.Message, tt.want) {
				t.Errorf("got message %q, want something with %q", x.Message, tt.want)
			}
			if tt.status == http.StatusMethodNotAllowed && a.header.Get("Allow") != "POST" {
				t.Errorf("got Allow: %q, want POST", a.header.Get("Allow"))
			}
			if a.closes {
				if !c.ended() {
					t.Error("the connection is open, though the answer has said that it is closed")
				}
				return
			}
			c.write(httpText("POST", "/rpc/com.example.Echo/echo", `["still here"]`, typeJSON))
			c.answer().want(http.StatusOK, `"still here"`)
		})
	}
	if x := d.rpc("com.example.Biz", "echo", "[]").problem(500); x.Code != 30001 || x.Type != motan.TypeBiz {
		t.Errorf("got %+v, want the provider's own code 30001 and type 2", x)
	}
}

// TestRPCPipelined sends several requests, one of them bad, before it reads an answer.
func TestRPCPipelined(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	c := dialWeb(t, d.addr("http"))
	c.write(httpText("POST", "/rpc/"+echoService+"/echo", `["one"]`, typeJSON) +
		httpText("POST", "/rpc/"+echoService+"/echo", `[`, typeJSON) +
		"POST /rpc/" + echoService + "/echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n[\"th\r\n5\r\nree\"]\r\n0\r\n\r\n" +
		httpText("POST", "/rpc/"+echoService+"/echo", `["four"]`, "Connection: close"))
	c.answer().want(http.StatusOK, `"one"`)
	c.answer().problem(http.StatusBadRequest)
	c.answer().want(http.StatusOK, `"three"`)
	c.answer().want(http.StatusOK, `"four"`)
	if !c.ended() {
		t.Error("the connection is open after Connection: close")
	}
}

// TestRPCSlowClient sends half a request: motand gives up on it, and serves others in the meantime.
func TestRPCSlowClient(t *testing.T) {
	t.Parallel() // it waits for motand's patience, ten seconds
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	whole := httpText("POST", "/rpc/"+echoService+"/echo", `["slow"]`, typeJSON)
	head, body := dialWeb(t, d.addr("http")), dialWeb(t, d.addr("http"))
	head.write(whole[:20])
	body.write(whole[:len(whole)-3])
	d.rpc(echoService, "echo", `["fast"]`).want(http.StatusOK, `"fast"`)
	for name, c := range map[string]*webConn{"head": head, "body": body} {
		c.answer().problem(http.StatusRequestTimeout)
		if !c.ended() {
			t.Errorf("%s: the connection is open after the time-out", name)
		}
	}
}

// TestRPCReplyInjection has a provider that puts line ends and markup into its metadata and its exception.
func TestRPCReplyInjection(t *testing.T) {
	for _, failed := range []bool{false, true} {
		provider := motantest.NewServer(t, func(request *motan.Frame) *motan.Frame {
			reply := bodyBack(request)
			if failed {
				reply.SetException(motan.Exception{Code: 1, Type: motan.TypeBiz, Message: "</script>\r\nSet-Cookie: a=b"})
			}
			for _, pair := range [][2]string{
				{"a", "b\rSet-Cookie: a=b"}, {"x\r", "y"}, {"colon: x", "y"}, {"Set-Cookie", "a=b"}, {"zero", "\x00"}, {"é", "y"}, {"", "y"},
			} {
				reply.Set(pair[0], pair[1])
			}
			return reply
		})
		d := startMotand(t, outboundYAML(echoService, provider.Addr()))
		a := d.rpc(echoService, "echo", `["x"]`)
		if failed {
			a.problem(http.StatusInternalServerError)
		} else {
			a.want(http.StatusOK, `"x"`)
		}
		for name, values := range a.header {
			switch name {
			case "Date", "Content-Type", "Content-Length", "Motan-Pt", "Motan-Rid":
			case "Motan-Meta-X-Forwarded-For":
			case "Motan-Meta-A":
				if want := "b Set-Cookie: a=b"; values[0] != want {
					t.Errorf("%s: got %q, want %q", name, values[0], want)
				}
			case "Motan-Meta-Zero", "Motan-Meta-Set-Cookie":
			default:
				t.Errorf("header %s: %q came out of a reply's metadata", name, values)
			}
		}
	}
}

// TestRPCRequestInjection puts what would be more metadata into headers and names. Nothing of it goes out.
func TestRPCRequestInjection(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	target := "/rpc/" + echoService + "/echo"
	for _, line := range []string{
		"Motan-Meta-a: b\x00c", "Motan-Meta-a: \x01", "Motan-Meta-a: b\rM_g", "Motan-Meta-a b: c", "Motan-Meta-: c", "MOTAN-g: a\x0bb",
		"Motan-Meta-a : c", "Motan-Meta-a: b\n M_p",
	} {
		c := dialWeb(t, d.addr("http"))
		c.write(httpText("POST", target, `["x"]`, line))
		c.answer().problem(http.StatusBadRequest)
	}
	for _, raw := range provider.Frames() {
		t.Errorf("went out: %q", motantest.Metadata(frame(t, raw)))
	}
	for _, line := range []string{"MOTAN-e: {}", "MOTAN-p: other", "MOTAN-m: other", "MOTAN-fws: y", "M_p: other"} {
		n := len(provider.Frames())
		c := dialWeb(t, d.addr("http"))
		c.write(httpText("POST", target, `["x"]`, line))
		c.answer().want(http.StatusOK, `"x"`)
		got := motantest.Metadata(frame(t, provider.Await(n + 1)[n]))
		if got["M_p"] != echoService || got["M_m"] != "echo" || got["M_e"] != "" || got["M_fws"] != "" {
			t.Errorf("%s: the provider got %q", line, got)
		}
	}
}
