package agent

import (
	"bytes"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/agent/handover"
)

// given is a socket that listens at network and addr, as it is handed over.
func given(t *testing.T, s handover.Socket, network, addr string) (inherited, string) {
	t.Helper()
	l, err := net.Listen(network, addr)
	if err != nil {
		t.Fatal(err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(false)
	}
	f, err := l.(interface{ File() (*os.File, error) }).File()
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() // the file is a copy
	return inherited{s, f}, l.Addr().String()
}

// Sockets that are given are taken by name and address, those of systemd by name alone; others are opened.
func TestInheritedSockets(t *testing.T) {
	dir := t.TempDir()
	motanPath, exportPath := filepath.Join(dir, "motan.sock"), filepath.Join(dir, "foreign.sock")
	own, _ := given(t, handover.Socket{Name: "motan", Network: "unix", Addr: motanPath}, "unix", motanPath)
	moved, _ := given(t, handover.Socket{Name: "http", Network: "tcp", Addr: "127.0.0.1:1"}, "tcp", "127.0.0.1:0")
	foreign, foreignAddr := given(t, handover.Socket{Name: "export-77", Foreign: true}, "unix", exportPath)
	stray, _ := given(t, handover.Socket{Name: "telnet", Foreign: true}, "tcp", "127.0.0.1:0")
	h := &inheritance{sockets: []inherited{own, moved, foreign, stray}}
	l := &listeners{given: h}
	open := func(name, network, addr string) net.Listener {
		t.Helper()
		x, err := l.add([]wanted{{name: name, network: network, addrs: []string{addr}}})
		if err != nil {
			t.Fatal(err)
		}
		return x[0].listener
	}
	open("motan", "unix", motanPath)
	if x := open("http", "tcp", "127.0.0.1:0"); x.Addr().String() == "127.0.0.1:1" {
		t.Error("a socket with another address was taken")
	}
	if x := open("export-77", "tcp", ":77"); x.Addr().String() != foreignAddr {
		t.Errorf("got %s, want the socket of systemd at %s", x.Addr(), foreignAddr)
	}
	var out bytes.Buffer
	h.warn(slog.New(slog.NewTextHandler(&out, nil)))
	if text := out.String(); !strings.Contains(text, "name=telnet") {
		t.Errorf("log: got %s, want a word on what is not used", text)
	}
	h.close()

	paused, err := l.pause()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.Dial("unix", motanPath) // which waits meanwhile
	if err != nil {
		t.Fatalf("while nobody accepts: %v", err)
	}
	defer conn.Close()
	again, err := l.resume(paused)
	if err != nil || len(again) != 3 || len(l.of("export")) != 1 {
		t.Fatalf("resume: got %v, %v", again, err)
	}
	if _, err := again[0].listener.Accept(); err != nil {
		t.Errorf("accept what has waited: %v", err)
	}
	l.close()
	if _, err := os.Stat(motanPath); err == nil {
		t.Error("our socket is left behind")
	}
	if _, err := os.Stat(exportPath); err != nil {
		t.Errorf("the socket of systemd is gone: %v", err)
	}
}
