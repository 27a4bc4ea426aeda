package httpbridge

import (
	"bytes"
	"compress/gzip"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan/simple"
)

// gzipped is text compressed.
func gzipped(t testing.TB, text string) string {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// sent is a request with a body of the type.
func sent(contentType, body string, lines ...string) string {
	return strings.Replace(post("/rpc/s/m", body, lines...), "application/json", contentType, 1)
}

const typeForm = "application/x-www-form-urlencoded"

// catalog is services by name.
type catalog map[string]*Service

func (c catalog) Service(name []byte) *Service { return c[string(name)] }

func (c catalog) Services() (all []*Service) {
	for _, s := range c {
		all = append(all, s)
	}
	return all
}

var testCatalog = catalog{"s": {Name: "s", Get: []string{"m", "typed"}, Methods: map[string][]Method{
	"typed":      {{Name: "typed", Signature: "int,java.lang.String"}},
	"overloaded": {{Name: "overloaded", Signature: "int"}, {Name: "overloaded", Signature: "long"}},
}}}

// TestArguments checks which arguments a call has from each kind of body and query.
func TestArguments(t *testing.T) {
	get := func(target string, lines ...string) string {
		return "GET " + target + " HTTP/1.1\r\nHost: x\r\n" + strings.Join(append(lines, ""), "\r\n") + "\r\n"
	}
	tests := []struct {
		name, raw string
		args      []any
	}{
		{"form", sent(typeForm, "a=1&b=x+y%26"), []any{simple.StringMap{{Key: "a", Value: "1"}, {Key: "b", Value: "x y&"}}}},
		{"form of arg", sent(typeForm, "arg=1&arg=%E4%BD%A0"), []any{"1", "你"}},
		{"form with charset", sent(typeForm+"; charset=utf-8", "a="), []any{simple.StringMap{{Key: "a", Value: ""}}}},
		{"curl -d 5", sent(typeForm, "5"), []any{int64(5)}},
		{"bytes", sent("application/octet-stream", "\x00\xff"), []any{[]byte{0, 255}}},
		{"gzip", sent("application/json", gzipped(t, `["a"]`), "Content-Encoding: gzip"), []any{"a"}},
		{"form in gzip", sent(typeForm, gzipped(t, `a=b`), "Content-Encoding: GZIP"), []any{simple.StringMap{{Key: "a", Value: "b"}}}},
		{"signature", post("/rpc/s/m", `[5,"x"]`, "MOTAN-md: int,java.lang.String"), []any{int32(5), "x"}},
		{"signature and form", sent(typeForm, "arg=5&arg=x", "MOTAN-md: int,java.lang.String"), []any{int32(5), "x"}},
		{"signature of one map and form", sent(typeForm, "n=5", "MOTAN-md: java.util.Map"), []any{simple.StringMap{{Key: "n", Value: "5"}}}},
		{"signature of the catalog", post("/rpc/s/typed", `[5,"x"]`), []any{int32(5), "x"}},
		{"the caller's signature wins", post("/rpc/s/typed", `[5,"x"]`, "MOTAN-md: long,java.lang.String"), []any{int64(5), "x"}},
		{"overloaded", post("/rpc/s/overloaded", `[5]`), []any{int64(5)}},
		{"query", get("/rpc/s/m?a=1&b=x"), []any{simple.StringMap{{Key: "a", Value: "1"}, {Key: "b", Value: "x"}}}},
		{"query of arg", get("/rpc/s/m?arg=1&arg="), []any{"1", ""}},
		{"no query", get("/rpc/s/m"), nil},
		{"typed query", get("/rpc/s/typed?arg=5&arg=x"), []any{int32(5), "x"}},
		{"query with a signature", get("/rpc/s/m?arg=true", "MOTAN-md: boolean"), []any{true}},
		{"address typed into a browser", get("/rpc/s/m", "Sec-Fetch-Site: none"), nil},
	}
	r := record(reply(nil))
	l := serve(t, &Server{Handler: r, Catalog: testCatalog})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ask(t, l.Dial, tt.raw); got.status != 200 {
				t.Fatalf("got %d %s, want 200", got.status, got.body)
			}
			if got, want := r.last(t).body, must(t, tt.args...); got != string(want) {
				t.Errorf("got %x, want %x", got, want)
			}
		})
	}
	t.Run("the signature goes along", func(t *testing.T) {
		ask(t, l.Dial, post("/rpc/s/typed", `[5,"x"]`))
		if got := r.last(t).meta; got["M_md"] != "int,java.lang.String" {
			t.Errorf("got %v, want M_md", got)
		}
	})
}

