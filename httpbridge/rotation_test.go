package httpbridge

import (
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/motand/motand/motan"
)

// TestRotation checks that calls go to each of several web services in turn, that those which cannot be reached cost no
// call, and that they are asked again later.
func TestRotation(t *testing.T) {
	named := func(name string) *web {
		return newWeb(t, func(out http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(out, name) })
	}
	a, b := named("a"), named("b")
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gone.Close()
	p := newProvider(t, ProviderSettings{Domain: "d", HTTPRequestMethod: "POST", ProxyAddress: a.host() + ", " + gone.Addr().String() + "," + b.host()})
	count := func(n int) map[string]int {
		got := map[string]int{}
		for range n {
			c := newCall(t, must(t, "body"), "M_m", "/")
			motan.Do(p, c)
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			got[string(c.Reply.Body()[valueBytes:])]++
		}
		return got
	}
	if got := count(12); got["a"] < 4 || got["b"] < 4 {
		t.Errorf("got %v of 12 calls, want them shared", got)
	}
	absent := p.proxy.(*rotation).members[1]
	if absent.failures.Load() != 1 || absent.until.Load() <= motan.Now() {
		t.Errorf("got %d attempts at the one that is gone, want one, and then a pause", absent.failures.Load())
	}
	a.Close()
	if got := count(6); got["b"] != 6 {
		t.Errorf("with one left: got %v", got)
	}
	b.Close()
	c := newCall(t, must(t, "body"), "M_m", "/")
	motan.Do(p, c)
	checkFailed(t, c, motan.KindUnavailable, 503, "cannot be reached")
	l, err := net.Listen("tcp", gone.Addr().String())
	if err != nil {
		t.Skipf("the port is taken: %v", err)
	}
	back := &http.Server{Handler: http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(out, "back") })}
	go func() { _ = back.Serve(l) }() // ends with back
	defer back.Close()                //nolint:errcheck // the test is over
	if got := count(3); got["back"] != 3 {
		t.Errorf("all were in a pause: got %v, want the one that is back", got)
	}
}
