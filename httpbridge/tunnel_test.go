package httpbridge

import (
	"bufio"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// tunnelTime is how long anything in these tests may take that is bound to happen.
const tunnelTime = time.Minute

// hostOf listens and hands out the connections that are made to it.
func hostOf(t *testing.T) (addr string, conns chan net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	conns = make(chan net.Conn, 64)
	accepting := make(chan struct{})
	go func() { // ends with the listener
		defer close(accepting)
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conns <- conn
		}
	}()
	t.Cleanup(func() {
		l.Close()
		<-accepting
		for close(conns); ; {
			conn, ok := <-conns
			if !ok {
				return
			}
			conn.Close()
		}
	})
	return l.Addr().String(), conns
}

// tunnelServer is a server whose forward proxy makes tunnels to what allow names.
func tunnelServer(t *testing.T, s ForwardSettings, allow ...string) (*Server, *Forward) {
	t.Helper()
	s.Tunnels.Allow = tunnelPatterns(t, allow...)
	s.Logger = slog.New(slog.DiscardHandler)
	f := NewForward(s)
	return &Server{Handler: motan.HandlerFunc(echo), Forward: f}, f
}

func tunnelPatterns(t *testing.T, all ...string) []TargetPattern {
	t.Helper()
	var patterns []TargetPattern
	for _, text := range all {
		p, err := ParseTunnel(text)
		if err != nil {
			t.Fatal(err)
		}
		patterns = append(patterns, p)
	}
	return patterns
}

// ends are both ends of a tunnel.
type ends struct {
	client net.Conn
	from   *bufio.Reader // of the client
	host   net.Conn
}

// tunnelTo makes a tunnel to host; early is sent right behind the request.
func tunnelTo(t *testing.T, network, proxy, host, before, early string, conns <-chan net.Conn) ends {
	t.Helper()
	conn, err := net.Dial(network, proxy)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(tunnelTime)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, before+"CONNECT "+host+" HTTP/1.1\r\nHost: x\r\n\r\n"+early); err != nil {
		t.Fatal(err)
	}
	e := ends{client: conn, from: bufio.NewReader(conn)}
	for range strings.Count(before, "HTTP/1.1") {
		resp, err := http.ReadResponse(e.from, nil)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
	}
	const want = "HTTP/1.1 200 Connection established\r\n\r\n"
	got := make([]byte, len(want))
	if _, err := io.ReadFull(e.from, got); err != nil || string(got) != want {
		t.Fatalf("got %q, %v, want %q", got, err, want)
	}
	e.host = <-conns
	if err := e.host.SetDeadline(time.Now().Add(tunnelTime)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.host.Close() })
	return e
}

// passes sends a text one way and checks that it comes.
func passes(t *testing.T, text string, from io.Writer, to io.Reader) {
	t.Helper()
	sent := make(chan error, 1)
	go func() { // ends when all is read, or by the deadline
		_, err := io.WriteString(from, text)
		sent <- err
	}()
	got := make([]byte, len(text))
	if _, err := io.ReadFull(to, got); err != nil || string(got) != text {
		t.Fatalf("got %.80q, %v, want %.80q", got, err, text)
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}

// TestTunnel sends whatever it likes through a tunnel, in both directions, over TCP and a unix socket. What one side ends the
// other may still answer.
func TestTunnel(t *testing.T) {
	host, conns := hostOf(t)
	big := strings.Repeat("\x16\x03\x01\x00 no HTTP\n", 100_000)
	const get = "GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
	for _, tt := range []struct{ name, network, before, early string }{
		{"plain", "tcp", "", ""},
		{"unix socket", "unix", "", ""},
		{"bytes right behind the request", "tcp", "", "\x16\x03\x01 early"},
		{"behind other requests", "tcp", get + get, "\x00early"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s, f := tunnelServer(t, ForwardSettings{}, host)
			path := filepath.Join(t.TempDir(), "http.sock")
			l, err := net.Listen(tt.network, map[string]string{"tcp": "127.0.0.1:0", "unix": path}[tt.network])
			if err != nil {
				t.Fatal(err)
			}
			serveOn(t, s, l)
			e := tunnelTo(t, tt.network, l.Addr().String(), host, tt.before, tt.early, conns)
			passes(t, tt.early, io.Discard, e.host)
			passes(t, "hello", e.client, e.host)
			passes(t, "GET /\nhi", e.host, e.from)
			passes(t, big, e.client, e.host)
			passes(t, big, e.host, e.from)
			if err := e.client.(interface{ CloseWrite() error }).CloseWrite(); err != nil {
				t.Fatal(err)
			}
			if rest, err := io.ReadAll(e.host); err != nil || len(rest) > 0 {
				t.Errorf("behind the client's end: got %q, %v", rest, err)
			}
			passes(t, big, e.host, e.from)
			if got := f.TunnelStats(); got.Open != 1 {
				t.Errorf("got %+v, want one that is open", got)
			}
			e.host.Close()
			if rest, err := io.ReadAll(e.from); err != nil || len(rest) > 0 {
				t.Errorf("behind the host's end: got %q, %v", rest, err)
			}
			await(t, func() bool { return f.TunnelStats().Open == 0 && s.Connections() == 0 })
			if got, want := f.TunnelStats(), (TunnelStats{0, 1, int64(len(tt.early + "hello" + big)), int64(len("GET /\nhi" + big + big))}); got != want {
				t.Errorf("got %+v, want %+v", got, want)
			}
		})
	}
}

