package systemd

import (
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Without the variables nothing happens; with them systemd is told, by a path or an abstract name.
func TestNotify(t *testing.T) {
	t.Setenv("NOTIFY_SOCKET", "")
	if err := Notify("READY=1"); err != nil {
		t.Errorf("without systemd: %v", err)
	}
	for _, addr := range []string{filepath.Join(t.TempDir(), "n"), "@motand-test-" + strconv.Itoa(os.Getpid())} {
		l, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: addr, Net: "unixgram"})
		if err != nil {
			t.Skipf("skipped: no such socket here: %v", err)
		}
		t.Setenv("NOTIFY_SOCKET", addr)
		if err := Notify("READY=1", "STATUS=all well"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 100)
		n, err := l.Read(b)
		if got := string(b[:n]); err != nil || got != "READY=1\nSTATUS=all well" {
			t.Errorf("%s: got %q, %v", addr, got, err)
		}
		_ = l.Close()
	}
	for _, addr := range []string{"tcp", filepath.Join(t.TempDir(), "absent")} {
		t.Setenv("NOTIFY_SOCKET", addr)
		if err := Notify("READY=1"); err == nil {
			t.Errorf("%s: got no error", addr)
		}
	}
}

func TestReloading(t *testing.T) {
	if got := strings.Join(Reloading(), " "); !regexp.MustCompile(`^RELOADING=1( MONOTONIC_USEC=\d+)?$`).MatchString(got) {
		t.Errorf("got %q", got)
	}
}

func TestWatchdog(t *testing.T) {
	us := strconv.Itoa(os.Getpid())
	for _, tt := range []struct {
		usec, pid string
		want      time.Duration
		wrong     bool
	}{
		{"", "", 0, false},
		{"30000000", "", 30 * time.Second, false},
		{"30000000", us, 30 * time.Second, false},
		{"30000000", "1", 0, false},
		{"0", "", 0, true},
		{"soon", "", 0, true},
		{"99999999999999999999", "", 0, true},
	} {
		t.Setenv("WATCHDOG_USEC", tt.usec)
		t.Setenv("WATCHDOG_PID", tt.pid)
		if got, err := Watchdog(); got != tt.want || (err != nil) != tt.wrong {
			t.Errorf("%q of process %q: got %v, %v", tt.usec, tt.pid, got, err)
		}
	}
}

// What is meant for another process, or cannot be understood, is no socket of ours.
func TestSockets(t *testing.T) {
	us := strconv.Itoa(os.Getpid())
	for _, tt := range []struct{ pid, count, names, wrong string }{
		{"", "", "", ""},
		{"1", "2", "a:b", ""},
		{us, "", "", ""},
		{us, "0", "", ""},
		{us, "x", "", "no number of sockets"},
		{us, "1000000", "", "no number of sockets"},
		{us, "2", "motan", "has to name 2 sockets"},
		{us, "1", "", "FileDescriptorName="},
	} {
		t.Setenv("LISTEN_PID", tt.pid)
		t.Setenv("LISTEN_FDS", tt.count)
		t.Setenv("LISTEN_FDNAMES", tt.names)
		got, err := Sockets()
		if len(got) > 0 || (err != nil) != (tt.wrong != "") || err != nil && !strings.Contains(err.Error(), tt.wrong) {
			t.Errorf("%+v: got %v, %v", tt, got, err)
		}
		if _, ok := os.LookupEnv("LISTEN_FDS"); ok {
			t.Error("LISTEN_FDS is still set")
		}
	}
}
