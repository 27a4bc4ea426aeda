package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
	"github.com/motand/motand/registry"
)

// watched counts what is watched in a registry, and tells nodes of the services that it serves.
type watched struct {
	addr string // of shop-api and shop-user

	mu      sync.Mutex
	begun   map[string]int // guarded by mu; by service
	ended   map[string]int // guarded by mu
	refused bool           // guarded by mu
}

func (w *watched) Watch(ctx context.Context, s registry.Service, update func([]registry.Node)) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.refused {
		return errors.New("no room")
	}
	w.begun[s.Path]++
	context.AfterFunc(ctx, func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.ended[s.Path]++
	})
	var nodes []registry.Node
	if strings.HasPrefix(s.Path, "shop-") {
		host, port, _ := strings.Cut(w.addr, ":")
		n := registry.Node{Service: s, Host: host, Available: true}
		n.Protocol = "motan2"
		for _, digit := range port {
			n.Port = 10*n.Port + int(digit-'0')
		}
		nodes = []registry.Node{n}
	}
	go update(nodes) // ends at once
	return nil
}

func (w *watched) Announce(context.Context, registry.Node) error { return nil }

func (w *watched) count(service string) (begun, ended int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.begun[service], w.ended[service]
}

const domainYAML = `motan-registry:
  watched: {protocol: watched, address: 127.0.0.1:1}
http-client:
  shop: {domain: Shop.example.com, group: web, registry: watched, protocol: motan2, requestTimeout: 20000, preload: shop-user}
http-locations:
  Shop.example.com:
    - {match: /user, upstream: shop-user}
    - {match: /api, upstream: shop-api}
    - {match: /none, upstream: nobody}
`

// shop runs an agent with a domain, whose services answer with "200" and their own name.
func shop(t *testing.T) (*running, *watched) {
	t.Helper()
	server := motantest.NewServer(t, func(r *motan.Frame) *motan.Frame {
		body, err := simple.Append(nil, []any{[]byte("HTTP/1.1 200 OK\r\n\r\n"), r.Service()})
		if err != nil {
			t.Error(err)
		}
		reply := new(motan.Frame)
		reply.SetSerialization(motan.SerializeSimple)
		reply.SetBody(body)
		return reply
	})
	w := &watched{addr: server.Addr(), begun: map[string]int{}, ended: map[string]int{}}
	x := Default()
	x.Registries["watched"] = func(*conf.Registry, RegistryEnv) (registry.Registry, error) { return w, nil }
	return start(t, parse(t, x, "", domainYAML), x), w
}

// get asks for a path of the domain.
func (r *running) get(path string) (status int, body string) {
	r.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "http://"+r.listeners.of("http")[0].Addr().String()+path, nil)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Host = "shop.example.com"
	client := http.Client{Timeout: motantest.Patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return response.StatusCode, string(text)
}

// A service that preload does not name is found when it is first asked for; one that nobody serves is watched once, however
// often it is asked for; and both are forgotten when nobody asks any more.
func TestDomainOnDemand(t *testing.T) {
	r, w := shop(t)
	motantest.Await(t, "the preloaded service to be watched", func() bool { begun, _ := w.count("shop-user"); return begun == 1 })
	if begun, _ := w.count("shop-api"); begun != 0 {
		t.Errorf("shop-api is watched before anybody asks for it")
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if status, body := r.get("/api/x"); status != 200 || body != "shop-api" {
				t.Errorf("got %d %q, want shop-api", status, body)
			}
			if status, body := r.get("/none"); status != 502 {
				t.Errorf("nobody: got %d %q, want 502", status, body)
			}
		})
	}
	all.Wait()
	if status, body := r.get("/user"); status != 200 || body != "shop-user" {
		t.Errorf("got %d %q, want shop-user", status, body)
	}
	for _, service := range []string{"shop-api", "shop-user", "nobody"} {
		if begun, ended := w.count(service); begun != 1 || ended != 0 {
			t.Errorf("%s: watched %d times, %d ended, want once", service, begun, ended)
		}
	}
	r.dropIdle(time.Hour)
	if begun, ended := w.count("nobody"); begun != 1 || ended != 0 {
		t.Errorf("nobody: %d watches, %d ended, want it to stay", begun, ended)
	}
	r.dropIdle(-time.Hour)
	for _, service := range []string{"shop-api", "nobody"} {
		motantest.Await(t, service+" to be forgotten", func() bool { _, ended := w.count(service); return ended == 1 })
	}
	if _, ended := w.count("shop-user"); ended != 0 {
		t.Error("the preloaded service is forgotten")
	}
	if status, body := r.get("/api/x"); status != 200 || body != "shop-api" {
		t.Errorf("again: got %d %q, want shop-api", status, body)
	}
}

// The services of a domain are not to be had by Motan calls, and a Motan refer of the same name is not its.
func TestDomainServicesAreItsOwn(t *testing.T) {
	r, _ := shop(t)
	if status, _ := r.get("/api/x"); status != 200 {
		t.Fatalf("got %d", status)
	}
	if x, failed := r.dial().Call(requestOf("shop-api")).Exception(); !failed || x.Code != 400 {
		t.Errorf("by Motan: got %+v, want cluster not found", x)
	}
}

