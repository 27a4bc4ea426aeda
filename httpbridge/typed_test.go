package httpbridge

import (
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// newTyped is a provider of a web service with one method m, called with the rule s.
func newTyped(t *testing.T, w *web, s MethodSettings) *Provider {
	t.Helper()
	return newProvider(t, ProviderSettings{ProxyAddress: w.host(), Methods: map[string]MethodSettings{"m": s}})
}

// TestTypedRequest checks where arguments go.
func TestTypedRequest(t *testing.T) {
	user := map[string]any{"name": "Ada", "age": int32(36)}
	tests := []struct {
		name string
		s    MethodSettings
		args []any
		want string // request line, headers of ours, body; parts with | between
	}{
		{"by number", MethodSettings{Path: "/users/{0}"}, []any{int64(7)}, "GET /users/7 |\r\n\r\n"},
		{"by name", MethodSettings{Path: "/u/{id}/x", Arguments: []string{"id", "limit"}}, []any{"a", int32(5)}, "GET /u/a/x?limit=5 |\r\n\r\n"},
		{"escaped", MethodSettings{Path: "/u/{0}"}, []any{"a/../b?c#d é"}, "GET /u/a%2F..%2Fb%3Fc%23d%20%C3%A9 |"},
		{"the method's name", MethodSettings{Path: "/rpc/{method}"}, nil, "GET /rpc/m "},
		{"query", MethodSettings{Path: "/f", Arguments: []string{"query:q", "query:tag", "query:none"}}, []any{"a&b", []string{"x", "y"}, nil}, "GET /f?q=a%26b&tag=x&tag=y HTTP"},
		{"a map is the query", MethodSettings{Path: "/f"}, []any{map[string]any{"b": true, "a": 1.5}}, "GET /f?a=1.5&b=true HTTP"},
		{"header", MethodSettings{Path: "/f", Arguments: []string{"header:X-User"}}, []any{"a\r\nX-Evil: 1"}, "\r\nX-User: a  X-Evil: 1\r\n"},
		{"body", MethodSettings{Path: "/f", HTTPRequestMethod: "POST"}, []any{user}, "POST /f |Content-Type: application/json|\r\n\r\n" + `{"age":36,"name":"Ada"}`},
		{"several are an array", MethodSettings{Path: "/f", HTTPRequestMethod: "POST"}, []any{int64(1), "x", nil}, "\r\n\r\n" + `[1,"x",null]`},
		{"path and body", MethodSettings{Path: "/users/{0}", HTTPRequestMethod: "PUT"}, []any{int64(7), user}, "PUT /users/7 |\r\n\r\n" + `{"age":36,"name":"Ada"}`},
		{"members", MethodSettings{Path: "/f", HTTPRequestMethod: "POST", Arguments: []string{"name", "body:years", "query:dry"}}, []any{"Ada", int64(36), true}, "POST /f?dry=true |\r\n\r\n" + `{"name":"Ada","years":36}`},
		{"named body", MethodSettings{Path: "/{id}", HTTPRequestMethod: "PATCH", Arguments: []string{"body", "id"}}, []any{user, "9"}, "PATCH /9 |\r\n\r\n" + `{"age":36,"name":"Ada"}`},
		{"bytes", MethodSettings{Path: "/f", HTTPRequestMethod: "POST"}, []any{[]byte("hi")}, `{"$bytes":"aGk="}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWeb(t, func(http.ResponseWriter, *http.Request) {})
			c := newCall(t, must(t, tt.args...), "M_m", "m", "M_p", "com.x.S", "X-Trace", "t1")
			motan.Do(newTyped(t, w, tt.s), c)
			checkReply(t, c, must(t, nil))
			got := w.last(t)
			for part := range strings.SplitSeq(tt.want+"|\r\nMotan-P: com.x.S\r\n|\r\nX-Trace: t1\r\n|\r\nHost: 127.0.0.1:", "|") {
				if !strings.Contains(got, part) {
					t.Errorf("the web service got\n%q\nwithout %q", got, part)
				}
			}
			if !strings.Contains(tt.want, "Content-Type") && strings.HasPrefix(got, "GET") && strings.Contains(got, "Content-Type") {
				t.Errorf("a GET has a Content-Type: %q", got)
			}
		})
	}
}

// TestTypedResult checks what becomes of an answer.
func TestTypedResult(t *testing.T) {
	tests := []struct {
		name, result, kind, body string
		want                     any    // as simple decodes it
		fails                    string // part of the error instead
	}{
		{"object", "", "application/json", `{"id":7,"tags":["a"]}`, simple.Map{{Key: "id", Value: int64(7)}, {Key: "tags", Value: []string{"a"}}}, ""},
		{"int", "int", "application/json; charset=utf-8", ` 7 `, int32(7), ""},
		{"java.lang.Long", "java.lang.Long", "application/problem+json", `7`, int64(7), ""},
		{"null", "java.lang.Long", "application/json", `null`, nil, ""},
		{"nothing", "", "application/json", ``, nil, ""},
		{"text", "", "text/plain", `7 is "seven"`, `7 is "seven"`, ""},
		{"text as a string", "java.lang.String", "text/html", `<p>`, "<p>", ""},
		{"a list of strings", "java.lang.String[]", "application/json", `[]`, []string{}, ""},
		{"not of the type", "int", "application/json", `"seven"`, nil, "not the value that the method returns"},
		{"too large for the type", "int", "application/json", `3000000000`, nil, "not the value that the method returns"},
		{"not JSON", "", "application/json", `{oops`, nil, "not the value that the method returns"},
		{"text instead of a number", "int", "text/html", `<p>`, nil, "not the value that the method returns"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newWeb(t, func(out http.ResponseWriter, _ *http.Request) {
				out.Header().Set("Content-Type", tt.kind)
				_, _ = io.WriteString(out, tt.body)
			})
			c := newCall(t, nil, "M_m", "m")
			motan.Do(newTyped(t, w, MethodSettings{Path: "/", Result: tt.result}), c)
			if tt.fails != "" {
				checkFailed(t, c, motan.KindBroken, 503, tt.fails)
				return
			}
			checkReply(t, c, must(t, tt.want))
			if got := string(c.Reply.Get("upstreamCode")); got != "200" {
				t.Errorf("got upstreamCode %q", got)
			}
		})
	}
	t.Run("status", func(t *testing.T) {
		w := newWeb(t, func(out http.ResponseWriter, _ *http.Request) {
			http.Error(out, `{"error":"no such user"}`, http.StatusNotFound)
		})
		c := newCall(t, nil, "M_m", "m")
		motan.Do(newTyped(t, w, MethodSettings{Path: "/"}), c)
		if x, ok := c.Reply.Exception(); !ok || x.Code != 404 || x.Type != motan.TypeBiz || x.Message != "{\"error\":\"no such user\"}\n" {
			t.Errorf("got %v %+v, want the 404 as an exception", c.Err, x)
		}
	})
}

// TestTypedRefused checks arguments that do not fit the rule: the web service is not asked.
func TestTypedRefused(t *testing.T) {
	w := newWeb(t, nil)
	list := []any{int64(1)}
	tests := []struct {
		name string
		s    MethodSettings
		args []any
		want string
	}{
		{"missing", MethodSettings{Path: "/u/{0}"}, nil, "argument 0 is missing"},
		{"null in the path", MethodSettings{Path: "/u/{0}"}, []any{nil}, "a part of the path would be"},
		{"empty", MethodSettings{Path: "/u/{0}/x"}, []any{""}, "a part of the path would be"},
		{"dots", MethodSettings{Path: "/u/{0}/x"}, []any{".."}, "a part of the path would be"},
		{"a list in the path", MethodSettings{Path: "/u/{0}"}, []any{list}, "cannot be a part of the path"},
		{"a map in the query", MethodSettings{Path: "/", Arguments: []string{"query:q"}}, []any{map[string]any{"a": list}}, "cannot be a parameter"},
		{"a list in a header", MethodSettings{Path: "/", Arguments: []string{"header:X-Q"}}, []any{list}, "cannot be a header"},
		{"one too many", MethodSettings{Path: "/{a}", Arguments: []string{"a"}}, []any{"x", "y"}, "takes 1 arguments, got 2"},
		{"no place in a GET", MethodSettings{Path: "/"}, []any{int64(7)}, "takes a map for its query"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, must(t, tt.args...), "M_m", "m")
			motan.Do(newTyped(t, w, tt.s), c)
			checkFailed(t, c, motan.KindBadRequest, 400, tt.want)
		})
	}
	t.Run("another serialization", func(t *testing.T) {
		c := newCall(t, []byte{1}, "M_m", "m")
		c.Request.SetSerialization(motan.SerializeBreeze)
		motan.Do(newTyped(t, w, MethodSettings{Path: "/"}), c)
		checkFailed(t, c, motan.KindBadRequest, 400, "serialization 8")
	})
	if len(w.asked) > 0 {
		t.Errorf("the web service was asked: %q", <-w.asked)
	}
}

// TestTypedMethods checks which methods are typed: those with a rule, or all with a default; whole HTTP requests never are.
func TestTypedMethods(t *testing.T) {
	w := newWeb(t, nil)
	p := newProvider(t, ProviderSettings{ProxyAddress: w.host(), Domain: "d", Methods: map[string]MethodSettings{"get": {Path: "/typed"}}})
	c := newCall(t, nil, "M_m", "/other")
	motan.Do(p, c)
	checkReply(t, c, must(t, []byte("webbody")))
	c = newCall(t, nil, "M_m", "get")
	motan.Do(p, c)
	checkReply(t, c, must(t, "webbody"))
	c = newCall(t, must(t, []byte("GET /get HTTP/1.1\r\nHost: h\r\n\r\n"), []byte(nil)), "M_m", "get", "HTTP_PROXY", "true")
	motan.Do(p, c)
	rawParts(t, c)
	all := newProvider(t, ProviderSettings{ProxyAddress: w.host(), Methods: map[string]MethodSettings{"": {Path: "/rpc/{method}"}}})
	c = newCall(t, nil, "M_m", "a/b")
	motan.Do(all, c)
	checkReply(t, c, must(t, "webbody"))
	var got string
	for range 4 {
		got = w.last(t)
	}
	if !strings.HasPrefix(got, "GET /rpc/a%2Fb HTTP/1.1") {
		t.Errorf("got %q, want the method's name in its place", got)
	}
}

func TestNewTypedMethodErrors(t *testing.T) {
	tests := []struct {
		name string
		s    MethodSettings
		want string
	}{
		{"no slash", MethodSettings{Path: "x"}, "must begin with /"},
		{"query", MethodSettings{Path: "/x?y"}, "must begin with /"},
		{"open", MethodSettings{Path: "/{x"}, "has no }"},
		{"unknown", MethodSettings{Path: "/{x}"}, "{x} is neither"},
		{"beyond the list", MethodSettings{Path: "/{1}", Arguments: []string{"a"}}, "{1} is neither"},
		{"verb", MethodSettings{Path: "/", HTTPRequestMethod: "G T"}, "HTTP_REQUEST_METHOD"},
		{"place", MethodSettings{Path: "/", Arguments: []string{"cookie:a"}}, `"cookie:a" is none of`},
		{"a header of the connection", MethodSettings{Path: "/", Arguments: []string{"header:te"}}, "not for arguments"},
		{"body of a GET", MethodSettings{Path: "/", Arguments: []string{"body"}}, "has no body"},
		{"two bodies", MethodSettings{Path: "/", HTTPRequestMethod: "POST", Arguments: []string{"body", "body"}}, "not both"},
		{"body and members", MethodSettings{Path: "/", HTTPRequestMethod: "POST", Arguments: []string{"body", "a"}}, "not both"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewProvider(ProviderSettings{ProxyAddress: "h:1", Methods: map[string]MethodSettings{"m": tt.s}})
			if p != nil || err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), "method m") {
				t.Errorf("got %v, %v, want an error with %q", p, err, tt.want)
			}
		})
	}
	if _, err := NewProvider(ProviderSettings{URLFormat: "http://h/", Methods: map[string]MethodSettings{"m": {Path: "/"}}}); err == nil || !strings.Contains(err.Error(), "proxyAddress") {
		t.Errorf("without proxyAddress: got %v", err)
	}
}
