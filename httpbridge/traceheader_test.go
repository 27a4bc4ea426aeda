package httpbridge

import (
	"maps"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

const parentOfTests = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

// A trace comes in by headers in any case and becomes metadata in lower case, whichever way in.
func TestTraceComesIn(t *testing.T) {
	headers := []string{
		"TraceParent: " + parentOfTests, "tracestate: a=1,b=2", "B3: 0", "X-B3-TraceId: 463ac35c9f6413ad48485a3953bb6124",
		"X-B3-SpanId: a2fb4a1d1a96d312", "X-B3-ParentSpanId: 0020000000000001", "x-b3-sampled: 1", "X-B3-Flags: 1", "X-B3-Other: 1",
	}
	want := map[string]string{
		"traceparent": parentOfTests, "tracestate": "a=1,b=2", "b3": "0", "x-b3-traceid": "463ac35c9f6413ad48485a3953bb6124",
		"x-b3-spanid": "a2fb4a1d1a96d312", "x-b3-parentspanid": "0020000000000001", "x-b3-sampled": "1", "x-b3-flags": "1",
	}
	r := record(reply(must(t, "x")))
	l := serve(t, &Server{Handler: r})
	for name, raw := range map[string]string{
		"rpc":          post("/rpc/s/m", `[]`, headers...),
		"proxy_to_rpc": post("/proxy_to_rpc?service=s&method=m&group=g&arg_type=string&arg=a", ``, headers...),
	} {
		t.Run(name, func(t *testing.T) {
			if got := ask(t, l.Dial, raw); got.status != 200 {
				t.Fatalf("got %d %s, want 200", got.status, got.body)
			}
			got := maps.Clone(r.last(t).meta)
			maps.DeleteFunc(got, func(key, _ string) bool { return traceKey([]byte(key)) != key })
			if !maps.Equal(got, want) {
				t.Errorf("got %v, want %v", got, want)
			}
		})
	}
}

// What is too long is left out; the call is made.
func TestTraceTooLong(t *testing.T) {
	r := record(reply(nil))
	l := serve(t, &Server{Handler: r})
	raw := post("/rpc/s/m", `[]`, "tracestate: a="+strings.Repeat("x", traceValueBytes), "traceparent: "+parentOfTests)
	if got := ask(t, l.Dial, raw); got.status != 200 {
		t.Fatalf("got %d %s, want 200", got.status, got.body)
	}
	got := r.last(t).meta
	if got["traceparent"] != parentOfTests || got["tracestate"] != "" {
		t.Errorf("got traceparent %q and tracestate %q, want the first alone", got["traceparent"], got["tracestate"])
	}
}

// A web service gets the trace of the call, also where it gets a whole request of an older one.
func TestTraceGoesOut(t *testing.T) {
	w := newWeb(t, nil)
	for name, tt := range map[string]struct {
		settings ProviderSettings
		args     []any
		more     []string
	}{
		"converted":   {ProviderSettings{ProxyAddress: w.host(), Domain: "d"}, nil, nil},
		"URL format":  {ProviderSettings{URLFormat: "http://" + w.host() + "/%s"}, nil, nil},
		"transparent": {ProviderSettings{ProxyAddress: w.host()}, []any{[]byte("GET /m HTTP/1.1\r\nHost: h\r\ntraceparent: 00-old\r\n\r\n"), []byte{}}, []string{"HTTP_PROXY", "true"}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newProvider(t, tt.settings)
			c := newCall(t, must(t, tt.args...), append([]string{"M_m", "/m", "traceparent", parentOfTests, "b3", "0"}, tt.more...)...)
			motan.Do(p, c)
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			got := w.last(t)
			for _, line := range []string{"Traceparent: " + parentOfTests + "\r\n", "B3: 0\r\n"} {
				if strings.Count(got, line) != 1 || strings.Contains(got, "00-old") {
					t.Errorf("the web service got\n%s\nwant %q once", got, line)
				}
			}
		})
	}
}