// TestTunnelRefused checks where no tunnel leads, and what is answered.
func TestTunnelRefused(t *testing.T) {
	site, _ := hostOf(t)
	_, port, _ := net.SplitHostPort(site)
	own := func(a netip.AddrPort) bool { return strconv.Itoa(int(a.Port())) == port }
	tests := []struct {
		name, target string
		settings     ForwardSettings
		allow        []string
		status       int
		body         string
	}{
		{"by default", site, ForwardSettings{}, nil, 403, "httpProxyConnect"},
		{"what requests may go to", site, ForwardSettings{Targets: Targets{Allow: []TargetPattern{{prefix: netip.MustParsePrefix("127.0.0.0/8")}}}}, nil, 403, "httpProxyConnect"},
		{"another port", site, ForwardSettings{}, []string{"127.0.0.1:1"}, 403, "httpProxyConnect"},
		{"this host, by all hosts", site, ForwardSettings{}, []string{"*:" + port}, 403, "httpProxyConnect"},
		{"this host, by all networks", site, ForwardSettings{}, []string{"0.0.0.0/0:" + port}, 403, "httpProxyConnect"},
		{"this host, by its name", "localhost:" + port, ForwardSettings{}, []string{"*:" + port}, 403, "httpProxyConnect"},
		{"this host, as no address", "0.0.0.0:" + port, ForwardSettings{}, []string{"*:" + port}, 403, "httpProxyConnect"},
		{"this host, IPv4 in IPv6", "[::ffff:127.0.0.1]:" + port, ForwardSettings{}, []string{"*:" + port}, 403, "httpProxyConnect"},
		{"metadata", "169.254.169.254:80", ForwardSettings{}, []string{"*:80"}, 403, "httpProxyConnect"},
		{"the agent", site, ForwardSettings{Targets: Targets{Own: own}}, []string{site}, 400, "agent itself"},
		{"off", site, ForwardSettings{Targets: Targets{Off: true}}, []string{site}, 403, "httpProxyForward"},
		{"no port", "example.com", ForwardSettings{}, []string{"*:443"}, 400, "a port"},
		{"port 0", "example.com:0", ForwardSettings{}, []string{"*:443"}, 400, "a port"},
		{"port too large", "example.com:65536", ForwardSettings{}, []string{"*:443"}, 400, "a port"},
		{"no host", ":" + port, ForwardSettings{}, []string{"*:" + port}, 400, "a host"},
		{"nobody listens", "127.0.0.1:1", ForwardSettings{}, []string{"127.0.0.1:1"}, 502, "cannot be reached"},
		{"unknown host", "no.such.invalid:443", ForwardSettings{}, []string{"*:443"}, 502, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, f := tunnelServer(t, tt.settings, tt.allow...)
			got := ask(t, dialer(serveTCP(t, s)), "CONNECT "+tt.target+" HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n")
			if got.status != tt.status && (tt.status != 502 || got.status != 504) || !strings.Contains(got.body, tt.body) {
				t.Errorf("got %d %q, want %d %q", got.status, got.body, tt.status, tt.body)
			}
			if !got.closed {
				t.Error("the connection stays open")
			}
			if n := f.Refused.Load() + f.Failed.Load(); n != 1 || f.TunnelStats() != (TunnelStats{}) {
				t.Errorf("counted: got %d and %+v, want 1 and none", n, f.TunnelStats())
			}
		})
	}
}

