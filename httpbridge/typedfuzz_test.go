package httpbridge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// FuzzTyped fills the places of a rule with whatever a caller sends, and reads whatever a web service answers. What an argument says
// stays in its place, a body is JSON, and a value is one that can be read.
func FuzzTyped(f *testing.F) {
	arguments := must(f, "a/../b?c#d", int64(7), map[string]any{"k\r\n": "v"}, []string{"x"}, nil)
	f.Add("/u/{0}/{id}", "id,query:q,body,header:X-A,name", "POST", arguments, []byte(`{"a":[1,2.5,null,"é"]}`), "java.util.Map")
	f.Add("/{method}", "", "GET", must(f, simple.StringMap{{Key: "a&b", Value: "c\x00"}}), []byte(`9223372036854775808`), "long")
	f.Add("/x", "body:a,body:b", "PUT", must(f, 1.5, []byte{0, 255}), []byte(`"text"`), "java.lang.String[]")
	f.Add("/{1}", "a,b", "DELETE", []byte{1, 0, 0}, []byte(`[[[[`), "int")
	f.Fuzz(func(t *testing.T, path, places, verb string, body, answer []byte, result string) {
		s := MethodSettings{Path: path, HTTPRequestMethod: verb, Result: result}
		if places != "" {
			s.Arguments = strings.Split(places, ",")
		}
		m, err := newTypedMethod(s)
		if err != nil {
			return
		}
		p := &Provider{settings: ProviderSettings{ProxyAddress: "h:1", ProxySchema: "http"}}
		c := motan.NewCall()
		defer c.Release()
		c.Request.Set("M_m", "m")
		x := &webExchange{provider: p, call: c, req: fasthttp.AcquireRequest(), resp: fasthttp.AcquireResponse()}
		defer x.release()
		conversion := conversions[motan.SerializeSimple]
		if value, err := conversion.AppendResult(nil, answer, result); err == nil {
			if err := simple.Valid(value); err != nil {
				t.Errorf("the value of %q as %q cannot be read: %v", answer, result, err)
			}
		}
		r := typedRequest{exchange: x, method: m}
		text, err := conversion.AppendArguments(nil, body)
		if err != nil {
			return
		}
		if err := json.Unmarshal(text, &r.arguments); err != nil {
			t.Fatalf("the arguments %q are no JSON list: %v", text, err)
		}
		if r.fill() != nil {
			return
		}
		uri := x.req.URI()
		uri.DisablePathNormalizing = true
		target, _, _ := strings.Cut(string(uri.RequestURI()), "?")
		if strings.Count(target, "/") != strings.Count(path, "/") || !isVisible([]byte(target)) || strings.ContainsAny(target, " #") {
			t.Errorf("the path %q has become %q", path, target)
		}
		if sent := x.req.Body(); len(sent) > 0 && !json.Valid(sent) {
			t.Errorf("the body is no JSON: %q", sent)
		}
		for name, value := range x.req.Header.All() {
			if !isToken(name) || !isVisible(value) {
				t.Errorf("got the header %q: %q", name, value)
			}
		}
	})
}
