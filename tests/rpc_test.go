package tests

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

const echoService = "com.example.Echo"

// bodyBack answers with the body of the request, and no metadata.
func bodyBack(request *motan.Frame) *motan.Frame {
	reply := new(motan.Frame)
	reply.SetSerialization(request.Serialization())
	reply.SetBody(request.Body())
	return reply
}

// startPair runs two motands as two hosts would: calls for the service go in at a, out to the export port
// of b, and to the provider.
func startPair(t testing.TB, service, provider string) (a, b *daemon) {
	t.Helper()
	_, port, _ := strings.Cut(provider, ":")
	b = startMotand(t, agentYAML+`
motan-registry:
  none: {protocol: local}
motan-service:
  one:
    path: `+service+`
    group: demo
    protocol: motan2
    provider: motan2
    proxy: motan2:`+port+`
    export: motan2:{{.export}}
    registry: none
    requestTimeout: 30000
`)
	return startMotand(t, outboundYAML(service, b.addr("export"))), b
}

// valueTests are argument lists in JSON, what a provider must get (motan protocol, section 3.2), and what
// comes back from one that answers with what it got.
var valueTests = []struct{ name, arguments, simple, answer string }{
	{"no argument", `[]`, "", `null`},
	{"null", `[null]`, "00", `null`},
	{"true", `[true]`, "0501", `true`},
	{"string", `["hello"]`, "010000000568656c6c6f", `"hello"`},
	{"empty string", `[""]`, "0100000000", `""`},
	{"int", `[7]`, "090e", `7`},
	{"beyond 53 bits", `[9007199254740993]`, "098280808080808020", `9007199254740993`},
	{"largest int", `[9223372036854775807]`, "09feffffffffffffffff01", `9223372036854775807`},
	{"smallest int", `[-9223372036854775808]`, "09ffffffffffffffffff01", `-9223372036854775808`},
	{"float", `[-1.5]`, "0bbff8000000000000", `-1.5`},
	{"float without fraction", `[1.0]`, "0b3ff0000000000000", `1.0`},
	{"unicode", `["é漢😀"]`, "0100000009c3a9e6bca2f09f9880", `"é漢😀"`},
	{"escaped", `["\u00e9\u6f22\ud83d\ude00"]`, "0100000009c3a9e6bca2f09f9880", `"é漢😀"`},
	{"control characters", `["\u0000\n\""]`, "0100000003000a22", `"\u0000\n\""`},
	{"markup", `["<b>&\u2028"]`, "01000000073c623e26e280a8", "\"<b>&\u2028\""},
	{"bytes", `[{"$bytes":"AQL/"}]`, "03000000030102ff", `{"$bytes":"AQL/"}`},
	{"int32", `[{"$type":"int32","value":300}]`, "08d804", `300`},
	{"map of strings", `[{"name":"ray"}]`, "020000000f000000046e616d6500000003726179", `{"name":"ray"}`},
	{"map", `[{"n":1}]`, "140000000801000000016e0902", `{"n":1}`},
	{"empty map", `[{}]`, "1400000000", `{}`},
	{"list of strings", `[["a","bc"]]`, "040000000b0000000161000000026263", `["a","bc"]`},
	{"list", `[[1,2,3]]`, "1500000006090209040906", `[1,2,3]`},
	{"empty list", `[[]]`, "1500000000", `[]`},
	{"null in a list", `[[null,"a"]]`, "150000000700010000000161", `[null,"a"]`},
	{"null in a map", `[{"a":null}]`, "140000000701000000016100", `{"a":null}`},
	{"nested", `[{"a":[{"b":[[],{}]}]}]`, "", `{"a":[{"b":[[],{}]}]}`},
	{"number as a name", `[{"1":"x"}]`, "020000000a00000001310000000178", `{"1":"x"}`},
}

// TestRPCValues sends each value over HTTP through one motand and through two.
func TestRPCValues(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	far, _ := startPair(t, echoService, provider.Addr())
	for way, d := range map[string]*daemon{"one": startMotand(t, outboundYAML(echoService, provider.Addr())), "two": far} {
		for _, tt := range valueTests {
			t.Run(way+"/"+tt.name, func(t *testing.T) {
				n := len(provider.Frames())
				d.rpc(echoService, "echo", tt.arguments).want(http.StatusOK, tt.answer)
				want, err := hex.DecodeString(strings.ReplaceAll(tt.simple, " ", ""))
				if err != nil {
					t.Fatal(err)
				}
				got := frame(t, provider.Await(n + 1)[n])
				if (len(want) > 0 || tt.arguments == "[]") && !bytes.Equal(got.Body(), want) {
					t.Errorf("the provider got % x, want % x", got.Body(), want)
				}
				if got.Serialization() != motan.SerializeSimple {
					t.Errorf("serialization: got %d, want simple", got.Serialization())
				}
			})
		}
	}
}