// TestArgumentsRefused checks what is no call.
func TestArgumentsRefused(t *testing.T) {
	many := strings.Repeat("a=1&", maxFields)
	get := "GET /rpc/s/m?%s HTTP/1.1\r\nHost: x\r\n\r\n"
	tests := []struct {
		name, raw string
		status    int
		message   string
	}{
		{"multipart", sent("multipart/form-data; boundary=x", "--x--"), 415, "$bytes"},
		{"multipart without a name", sent("Multipart/", ""), 415, "Content-Type"},
		{"both kinds of fields", sent(typeForm, "arg=1&a=2"), 400, "beside arg"},
		{"a field twice", sent(typeForm, "a=1&a=2"), 400, "twice"},
		{"not UTF-8", sent(typeForm, "a=%ff"), 400, "UTF-8"},
		{"arg not UTF-8", sent(typeForm, "arg=%ff"), 400, "UTF-8"},
		{"too many fields", sent(typeForm, many), 413, "1000"},
		{"too many in a query", strings.Replace(get, "%s", many, 1), 413, "1000"},
		{"named fields for several parameters", sent(typeForm, "a=1", "MOTAN-md: int,int"), 400, "several parameters"},
		{"out of range", post("/rpc/s/m", `[1,9223372036854775808]`, "MOTAN-md: int,long"), 400, "$[1]"},
		{"out of range without a signature", post("/rpc/s/m", `[{"id":9223372036854775808}]`), 400, "$[0].id"},
		{"int out of range", post("/rpc/s/typed", `[2147483648,""]`), 400, "$[0] (byte 1): the number does not fit int"},
		{"text for an int", sent(typeForm, "arg=x&arg=y", "MOTAN-md: int,int"), 400, "$[0]"},
		{"GET where it is not allowed", "GET /rpc/s/other HTTP/1.1\r\nHost: x\r\n\r\n", 405, "httpGet"},
		{"GET of an unknown service", "GET /rpc/other/m HTTP/1.1\r\nHost: x\r\n\r\n", 405, "httpGet"},
		{"GET by a page", "GET /rpc/s/m HTTP/1.1\r\nHost: x\r\nSec-Fetch-Site: cross-site\r\n\r\n", 403, "web pages"},
		{"HEAD", "PUT /rpc/s/m HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 405, "POST"},
		{"other coding", sent("application/json", "[]", "Content-Encoding: br"), 415, "gzip"},
		{"broken gzip", sent("application/json", "xx", "Content-Encoding: gzip"), 400, "gzip"},
		{"a bomb", sent("application/json", gzipped(t, `"`+strings.Repeat("x", 1<<20)+`"`), "Content-Encoding: gzip"), 413, "65536"},
		{"two codings", sent("application/json", gzipped(t, "[]"), "Content-Encoding: gzip, gzip"), 415, "gzip"},
	}
	r := record(reply(nil))
	l := serve(t, &Server{Handler: r, Catalog: testCatalog, MaxBodySize: 1 << 16})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, ask(t, l.Dial, tt.raw), tt.status, tt.message)
			if len(r.got) > 0 {
				t.Errorf("a call was made: %v", r.last(t).meta)
			}
		})
	}
}