// What was asked for outlives a reload that leaves its location, and goes with it.
func TestDomainReload(t *testing.T) {
	r, w := shop(t)
	if status, _ := r.get("/api/x"); status != 200 {
		t.Fatalf("got %d", status)
	}
	x := r.compiler.extensions
	if err := r.Reload(parse(t, x, "", domainYAML+"    - {match: /more, upstream: shop-more}\n")); err != nil {
		t.Fatal(err)
	}
	if status, body := r.get("/more"); status != 200 || body != "shop-more" {
		t.Errorf("the new location: got %d %q", status, body)
	}
	if begun, ended := w.count("shop-api"); begun != 1 || ended != 0 {
		t.Errorf("shop-api: watched %d times, %d ended, want it to be taken over", begun, ended)
	}
	if err := r.Reload(parse(t, x, "", strings.Replace(domainYAML, "upstream: shop-api", "upstream: shop-user", 1))); err != nil {
		t.Fatal(err)
	}
	if status, body := r.get("/api/x"); status != 200 || body != "shop-user" {
		t.Errorf("the changed location: got %d %q", status, body)
	}
	motantest.Await(t, "shop-api to be forgotten", func() bool { _, ended := w.count("shop-api"); return ended == 1 })
}

// A registry that refuses the watch is asked once in a while and not for each request.
func TestDomainRefused(t *testing.T) {
	r, w := shop(t)
	if status, body := r.get("/user"); status != 200 { // it serves
		t.Fatalf("got %d %q", status, body)
	}
	w.mu.Lock()
	w.refused = true
	w.mu.Unlock()
	if status, body := r.get("/api/x"); status != 502 || !strings.Contains(body, "no room") {
		t.Errorf("got %d %q, want 502 and the reason", status, body)
	}
	if status, body := r.get("/user"); status != 200 {
		t.Errorf("the other service: got %d %q", status, body)
	}
}

// A Motan call may name the domain in the place of a service: its method is the path.
func TestDomainByMotan(t *testing.T) {
	r, _ := shop(t)
	if status, _ := r.get("/user"); status != 200 { // it serves
		t.Fatalf("got %d", status)
	}
	call := func(service, path string) *motan.Frame {
		return r.dial().Call(motantest.Request(service, path, nil))
	}
	reply := call("shop.example.com", "/api/x")
	if x, failed := reply.Exception(); failed || !strings.Contains(string(reply.Body()), "shop-api") {
		t.Errorf("got %q %+v, want shop-api", reply.Body(), x)
	}
	if x, failed := call("other.example.com", "/api/x").Exception(); !failed || x.Code != 400 {
		t.Errorf("another domain: got %+v, want cluster not found", x)
	}
}

// Calls that name the domain are answered by its site, over plain HTTP, where no location matches, nobody serves the location's
// service, or every node of it refuses connections; and so are HTTP requests. A call that was sent is not sent to the site.
func TestDomainSite(t *testing.T) {
	asked := make(chan string, 100)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked <- r.RequestURI
		w.Header().Set("X-Site", "yes")
		_, _ = fmt.Fprintf(w, "%s %s %s", r.Method, r.RequestURI, body)
	}))
	defer site.Close()
	domain := strings.Replace(site.Listener.Addr().String(), "127.0.0.1", "localhost", 1)
	breaks, err := net.Listen("tcp", "127.0.0.1:0") // takes calls and answers none
	if err != nil {
		t.Fatal(err)
	}
	defer breaks.Close()
	go func() { // ends with the listener
		for {
			conn, err := breaks.Accept()
			if err != nil {
				return
			}
			_, _ = conn.Read(make([]byte, 1))
			conn.Close()
		}
	}()
	allowed := `httpProxyAllow: "` + domain + "\"\n"
	yaml := `
motan-registry:
  none: {protocol: direct, address: 127.0.0.1:1}
  breaks: {protocol: direct, address: "` + breaks.Addr().String() + `"}
http-client:
  site: {domain: "` + domain + `", group: web, registry: none, protocol: motan2, requestTimeout: 20000, preload: gone}
  other: {domain: other.example.com, group: web, registry: breaks, protocol: motan2, requestTimeout: 20000, preload: broken}
http-locations:
  "` + domain + `":
    - {match: /gone, upstream: gone}
  other.example.com:
    - {match: /, upstream: broken}
`
	r := start(t, parse(t, Default(), allowed, yaml), Default())
	argument, err := simple.Append(nil, simple.StringMap{{Key: "a", Value: "b c"}})
	if err != nil {
		t.Fatal(err)
	}
	for path, metadata := range map[string][]string{"/elsewhere": {"HTTP_Method", "POST"}, "/gone/x": nil} {
		reply := r.dial().Call(motantest.Request(domain, path, argument, metadata...))
		want := "GET " + path + "?a=b+c "
		if metadata != nil {
			want = "POST " + path + " a=b+c"
		}
		_, body, _, err := simple.Split(reply.Body())
		if err != nil || string(body) != want || string(reply.Get("upstreamCode")) != "200" || string(reply.Get("X-Site")) != "yes" {
			t.Errorf("%s: got %q %v %v, want %q", path, body, err, motantest.Metadata(reply), want)
		}
	}
	if n := len(asked); n != 2 {
		t.Errorf("the site was asked %d times, want 2", n)
	}
	if x, failed := r.dial().Call(motantest.Request("other.example.com", "/x", nil)).Exception(); !failed || len(asked) != 2 {
		t.Errorf("a call that was sent: got %+v, and the site was asked %d times, want 2", x, len(asked))
	}
	x := r.compiler.extensions
	if err := r.Reload(parse(t, x, allowed+"httpProxyForward: off\n", yaml)); err != nil {
		t.Fatal(err)
	}
	if x, failed := r.dial().Call(motantest.Request(domain, "/elsewhere", nil)).Exception(); !failed || x.Code != 503 || !strings.Contains(x.Message, "httpProxyForward") {
		t.Errorf("switched off: got %+v", x)
	}
}