// TestRPCArguments sends several arguments, a large one, and JSON under the content types that programs send.
func TestRPCArguments(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	d.rpc(echoService, "echo", `["jack",{"$type":"int32","value":18},["a"],null]`)
	want := "01000000046a61636b" + "0824" + "04000000050000000161" + "00"
	if got := hex.EncodeToString(frame(t, provider.Await(1)[0]).Body()); got != want {
		t.Errorf("the provider got %s, want %s", got, want)
	}
	d.rpc(echoService, "echo", `{"a":1}`).want(http.StatusOK, `{"a":1}`) // what is no array is the one argument
	large := `"` + strings.Repeat("漢", 350_000) + `"`
	d.rpc(echoService, "echo", "["+large+"]").want(http.StatusOK, large)
	for _, kind := range []string{"application/json", "application/json; charset=utf-8", "TEXT/JSON", "application/problem+json", "application/x-www-form-urlencoded"} {
		ask(t, http.MethodPost, d.url("http", "/rpc/"+echoService+"/echo"), `["x"]`, "Content-Type", kind).want(http.StatusOK, `"x"`)
	}
	ask(t, http.MethodPost, d.url("http", "/rpc/"+echoService+"/echo"), `["x"]`).want(http.StatusOK, `"x"`)
}

// TestRPCRefusesValues holds that what Motan cannot carry is refused with its place, and does not go out.
func TestRPCRefusesValues(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	tests := []struct{ name, arguments, want string }{
		{"65 bits", `[{"a":[1,18446744073709551616]}]`, "$[0].a[1]"},
		{"infinite", `[1,1e999]`, "$[1]"},
		{"half a surrogate", `["\ud800"]`, "$[0]"},
		{"not UTF-8", "[[\"\xff\"]]", "$[0][0]"},
		{"twice the same name", `[{"a":1,"a":2}]`, "$[0].a"},
		{"not base64", `[{"k":{"$bytes":"!"}}]`, "$[0].k"},
		{"out of range", `[{"$type":"int32","value":2147483648}]`, "$[0]"},
		{"too deep", strings.Repeat("[", 100) + strings.Repeat("]", 100), "$[0][0]"},
		{"cut off", `["a",`, "byte 5"},
		{"two documents", `["a"] ["b"]`, "byte 6"},
		{"no JSON", `hello`, "$"},
		{"unquoted", `[{a:1}]`, "$[0]"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if x := d.rpc(echoService, "echo", tt.arguments).problem(http.StatusBadRequest); !strings.Contains(x.Message, tt.want) {
				t.Errorf("got message %q, want something with %q", x.Message, tt.want)
			}
		})
	}
	if n := len(provider.Frames()); n != 0 {
		t.Errorf("%d requests went out, want none", n)
	}
}

// TestRPCMetadata follows metadata from headers to the provider and back, through two motands.
func TestRPCMetadata(t *testing.T) {
	provider := motantest.NewServer(t, func(request *motan.Frame) *motan.Frame {
		reply := bodyBack(request)
		for _, pair := range [][2]string{{"x-Trace", "abc"}, {"M_pt", "7"}, {"unicode", "é"}, {"long", strings.Repeat("v", 4000)}} {
			reply.Set(pair[0], pair[1])
		}
		return reply
	})
	d, _ := startPair(t, echoService, provider.Addr())
	a := d.rpc(echoService, "echo", `["x"]`, "MOTAN-g", "demo", "motan-v", "1.0", "Motan-Tmo", "20000", "MOTAN-s", "shop", "MOTAN-rid", "42",
		"Motan-Meta-TraceId", "t1", "motan-meta-lower", "", "X-Other", "stays")
	a.want(http.StatusOK, `"x"`)
	got := motantest.Metadata(frame(t, provider.Await(1)[0]))
	for key, want := range map[string]string{
		"M_p": echoService, "M_m": "echo", "M_g": "demo", "M_v": "1.0", "M_s": "shop", "M_rid": "42", "TraceId": "t1",
		"X-Other": "", "Motan-Meta-TraceId": "", "Content-Type": "",
	} {
		if got[key] != want {
			t.Errorf("the provider got %s=%q, want %q", key, got[key], want)
		}
	}
	if n, err := strconv.Atoi(got["M_tmo"]); err != nil || n > 20000 || n <= 0 {
		t.Errorf("the provider got M_tmo=%q, want at most 20000", got["M_tmo"])
	}
	for name, want := range map[string]string{
		"Motan-Meta-X-Trace": "abc", "Motan-Pt": "7", "Motan-Meta-Unicode": "é", "Motan-Meta-Long": strings.Repeat("v", 4000),
	} {
		if got := a.header.Get(name); got != want {
			t.Errorf("header %s: got %q, want %q", name, cut(got), cut(want))
		}
	}
}

