package httpbridge

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sort"
	"strings"
	"testing"
)

// web is a web service that keeps what it was asked.
type web struct {
	*httptest.Server
	asked  chan string
	answer http.HandlerFunc // nil answers as the captured one
}

func newWeb(t testing.TB, answer http.HandlerFunc) *web {
	t.Helper()
	w := &web{asked: make(chan string, 100), answer: answer}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

// ServeHTTP answers as the web service of the capture did.
func (w *web) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	w.asked <- dump(r, body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if w.answer != nil {
		w.answer(out, r)
		return
	}
	out.Header().Set("Content-Type", "text/plain; charset=utf-8")
	out.Header().Set("X-Web", "1")
	if r.URL.Path == "/api/err" {
		out.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(out, "webbody") // a client that went away shows in the test itself
}

// dump writes a request as the capture has it: headers sorted.
func dump(r *http.Request, body []byte) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n", r.Method, r.URL.RequestURI(), r.Host)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	sort.Strings(names)
	for _, name := range names {
		for _, value := range r.Header[name] {
			fmt.Fprintf(&b, "%s: %s\r\n", name, value)
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.String()
}

func (w *web) host() string { return w.Listener.Addr().String() }

// last is the one request that came.
func (w *web) last(t *testing.T) string {
	t.Helper()
	select {
	case got := <-w.asked:
		return got
	default:
		t.Fatal("the web service was not asked")
		return ""
	}
}