// TestTunnelLimits checks how many tunnels there are, and that one ends in which nothing moves.
func TestTunnelLimits(t *testing.T) {
	host, conns := hostOf(t)
	s, f := tunnelServer(t, ForwardSettings{Tunnels: Tunnels{Max: 2}}, "127.0.0.0/8:"+host[strings.LastIndexByte(host, ':')+1:])
	proxy := serveTCP(t, s)
	first := tunnelTo(t, "tcp", proxy, host, "", "", conns)
	tunnelTo(t, "tcp", proxy, host, "", "", conns)
	connect := "CONNECT " + host + " HTTP/1.1\r\nHost: x\r\n\r\n"
	if got := ask(t, dialer(proxy), connect); got.status != 503 || got.headers.Get("Retry-After") == "" || !strings.Contains(got.body, "httpProxyConnectMax") {
		t.Errorf("the third: got %d %v %q", got.status, got.headers, got.body)
	}
	// Nothing moves in the first: a reset of the client is one for the host as well.
	if err := first.client.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	first.client.Close()
	if _, err := first.host.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("the host reads %v, want a reset", err)
	}
	await(t, func() bool { return f.TunnelStats().Open == 1 })
	tunnelTo(t, "tcp", proxy, host, "", "", conns)

	s, f = tunnelServer(t, ForwardSettings{Tunnels: Tunnels{Idle: 20 * time.Millisecond}}, host)
	e := tunnelTo(t, "tcp", serveTCP(t, s), host, "", "", conns)
	if _, err := io.Copy(io.Discard, e.from); err != nil {
		t.Errorf("the client reads %v, want an end", err)
	}
	await(t, func() bool { return f.TunnelStats().Open == 0 })
}

// TestTunnelRules replaces where tunnels lead to: those that are not allowed any more end after the time that is given.
func TestTunnelRules(t *testing.T) {
	host, conns := hostOf(t)
	s, f := tunnelServer(t, ForwardSettings{}, host)
	proxy := serveTCP(t, s)
	e := tunnelTo(t, "tcp", proxy, host, "", "", conns)
	f.Use(Targets{}, Tunnels{Allow: tunnelPatterns(t, host, "*:443")}, 0)
	passes(t, "still", e.client, e.host)
	f.Use(Targets{}, Tunnels{}, time.Hour)
	passes(t, "for an hour", e.client, e.host)
	f.Use(Targets{}, Tunnels{Allow: tunnelPatterns(t, host)}, time.Hour)
	f.Use(Targets{}, Tunnels{}, 0)
	if _, err := io.Copy(io.Discard, e.from); err != nil {
		t.Errorf("the client reads %v, want an end", err)
	}
	if got := ask(t, dialer(proxy), "CONNECT "+host+" HTTP/1.1\r\nHost: x\r\n\r\n"); got.status != 403 {
		t.Errorf("a new one: got %d, want 403", got.status)
	}
}

// TestTunnelDrain stops a server, and hands its connections over, while a tunnel is open: it goes on until both have
// ended, or the time is over.
func TestTunnelDrain(t *testing.T) {
	for name, stop := range map[string]func(*Server, context.Context) error{
		"shutdown": (*Server).Shutdown,
		"hand over": func(s *Server, ctx context.Context) error {
			return s.HandOver(ctx, func(conn net.Conn) error { return errors.New("a tunnel is handed over") })
		},
	} {
		for _, patient := range []bool{true, false} {
			t.Run(name+", "+map[bool]string{true: "patient", false: "cut off"}[patient], func(t *testing.T) {
				host, conns := hostOf(t)
				s, f := tunnelServer(t, ForwardSettings{}, host)
				e := tunnelTo(t, "tcp", serveTCP(t, s), host, "", "", conns)
				ctx, cancel := context.WithTimeout(t.Context(), tunnelTime)
				defer cancel()
				stopped := make(chan error, 1)
				go func() { stopped <- stop(s, ctx) }() // ends with ctx
				await(t, func() bool { return s.draining.Load() || s.handing.Load() != nil })
				passes(t, "hello", e.client, e.host)
				passes(t, "hi", e.host, e.from)
				if !patient {
					cancel()
				} else {
					e.client.Close()
					e.host.Close()
				}
				if err := <-stopped; patient != (err == nil) {
					t.Errorf("got %v, want an error: %t", err, !patient)
				}
				if patient || name == "shutdown" {
					await(t, func() bool { return f.TunnelStats().Open == 0 })
				} else {
					passes(t, "still here", e.client, e.host)
				}
			})
		}
	}
}

func TestParseTunnel(t *testing.T) {
	for text, ok := range map[string]bool{
		"a.example.com:443": true, "*:443": true, "*.example.com:443": true, "10.0.0.0/8:22": true, "[::1]:80": true, "[fd00::]:1": true,
		"a.example.com": false, "*": false, "*:0": false, "*:x": false, "*:": false, "10.0.0.0/8": false, "::1": false, "": false, "a b:1": false,
	} {
		if _, err := ParseTunnel(text); (err == nil) != ok {
			t.Errorf("%q: got %v, want it to be good: %t", text, err, ok)
		}
	}
}