// TestRPCUnixSocket calls over the unix socket that replaces the HTTP port.
func TestRPCUnixSocket(t *testing.T) {
	need(t, "curl")
	provider := motantest.NewServer(t, bodyBack)
	d := startMotand(t, strings.Replace(outboundYAML(echoService, provider.Addr()), "hport: {{.http}}", `httpProxyUnixSock: "http.sock"`, 1))
	out := run(t, 0, d.dir, "curl", "-s", "--unix-socket", "http.sock", "-d", `["over a socket"]`, "http://localhost/rpc/"+echoService+"/echo")
	if want := `"over a socket"`; out != want {
		t.Errorf("got %s, want %s", out, want)
	}
	d.Stop()
	if found, _ := filepath.Glob(filepath.Join(d.dir, "http.sock")); len(found) > 0 {
		t.Error("the socket is still there after motand has ended")
	}
}

// TestProxyToRPC holds motan-go's way in: parameters in, text out (motan protocol, section 7.3 a).
func TestProxyToRPC(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	far, _ := startPair(t, echoService, provider.Addr())
	good := "service=" + echoService + "&method=hello&group=demo&arg_type=string&arg=a%26b%20%C3%A9"
	tests := []struct {
		name, method, query, form string
		status                    int
		want                      string
	}{
		{"query", "GET", good, "", 200, "a&b é"},
		{"form", "POST", "", good, 200, "a&b é"},
		{"both", "POST", "service=" + echoService + "&method=hello", "group=demo&arg_type=string&arg=x", 200, "x"},
		{"no argument", "GET", "service=" + echoService + "&method=hello&arg_type=string", "", 200, ""},
		{"no service", "GET", "method=hello&arg_type=string", "", 400, "service: or method:hello musn't be empty"},
		{"other type", "GET", "service=s&method=m&arg_type=int", "", 400, "arg_type int not support now"},
		{"unknown service", "GET", "service=nope&method=m&arg_type=string", "", 502, "cluster not found. cluster: cluster not found. service: nope"},
		{"smuggled", "GET", "service=" + echoService + "&method=a%0AM_g%0Ax&arg_type=string", "", 400, "control characters"},
	}
	for way, d := range map[string]*daemon{"one": startMotand(t, outboundYAML(echoService, provider.Addr())), "two": far} {
		for _, tt := range tests {
			t.Run(way+"/"+tt.name, func(t *testing.T) {
				var headers []string
				if tt.form != "" {
					headers = []string{"Content-Type", "application/x-www-form-urlencoded"}
				}
				a := ask(t, tt.method, d.url("http", "/proxy_to_rpc?"+tt.query), tt.form, headers...)
				if a.status != tt.status || a.body != tt.want && (tt.status == 200 || !strings.Contains(a.body, tt.want)) {
					t.Errorf("got %d %q, want %d %q", a.status, a.body, tt.status, tt.want)
				}
				if kind := a.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
					t.Errorf("got Content-Type %q, want text/plain", kind)
				}
			})
		}
	}
}

// TestProxyToRPCMetadata holds that headers become attachments and attachments headers, as with motan-go,
// and that neither way anything of the connection or of Motan's own can be forged.
func TestProxyToRPCMetadata(t *testing.T) {
	provider := motantest.NewServer(t, func(request *motan.Frame) *motan.Frame {
		reply := bodyBack(request)
		for _, pair := range [][2]string{{"server-att", "sv"}, {"Transfer-Encoding", "chunked"}, {"Content-Length", "1"}, {"Connection", "close"}, {"bad name", "x"}, {"cr", "a\rSet-Cookie: b"}} {
			reply.Set(pair[0], pair[1])
		}
		return reply
	})
	d := startMotand(t, outboundYAML(echoService, provider.Addr()))
	a := ask(t, http.MethodGet, d.url("http", "/proxy_to_rpc?service="+echoService+"&method=hello&group=demo&arg_type=string&arg=jack"), "",
		"X-Att", "1", "M_e", `{"errcode":1}`, "M_p", "other.Service", "M_g", "other", "Connection", "keep-alive")
	if a.status != 200 || a.body != "jack" || a.header.Get("Server-Att") != "sv" {
		t.Errorf("got %d %q %v, want 200, jack and Server-Att: sv", a.status, a.body, a.header)
	}
	if a.header.Get("Set-Cookie") != "" || a.header.Get("Bad Name") != "" {
		t.Errorf("metadata of the reply became headers of its own: %v", a.header)
	}
	got := motantest.Metadata(frame(t, provider.Await(1)[0]))
	for key, want := range map[string]string{"M_p": echoService, "M_m": "hello", "M_g": "demo", "M_e": "", "X-Att": "1", "Connection": ""} {
		if got[key] != want {
			t.Errorf("the provider got %s=%q, want %q", key, got[key], want)
		}
	}
}

// frame decodes what motantest.Server has recorded.
func frame(t testing.TB, raw []byte) *motan.Frame {
	t.Helper()
	f := new(motan.Frame)
	if _, err := f.Decode(raw, len(raw)); err != nil {
		t.Fatal(fmt.Errorf("decode the frame % x: %w", raw[:min(len(raw), 64)], err))
	}
	return f
}