// TestHeaders checks the headers that become metadata beside MOTAN- and Motan-Meta-.
func TestHeaders(t *testing.T) {
	tests := []struct {
		name  string
		lines []string
		meta  map[string]string // what there is beside M_p, M_m, M_pp
	}{
		{"none", nil, map[string]string{"M_rid": "77"}},
		{"request id, a number", []string{"X-Request-Id: -5"}, map[string]string{"M_rid": "-5"}},
		{"request id, a text", []string{"x-request-id: a-1"}, map[string]string{"M_rid": "77", "X-Request-Id": "a-1"}},
		{"request id and MOTAN-rid", []string{"MOTAN-rid: 3", "X-Request-Id: a"}, map[string]string{"M_rid": "3", "X-Request-Id": "a"}},
		{"tracing", []string{"traceparent: 00-1-2-01", "Tracestate: a=b"}, map[string]string{"M_rid": "77", "traceparent": "00-1-2-01", "tracestate": "a=b"}},
		{"idempotency", []string{"idempotency-key: k"}, map[string]string{"M_rid": "77", "Idempotency-Key": "k"}},
		{"X-Timeout-Ms", []string{"X-Timeout-Ms: 250"}, map[string]string{"M_rid": "77", "M_tmo": "250"}},
		{"grpc, seconds", []string{"grpc-timeout: 2S"}, map[string]string{"M_rid": "77", "M_tmo": "2000"}},
		{"grpc, part of a millisecond", []string{"Grpc-Timeout: 1500u"}, map[string]string{"M_rid": "77", "M_tmo": "2"}},
		{"grpc, hours", []string{"grpc-timeout: 99999999H"}, map[string]string{"M_rid": "77", "M_tmo": "999999999"}},
		{"the shortest", []string{"MOTAN-tmo: 300", "grpc-timeout: 200m", "X-Timeout-Ms: 250"}, map[string]string{"M_rid": "77", "M_tmo": "200"}},
	}
	r := record(reply(nil))
	l := serve(t, &Server{Handler: r, RequestID: func() int64 { return 77 }})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, l.Dial, post("/rpc/s/m", `[]`, tt.lines...))
			if got.status != 200 {
				t.Fatalf("got %d %s, want 200", got.status, got.body)
			}
			if meta := without(r.last(t).meta, "M_p", "M_m", "M_pp"); !reflect.DeepEqual(meta, tt.meta) {
				t.Errorf("got %v, want %v", meta, tt.meta)
			}
			if id := tt.meta["M_rid"]; got.headers.Get("Motan-Rid") != id {
				t.Errorf("MOTAN-rid: got %q, want %q", got.headers.Get("Motan-Rid"), id)
			}
			if id, want := got.headers.Get("X-Request-Id"), tt.meta["X-Request-Id"]; id != want && id != tt.meta["M_rid"] {
				t.Errorf("X-Request-Id: got %q, want what was sent", id)
			}
		})
	}
	for name, line := range map[string]string{
		"no unit": "grpc-timeout: 100", "no number": "grpc-timeout: m", "zero": "grpc-timeout: 0m", "too long": "grpc-timeout: 123456789m", "other unit": "grpc-timeout: 1s",
		"no milliseconds": "X-Timeout-Ms: 1s", "minus": "MOTAN-tmo: -1", "long id": "X-Request-Id: " + strings.Repeat("x", maxRequestID+1), "control": "Idempotency-Key: \x01",
	} {
		t.Run(name, func(t *testing.T) {
			checkError(t, ask(t, l.Dial, post("/rpc/s/m", `[]`, line)), 400, "")
		})
	}
}

// TestLargeBodies checks that a megabyte arrives whole and that connections do not keep what was large.
func TestLargeBodies(t *testing.T) {
	r := record(echo)
	l := serve(t, &Server{Handler: r, GzipSize: 1000})
	text := strconv.Quote(strings.Repeat("x", 1<<20))
	for _, lines := range [][]string{nil, {"Accept-Encoding: gzip"}} {
		got := ask(t, l.Dial, post("/rpc/s/m", "["+text+"]", lines...))
		if got.status != 200 {
			t.Fatalf("got %d, want 200", got.status)
		}
		if lines != nil {
			z, err := gzip.NewReader(strings.NewReader(got.body))
			if err != nil {
				t.Fatal(err)
			}
			var plain bytes.Buffer
			if _, err := plain.ReadFrom(z); err != nil {
				t.Fatal(err)
			}
			got.body = plain.String()
		}
		if got.body != text {
			t.Errorf("%v: got %d bytes, want %d", lines, len(got.body), len(text))
		}
	}
}
