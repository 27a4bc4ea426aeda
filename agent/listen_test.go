package agent

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

func tcp(t *testing.T) (l net.Listener, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l, l.Addr().(*net.TCPAddr).Port
}

// An address that another process has is told with its purpose, its key and what can be done.
func TestListenTellsWhatIsTaken(t *testing.T) {
	taken, port := tcp(t)
	text := strconv.Itoa(port)
	socket := filepath.Join(t.TempDir(), "live")
	live, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = live.Close() })
	tests := []struct {
		name    string
		change  func(a *conf.Agent)
		exports []int
		want    []string
	}{
		{"motan", func(a *conf.Agent) { a.Port = port }, nil, []string{"cannot listen on 127.0.0.1:" + text, "Motan calls of programs on this host (motan-agent.port)"}},
		{"http", func(a *conf.Agent) { a.HTTPPort = port }, nil, []string{"HTTP calls of programs on this host (motan-agent.hport)"}},
		{"management", func(a *conf.Agent) { a.ManagementPort = port }, nil, []string{"management (motan-agent.mport)"}},
		{"all of a range", func(a *conf.Agent) { a.ManagementPorts = conf.PortRange{First: port, Last: port} }, nil, []string{"management (motan-agent.m"}},
		{"export", func(*conf.Agent) {}, []int{port}, []string{"cannot listen on :" + text, "(motan-service export)"}},
		{"unix", func(a *conf.Agent) { a.UnixSock = socket }, nil, []string{"cannot listen on " + socket, "(motan-agent.unixSock)"}},
		{"http unix", func(a *conf.Agent) { a.HTTPUnixSock = socket }, nil, []string{"(motan-agent.httpProxyUnixSock)"}},
		{"management unix", func(a *conf.Agent) { a.ManagementUnixSock = socket }, nil, []string{"(motan-agent.managementUnixSock)"}},
		{"two at once", func(a *conf.Agent) { a.Port, a.HTTPPort = port, port }, nil, []string{"(motan-agent.port)", "(motan-agent.hport)"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			free, spare := tcp(t) // opened with the rest, so closed with it
			_ = free.Close()
			c := parse(t, Default(), "", "")
			tt.change(&c.Agent)
			l, err := listen(wantedSockets(c, append(tt.exports, spare)), nil)
			if err == nil {
				l.close()
				t.Fatal("got no error")
			}
			for _, want := range append(tt.want, "another process, perhaps another agent, has it: stop that one or configure another address") {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("got %q, want it to say %q", err, want)
				}
			}
			var kind *ListenError
			if !errors.As(err, &kind) || ExitCode(err) != 2 {
				t.Errorf("got %T and exit code %d, want *ListenError and 2", err, ExitCode(err))
			}
			again, err := net.Listen("tcp", ":"+strconv.Itoa(spare))
			if err != nil {
				t.Fatalf("what could be opened was not closed: %v", err)
			}
			_ = again.Close()
		})
	}
	conn, err := net.Dial("tcp", taken.Addr().String())
	if err != nil {
		t.Fatalf("who had the port lost it: %v", err)
	}
	_ = conn.Close()
}

func TestManagementTakesTheFirstFreePort(t *testing.T) {
	_, first := tcp(t)
	var last int
	for last <= first { // another free one above it
		l, port := tcp(t)
		_ = l.Close()
		last = port
	}
	all, err := listen([]wanted{managementSocket(&conf.Agent{ManagementHost: "127.0.0.1", ManagementPorts: conf.PortRange{First: first, Last: last}})}, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer all.close()
	if got := all.of("management")[0].Addr().(*net.TCPAddr).Port; got <= first || got > last {
		t.Errorf("got port %d, want one of %d to %d", got, first+1, last)
	}
}

func TestHTTPListensUnlessToldNot(t *testing.T) {
	for _, tt := range []struct {
		key  string
		want int
	}{{"", 1}, {"httpProxyEnable: true", 1}, {"httpProxyEnable: false", 0}} {
		c := parse(t, Default(), tt.key, "")
		l, err := listen(wantedSockets(c, nil), nil)
		if err != nil {
			t.Fatal(err)
		}
		if got := len(l.of("http")); got != tt.want {
			t.Errorf("%q: got %d listeners, want %d", tt.key, got, tt.want)
		}
		l.close()
	}
}

func TestUnixSockets(t *testing.T) {
	tests := []struct {
		there  string
		prefix string
		err    string
	}{
		{"nothing", "", ""},
		{"nothing", "unix://", ""},
		{"stale", "", ""},
		{"file", "", "exists and is not a socket"},
		{"folder", "", "exists and is not a socket"},
		{"link to a file", "", "exists and is not a socket"},
	}
	for _, tt := range tests {
		t.Run(tt.there+tt.prefix, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			putThere(t, tt.there, path)
			before, _ := os.Lstat(path) // nil for nothing
			l, err := listenOn("unix", tt.prefix+path)
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) {
					t.Fatalf("got %v, want %s", err, tt.err)
				}
				if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
					t.Error("what was there was replaced")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer l.Close()
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != 0o777 || info.Mode()&fs.ModeSocket == 0 {
				t.Errorf("got %v (%v), want a socket for everybody", info.Mode(), err)
			}
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			_ = conn.Close()
		})
	}
}

// putThere makes something at path: a stale socket, a file, a folder, a link, or nothing.
func putThere(t *testing.T, what, path string) {
	t.Helper()
	var err error
	switch what {
	case "stale":
		var l *net.UnixListener
		if l, err = net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"}); err == nil {
			l.SetUnlinkOnClose(false)
			err = l.Close()
		}
	case "file":
		err = os.WriteFile(path, []byte("precious"), 0o600)
	case "folder":
		err = os.Mkdir(path, 0o700)
	case "link to a file":
		err = os.Symlink("/dev/null", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Who serves a socket is told by its name, also by those that systemd and another process give.
func TestServerOf(t *testing.T) {
	for name, want := range map[string]string{"motan": "motan", "motan-tcp": "motan", "http-tcp": "http", "management": "management", "export-9982": "export", "telnet": "telnet"} {
		if got := serverOf(name); got != want {
			t.Errorf("%s: got %s, want %s", name, got, want)
		}
	}
}

// Only programs on this host are spared keep-alive: of another host that has died nothing else tells.
func TestKeepAlive(t *testing.T) {
	tests := []struct {
		addr  string
		spare bool
	}{
		{"127.0.0.1:9981", true},
		{"127.1.2.3:9981", true},
		{"[::1]:9981", true},
		{"localhost:9981", true},
		{":9982", false},
		{"0.0.0.0:9982", false},
		{"[::]:9982", false},
		{"10.1.2.3:9982", false},
		{"host.example.com:9982", false},
		{"nonsense", false},
	}
	for _, tt := range tests {
		if got := listenConfig(tt.addr).KeepAlive < 0; got != tt.spare {
			t.Errorf("%s: got keep-alive left out %v, want %v", tt.addr, got, tt.spare)
		}
	}
}
