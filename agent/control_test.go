package agent

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What motand upgrade asks for is checked, and what becomes of it is told.
func TestControl(t *testing.T) {
	dir := t.TempDir()
	l, err := openControl(dir)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, controlFile)
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the socket: got %v, %v, want mode 0600", info, err)
	}
	asked := make(chan upgradeRequest, 10)
	c := &control{log: slog.New(slog.DiscardHandler), upgrade: func(_ context.Context, r upgradeRequest) (int, error) {
		asked <- r
		if r.Binary == "/bad" {
			return 0, errors.New("it has gone wrong")
		}
		return 4711, nil
	}}
	c.start(t.Context(), l)
	for _, tt := range []struct{ name, request, want string }{
		{"nothing", "\n\n", "cannot be read"},
		{"no JSON", "GET / HTTP/1.1\r\n", "cannot be read"},
		{"an unknown key", `{"binary":"/x","args":["-c"]}`, "unknown field"},
		{"a relative path", `{"binary":"x"}`, "the whole path is needed"},
		{"too much", `{"binary":"/` + strings.Repeat("x", 2*maxControl) + `"}`, "cannot be read"},
		{"what goes wrong", `{"binary":"/bad"}`, `{"error":"it has gone wrong"}`},
		{"what goes well", `{"binary":"/good","wait":5000000000}`, `{"pid":4711}`},
		{"the same file", `{}`, `{"pid":4711}`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			conn, err := net.Dial("unix", path)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			_ = conn.SetDeadline(time.Now().Add(30 * time.Second))
			_, _ = io.WriteString(conn, tt.request) // it may not read all of it
			_ = conn.(*net.UnixConn).CloseWrite()
			answer, _ := io.ReadAll(conn)
			if !strings.Contains(string(answer), tt.want) {
				t.Errorf("got %s, want %s", answer, tt.want)
			}
		})
	}
	if r := <-asked; r.Binary != "/bad" {
		t.Errorf("asked for %+v first", r)
	}
	if r := <-asked; r.Binary != "/good" || r.Wait != 5*time.Second {
		t.Errorf("asked for %+v next", r)
	}
	if pid, err := askUpgrade(path, upgradeRequest{}); pid != 4711 || err != nil {
		t.Errorf("the command: got %d, %v", pid, err)
	}
	c.close(true)
	if _, err := askUpgrade(path, upgradeRequest{}); err == nil || !strings.Contains(err.Error(), "does it run, with this runtime_dir?") {
		t.Errorf("with nobody there: got %v", err)
	}
	again, err := openControl(dir) // in the place of what is left
	if err != nil {
		t.Fatal(err)
	}
	c.start(t.Context(), again)
	c.close(false)
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("after the end: got %v, want that the socket is gone", err)
	}
}
