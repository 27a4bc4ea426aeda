package fastcgi_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/httpbridge/fastcgi"
	"github.com/motand/motand/httpbridge/fastcgi/fpmtest"
)

const (
	patience = 60 * time.Second
	large    = 12 << 20
)

func newClient(t testing.TB, s *fpmtest.Server, keep int, log *slog.Logger) *fastcgi.Client {
	t.Helper()
	c := fastcgi.New(fastcgi.Settings{
		Network: s.Network, Address: s.Address, Keep: keep, IdleTimeout: patience, MaxHead: 64 << 10, MaxBody: large, Log: log,
	})
	t.Cleanup(c.Close)
	return c
}

// request asks for a script with the body, and is safe where there is none.
func request(script string, body []byte, params ...string) *fastcgi.Request {
	r := &fastcgi.Request{Body: body, Safe: len(body) == 0, Script: script}
	r.Params.Add("SCRIPT_FILENAME", script)
	r.Params.Add("REQUEST_METHOD", map[bool]string{true: "GET", false: "POST"}[r.Safe])
	r.Params.Add("CONTENT_LENGTH", strconv.Itoa(len(body)))
	for i := 0; i < len(params); i += 2 {
		r.Params.Add(params[i], params[i+1])
	}
	return r
}

func do(t testing.TB, c *fastcgi.Client, r *fastcgi.Request) *fastcgi.Response {
	t.Helper()
	answer, err := c.Do(r, time.Now().Add(patience))
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

// TestFPM runs scripts of PHP-FPM over both kinds of sockets, with kept connections and without.
func TestFPM(t *testing.T) {
	for _, tcp := range []bool{false, true} {
		s := fpmtest.Start(t, fpmtest.Options{TCP: tcp})
		echo := s.Script("echo.php", `$b = file_get_contents('php://input'); header('X-MD5: '.md5($b)); setcookie('a', '1'); setcookie('b', '2');
			http_response_code(203); echo $_SERVER['MOTAN_M_p'] ?? '', '|', $_SERVER['QUERY_STRING'] ?? '', '|', strlen($b);`)
		back := s.Script("back.php", `$in = fopen('php://input', 'r'); while (!feof($in)) { echo fread($in, 8192); }`)
		for _, keep := range []int{0, 1} {
			t.Run(fmt.Sprintf("%s keep %d", s.Network, keep), func(t *testing.T) {
				var log bytes.Buffer
				c := newClient(t, s, keep, slog.New(slog.NewTextHandler(&log, nil)))
				r := do(t, c, request(echo, []byte("a=b"), "MOTAN_M_p", "com.x.S", "QUERY_STRING", "q=1", "CONTENT_TYPE", "text/plain"))
				if r.Status != 203 || string(r.Body) != "com.x.S|q=1|3" || len(r.Get("X-MD5")) != 32 {
					t.Errorf("got %d %q %q", r.Status, r.Body, r.Header)
				}
				cookies := 0
				for _, h := range r.Header {
					if string(h.Name) == "Set-Cookie" {
						cookies++
					}
				}
				if cookies != 2 {
					t.Errorf("got %d cookies, want 2", cookies)
				}
				if r = do(t, c, request(filepath.Join(s.Root, "none.php"), nil)); r.Status != 404 {
					t.Errorf("no such script: got %d %q, want 404", r.Status, r.Body)
				}
				if !strings.Contains(log.String(), "Primary script unknown") {
					t.Errorf("the complaint is not logged: %q", log.String())
				}
				body := bytes.Repeat([]byte("0123456789abcdef"), large/16)
				if r = do(t, c, request(back, body, "CONTENT_TYPE", "application/octet-stream")); !bytes.Equal(r.Body, body) {
					t.Errorf("got %d bytes, want the %d that were sent", len(r.Body), len(body))
				}
			})
		}
		t.Run(s.Network+" ping", func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			for _, path := range []string{"", fpmtest.PingPath} {
				if err := fastcgi.Ping(ctx, s.Network, s.Address, path); err != nil {
					t.Errorf("ping %q: %v", path, err)
				}
			}
			if err := fastcgi.Ping(ctx, s.Network, s.Address, "/other"); err == nil || !strings.Contains(err.Error(), "status 404") {
				t.Errorf("another path: got %v, want a 404", err)
			}
			s.Stop()
			if err := fastcgi.Ping(ctx, s.Network, s.Address, ""); err == nil {
				t.Error("a server that is gone answers")
			}
		})
	}
}

// TestFPMAnswersFirst has a script write more than fits any socket before it reads a body that does not fit either: both
// sides would wait for each other.
func TestFPMAnswersFirst(t *testing.T) {
	s := fpmtest.Start(t, fpmtest.Options{Settings: []string{"php_admin_flag[enable_post_data_reading] = off", "php_admin_value[memory_limit] = 256M"}})
	script := s.Script("first.php", `ob_implicit_flush(); for ($i = 0; $i < 64; $i++) { echo str_repeat('x', 65536); } echo md5(file_get_contents('php://input'));`)
	c := newClient(t, s, 1, nil)
	for range 2 {
		if r := do(t, c, request(script, make([]byte, 8<<20))); len(r.Body) != 4<<20+32 {
			t.Errorf("got %d bytes, want %d", len(r.Body), 4<<20+32)
		}
	}
}

// TestFPMRecycles runs requests in parallel on processes that end after three requests each, with more callers than
// processes: no request is lost, and none waits for a process that a kept connection holds.
func TestFPMRecycles(t *testing.T) {
	for _, keep := range []int{0, 2} {
		t.Run(strconv.Itoa(keep), func(t *testing.T) {
			s := fpmtest.Start(t, fpmtest.Options{Children: 2, Requests: 3})
			script := s.Script("a.php", `echo $_SERVER['QUERY_STRING'];`)
			c := newClient(t, s, keep, nil)
			var callers sync.WaitGroup
			for n := range 8 {
				callers.Go(func() {
					for i := range 15 {
						want := fmt.Sprint(n, i)
						r, err := c.Do(request(script, nil, "QUERY_STRING", want), time.Now().Add(patience))
						if err != nil {
							t.Errorf("request %s: %v", want, err)
							return
						}
						if string(r.Body) != want {
							t.Errorf("request %s: got the answer %q", want, r.Body)
						}
					}
				})
			}
			callers.Wait()
		})
	}
}

// TestFPMRestarts checks that kept connections of a server that was restarted cost no request.
func TestFPMRestarts(t *testing.T) {
	s := fpmtest.Start(t, fpmtest.Options{})
	script := s.Script("a.php", `echo 'ok';`)
	c := newClient(t, s, 2, nil)
	for range 3 {
		if r := do(t, c, request(script, []byte("x"))); string(r.Body) != "ok" {
			t.Errorf("got %q, want ok", r.Body)
		}
		s.Restart()
	}
}

func TestFPMDeadline(t *testing.T) {
	s := fpmtest.Start(t, fpmtest.Options{})
	script := s.Script("slow.php", `sleep(3600);`)
	c := newClient(t, s, 2, nil)
	if _, err := c.Do(request(script, nil), time.Now().Add(50*time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want the deadline", err)
	}
}
