package httpbridge

import (
	"bufio"
	"os/exec"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// pythonService answers with what it was asked, on a free port that it prints first. It ends with its input.
const pythonService = `
import http.server, sys, threading
class H(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        text = b" ".join([self.command.encode(), self.path.encode(), self.headers["Motan-P"].encode(), body])
        self.send_response(200)
        self.send_header("Content-Length", str(len(text)))
        self.send_header("X-Python", "yes")
        self.end_headers()
        self.wfile.write(text)
    do_GET = do_POST = answer
    def log_message(self, *args):
        pass
server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), H)
print(server.server_port, flush=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
sys.stdin.read()
`

// TestProviderPython asks a web service of Python's standard library, through all three modes, several times on one
// connection.
func TestProviderPython(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("there is no python3 here")
	}
	cmd := exec.Command(python, "-c", pythonService)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close() // if that fails, so does Wait
		if err := cmd.Wait(); err != nil {
			t.Errorf("python: %v", err)
		}
	})
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	address := "127.0.0.1:" + strings.TrimSpace(port)
	proxy := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: address})
	format := newProvider(t, ProviderSettings{URLFormat: "http://" + address + "/api/%s"})
	for range 3 {
		get := newCall(t, simpleMap(t, "uid", "1"), "M_p", "s", "M_m", "/show")
		motan.Do(proxy, get)
		checkReply(t, get, must(t, []byte("GET /show?uid=1 s ")))
		if got := string(get.Reply.Get("X-Python")); got != "yes" {
			t.Errorf("X-Python: got %q, want yes", got)
		}
		form := newCall(t, simpleMap(t, "uid", "1"), "M_p", "s", "M_m", "/show", "HTTP_Method", "POST")
		motan.Do(proxy, form)
		checkReply(t, form, must(t, []byte("POST /show s uid=1")))
		raw := newCall(t, must(t, []byte("POST /x HTTP/1.1\r\nHost: h\r\n\r\n"), []byte("abc")), "M_p", "s", "M_m", "/x", "HTTP_PROXY", "true")
		motan.Do(proxy, raw)
		if _, body := rawParts(t, raw); body != "POST /x s abc" {
			t.Errorf("transparent: got %q", body)
		}
		filled := newCall(t, nil, "M_p", "s", "M_m", "show", "M_rid", "7")
		motan.Do(format, filled)
		checkReply(t, filled, must(t, "GET /api/show?requestIdFromClient=7 s "))
	}
}
