package agent

import (
	"bytes"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// local compiles a configuration with a single service and returns the handler of its export.
func local(t *testing.T, keys string) (motan.Handler, error) {
	t.Helper()
	x := Default()
	c := parse(t, x, "", "motan-registry:\n  embedded: {protocol: local}\n"+
		"motan-service:\n  s:\n    path: svc\n    group: g\n    export: motan2:9982\n    registry: embedded\n"+keys)
	s, err := newCompiler(t, x).compile(c, nil)
	if err != nil {
		return nil, err
	}
	t.Cleanup(s.close)
	return s.exports.byService["svc"][0].handler, nil
}

func proxyTo(t *testing.T, s *motantest.Server) string {
	t.Helper()
	if path, ok := strings.CutPrefix(s.Addr(), "unix://"); ok {
		return "    proxy: motan2\n    proxy.host: unix://" + path + "\n"
	}
	_, port, _ := strings.Cut(s.Addr(), ":")
	return "    proxy: motan2:" + port + "\n"
}

func TestMotanProviderForwards(t *testing.T) {
	tests := []struct {
		name   string
		remote string
		pairs  []string
		want   map[string]string
	}{
		{"address of the caller", "10.0.0.9", nil, map[string]string{"x-forwarded-for": "10.0.0.9"}},
		{"address of who called the caller", "10.0.0.9", []string{"x-forwarded-for", "1.2.3.4"}, map[string]string{"x-forwarded-for": "1.2.3.4"}},
		{"in the other spelling", "10.0.0.9", []string{"X-Forwarded-For", "1.2.3.4"}, map[string]string{"X-Forwarded-For": "1.2.3.4", "x-forwarded-for": ""}},
		{"unix socket", "", nil, map[string]string{"x-forwarded-for": ""}},
		{"group stays", "", []string{"M_g", "g"}, map[string]string{"M_g": "g"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := motantest.NewServer(t, motantest.Reply([]byte("answer")))
			h, err := local(t, proxyTo(t, s))
			if err != nil {
				t.Fatal(err)
			}
			c := request("svc", "m", tt.pairs...)
			c.Remote = tt.remote
			do(t, h, c)
			if c.Err != nil || string(c.Reply.Body()) != "answer" {
				t.Fatalf("got %v %q, want answer", c.Err, c.Reply.Body())
			}
			raw := s.Await(1)[0]
			var got motan.Frame
			if _, err := got.Decode(raw, len(raw)); err != nil {
				t.Fatal(err)
			}
			for key, want := range tt.want {
				if value := string(got.Get(key)); value != want {
					t.Errorf("%s: got %q, want %q", key, value, want)
				}
			}
			if x := c.Reply.Get("x-forwarded-for"); x != nil {
				t.Errorf("the reply tells the provider's address %s, want none", x)
			}
		})
	}
}

func TestMotanProviderOnAUnixSocket(t *testing.T) {
	s := motantest.NewUnixServer(t, filepath.Join(t.TempDir(), "s"), motantest.Reply([]byte("answer")))
	h, err := local(t, proxyTo(t, s))
	if err != nil {
		t.Fatal(err)
	}
	if c := do(t, h, request("svc", "m")); string(c.Reply.Body()) != "answer" {
		t.Errorf("got %v %q, want answer", c.Err, c.Reply.Body())
	}
}

// A provider that is not there is told in motan-go's words; it is not tried twice.
func TestMotanProviderIsDown(t *testing.T) {
	s := motantest.NewServer(t, motantest.Reply([]byte("answer")))
	s.Stop()
	h, err := local(t, proxyTo(t, s))
	if err != nil {
		t.Fatal(err)
	}
	c := do(t, h, request("svc", "m"))
	if c.Err == nil || c.Err.Kind != motan.KindUnavailable {
		t.Fatalf("got %v, want unavailable", c.Err)
	}
	if x := (motan.Exception{Code: 503, Type: 503, Message: "reverse proxy call err: motanProvider is unavailable"}); c.Err.Exception() != x {
		t.Errorf("got %+v, want %+v", c.Err.Exception(), x)
	}
	if c.Err.Cause == nil {
		t.Error("the cause is lost")
	}
	s.Start()
	motantest.Await(t, "the provider to be found again", func() bool {
		return do(t, h, request("svc", "m")).Err == nil
	})
}

// The caller decides about retries: one here would be executed twice behind its back.
func TestMotanProviderDoesNotRetry(t *testing.T) {
	s := motantest.NewServer(t, motantest.Exception(500, motan.TypeService, "no"))
	h, err := local(t, proxyTo(t, s)+"    retries: 3\n    m().requestTimeout: 5000\n")
	if err != nil {
		t.Fatal(err)
	}
	for _, method := range []string{"m", "other"} {
		before := len(s.Frames())
		if c := do(t, h, request("svc", method)); !c.Failed() {
			t.Errorf("%s: got %q, want the exception", method, c.Reply.Body())
		}
		if got := len(s.Frames()) - before; got != 1 {
			t.Errorf("%s: got %d calls at the provider, want 1", method, got)
		}
	}
}

// A configuration of motan-go that names what motand does not have is taken; its calls are refused.
func TestProvidersOfMotanGo(t *testing.T) {
	for _, name := range motanGoProviders {
		t.Run(name, func(t *testing.T) {
			h, err := local(t, "    provider: "+name+"\n")
			if err != nil {
				t.Fatal(err)
			}
			c := do(t, h, request("svc", "m"))
			want := "provider " + name + " is not built into this agent"
			if c.Err == nil || c.Err.Code != 503 || c.Err.Message != want {
				t.Errorf("got %+v, want 503 %s", c.Err, want)
			}
		})
	}
}

func TestMockProvider(t *testing.T) {
	h, err := local(t, "    provider: mockProvider\n")
	if err != nil {
		t.Fatal(err)
	}
	c := do(t, h, request("svc", "m"))
	if got := string(c.Reply.Body()); c.Err != nil || got != "\x01\x00\x00\x00\x02ok" {
		t.Errorf("got %v %q, want the string ok", c.Err, got)
	}
}

func TestNodeAnnounced(t *testing.T) {
	k := newCompiler(t, Default())
	s := &conf.Service{Entry: conf.Entry{Path: "svc", Group: "g", Version: "2.0", RequestTimeout: 1500e6, Params: map[string]string{"key": "value", "export": "old"}}}
	s.Export = conf.ProtocolPort{Protocol: "motan2", Port: 9982}
	n := k.node(s, true)
	want := map[string]string{"key": "value", "export": "motan2:9982", "requestTimeout": "1500"}
	for key, value := range want {
		if n.Params[key] != value {
			t.Errorf("%s: got %q, want %q", key, n.Params[key], value)
		}
	}
	if n.Addr() != "127.0.0.1:"+strconv.Itoa(9982) || !n.Available || n.Version != "2.0" || n.Protocol != "motan2" || n.Group != "g" {
		t.Errorf("got %+v, want svc 2.0 of g at 127.0.0.1:9982", n)
	}
	if s.Params["export"] != "old" {
		t.Error("the configuration was changed")
	}
}

// An address that callers on other hosts cannot use is told of, where they are given one.
func TestWarnOfLocalIP(t *testing.T) {
	service := recorderYAML + "motan-service:\n  s: {path: svc, group: g, provider: demo, registry: outside}\n"
	tests := []struct {
		name, yaml  string
		flag, found string // -localIP, and what is in use
		want        string
	}{
		{"loopback because there is no other", service, "", "127.0.0.1", "no IPv4 address but loopback"},
		{"loopback as asked", service, "127.0.0.1", "127.0.0.1", ""},
		{"of another host", service, "192.0.2.1", "192.0.2.1", "-localIP is no address of this host"},
		{"nothing is exported", recorderYAML + "motan-refer:\n  r: {path: svc, group: g, registry: outside}\n", "192.0.2.1", "192.0.2.1", ""},
		{"nobody is told", "motan-service:\n  s: {path: svc, group: g, provider: demo}\n", "192.0.2.1", "192.0.2.1", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := parse(t, withRecorder(new(recorder)), "", tt.yaml)
			c.Agent.LocalIP = tt.flag
			var out bytes.Buffer
			warnOfLocalIP(slog.New(slog.NewTextHandler(&out, nil)), c, tt.found)
			if (out.Len() == 0) != (tt.want == "") || !strings.Contains(out.String(), tt.want) {
				t.Errorf("got %q, want %q", out.String(), tt.want)
			}
		})
	}
}
