package httpbridge

import (
	"encoding/json"
	"maps"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/httpbridge/fastcgi/fpmtest"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// tellScript answers with what it was told.
const tellScript = `header('Content-Type: application/json'); header('X-Script: yes');
setcookie('a', '1'); setcookie('b', '2'); if (isset($_GET['status'])) { http_response_code((int) $_GET['status']); }
echo json_encode(['server' => $_SERVER, 'get' => (object) $_GET, 'post' => (object) $_POST, 'body' => file_get_contents('php://input')]);`

// toldScript is what tellScript answers.
type toldScript struct {
	Server    map[string]any
	Get, Post map[string]string
	Body      string
}

func startScripts(t *testing.T, s ProviderSettings) (*Provider, *fpmtest.Server) {
	t.Helper()
	fpm := fpmtest.Start(t, fpmtest.Options{})
	fpm.Script("tell.php", tellScript)
	cgi := CGISettings{Address: unixPrefix + fpm.Address, DocumentRoot: fpm.Root, KeepConnections: 1}
	if s.CGI != nil {
		cgi.ScriptFilename = filepath.Join(fpm.Root, s.CGI.ScriptFilename)
	}
	s.CGI = &cgi
	return newProvider(t, s), fpm
}

func readScript(t *testing.T, body string) (got toldScript) {
	t.Helper()
	if err := json.Unmarshal([]byte(body), &got); err != nil {
		t.Fatalf("the script answered %.200q: %v", body, err)
	}
	return got
}

func checkServer(t *testing.T, got toldScript, want map[string]string) {
	t.Helper()
	for name, value := range want {
		if text, _ := got.Server[name].(string); text != value {
			t.Errorf("%s: got %v, want %q", name, got.Server[name], value)
		}
	}
}

// TestCallScript checks what a script is told of a plain call, with both verbs.
func TestCallScript(t *testing.T) {
	argument := must(t, map[string]string{"name": "Ada", "city": "東京 & more"})
	tests := []struct {
		name, verb, script string
		body               []byte
		meta               []string
		get, post          map[string]string
		server             map[string]string
	}{
		{
			"query", "GET", "tell.php", argument, nil,
			map[string]string{"requestIdFromClient": "7", "name": "Ada", "city": "東京 & more"},
			nil,
			map[string]string{
				"REQUEST_METHOD": "GET", "SCRIPT_NAME": "/tell.php", "PATH_INFO": "/greet", "SERVER_SOFTWARE": "Motan / CGI", "CONTENT_LENGTH": "",
				"MOTAN_M_p": "com.x.S", "MOTAN_M_m": "greet", "MOTAN_M_rid": "7", "REMOTE_ADDR": "10.1.2.3", "HTTP_HOST": "d.example.com", "SERVER_NAME": "d.example.com",
			},
		},
		{
			"form", "POST", "tell.php", argument, nil,
			nil,
			map[string]string{"requestIdFromClient": "7", "name": "Ada", "city": "東京 & more"},
			map[string]string{"REQUEST_METHOD": "POST", "CONTENT_TYPE": formType, "QUERY_STRING": "", "PHP_SELF": "/tell.php/greet"},
		},
		{
			"text", "POST", "tell.php", must(t, "a=b&c"), nil,
			nil,
			map[string]string{"requestIdFromClient": "7", "a=b&c": ""},
			nil,
		},
		{"no argument", "GET", "tell.php", nil, nil, map[string]string{"requestIdFromClient": "7"}, nil, nil},
		{
			"found by the path", "GET", "", nil,
			[]string{"M_m", "/tell.php/x"},
			map[string]string{"requestIdFromClient": "7"},
			nil,
			map[string]string{"SCRIPT_NAME": "/tell.php", "PATH_INFO": "/x", "MOTAN_M_m": "/tell.php/x"},
		},
		{
			"attachments", "GET", "tell.php", nil,
			[]string{"X-Trace", "t 1", "HTTP_PROXY", "http://evil:1", "a=b", "x"},
			map[string]string{"requestIdFromClient": "7"},
			nil,
			map[string]string{"MOTAN_X-Trace": "t 1", "HTTP_PROXY": "", "MOTAN_HTTP_PROXY": "http://evil:1", "MOTAN_a": ""},
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := ProviderSettings{Domain: "d.example.com", HTTPRequestMethod: tt.verb}
			if tt.script != "" {
				s.CGI = &CGISettings{ScriptFilename: tt.script}
			}
			p, _ := startScripts(t, s)
			c := newCall(t, tt.body, append([]string{"M_p", "com.x.S", "M_m", "greet", "M_rid", "7"}, tt.meta...)...)
			c.Remote = "10.1.2.3"
			motan.Do(p, c)
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			value, rest, err := simple.Decode(c.Reply.Body())
			text, ok := value.(string)
			if err != nil || !ok || len(rest) > 0 {
				t.Fatalf("got %q, want a string", c.Reply.Body())
			}
			got := readScript(t, text)
			if !maps.Equal(got.Get, tt.get) || !maps.Equal(got.Post, tt.post) {
				t.Errorf("got the query %v and the form %v, want %v and %v", got.Get, got.Post, tt.get, tt.post)
			}
			checkServer(t, got, tt.server)
			if x := metadata(&c.Reply); x["X-Script"] != "yes" || x["upstreamCode"] != "200" || x["Content-Type"] != "application/json" {
				t.Errorf("got the metadata %v, want the headers of the answer", x)
			}
		})
	}
}

// TestTransparentScript checks what a script is told of a whole HTTP request, and what becomes of its answer.
func TestTransparentScript(t *testing.T) {
	p, fpm := startScripts(t, ProviderSettings{EnableRewrite: true, Locations: []Location{
		{Match: "/", RewriteRules: []string{"start /old/ ^/old/(.*) /tell.php/$1"}},
	}})
	fpm.Script("index.php", tellScript)
	fpm.Script("plain.php", `header_remove(); header('Content-Type:'); http_response_code(404); echo "\x00\xff\r\n";`)
	ask := func(t *testing.T, method, head, body string) (string, string) {
		t.Helper()
		c := newCall(t, must(t, []byte(head), []byte(body)), "M_m", method, "M_p", "com.x.S", "HTTP_PROXY", "true")
		motan.Do(p, c)
		return rawParts(t, c)
	}
	t.Run("form", func(t *testing.T) {
		head, body := ask(t, "/tell.php/a b/c", "POST /tell.php/a%20b/c?q=1&status=201 HTTP/1.1\r\nHost: h.example.com:8080\r\nContent-Type: "+formType+
			"\r\nCookie: x=1\r\nCookie: y=2\r\nX-Two: 1\r\nX-Two: 2\r\nX_Two: 3\r\nProxy: http://evil:1\r\nConnection: close\r\n\r\n", "k=v&l=w")
		if !strings.HasPrefix(head, "HTTP/1.1 201 Created\r\n") || strings.Count(head, "Set-Cookie: ") != 2 || !strings.Contains(head, "\r\nX-Script: yes\r\n") {
			t.Errorf("got the head %q", head)
		}
		got := readScript(t, body)
		checkServer(t, got, map[string]string{
			"REQUEST_METHOD": "POST", "REQUEST_URI": "/tell.php/a%20b/c?q=1&status=201", "QUERY_STRING": "q=1&status=201", "SCRIPT_NAME": "/tell.php",
			"PATH_INFO": "/a b/c", "HTTP_HOST": "h.example.com:8080", "SERVER_NAME": "h.example.com", "SERVER_PORT": "8080", "CONTENT_LENGTH": "7",
			"CONTENT_TYPE": formType, "HTTP_COOKIE": "x=1; y=2", "HTTP_X_TWO": "1, 2", "HTTP_PROXY": "", "HTTP_CONNECTION": "", "HTTP_MOTAN_P": "com.x.S", "REMOTE_ADDR": "127.0.0.1",
		})
		if !maps.Equal(got.Post, map[string]string{"k": "v", "l": "w"}) || got.Body != "k=v&l=w" {
			t.Errorf("got the form %v and the body %q", got.Post, got.Body)
		}
	})
	t.Run("rewritten", func(t *testing.T) {
		_, body := ask(t, "/old/x", "GET /old/x?z HTTP/1.1\r\nHost: h\r\n\r\n", "")
		checkServer(t, readScript(t, body), map[string]string{"SCRIPT_NAME": "/tell.php", "PATH_INFO": "/x", "REQUEST_URI": "/tell.php/x?z"})
	})
	t.Run("front controller", func(t *testing.T) {
		_, body := ask(t, "/2026/hello/", "GET /2026/hello/ HTTP/1.1\r\nHost: h\r\n\r\n", "")
		checkServer(t, readScript(t, body), map[string]string{"SCRIPT_NAME": "/index.php", "PATH_INFO": "/2026/hello/", "REQUEST_URI": "/2026/hello/"})
	})
	t.Run("bytes", func(t *testing.T) {
		head, body := ask(t, "/plain.php", "GET /plain.php HTTP/1.1\r\nHost: h\r\n\r\n", "")
		if want := "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\n"; head != want || body != "\x00\xff\r\n" {
			t.Errorf("got %q and %q, want %q", head, body, want)
		}
	})
	t.Run("HEAD", func(t *testing.T) {
		head, body := ask(t, "/plain.php", "HEAD /plain.php HTTP/1.1\r\nHost: h\r\n\r\n", "")
		if !strings.HasPrefix(head, "HTTP/1.1 404 Not Found\r\n") || body != "" {
			t.Errorf("got %q and %q, want 404 without a body", head, body)
		}
	})
	t.Run("out of the folder", func(t *testing.T) {
		for _, path := range []string{"/a/%2e%2e/%2e%2e/../etc/tell.php", `/..\etc\passwd`, "/%252e%252e/tell.php"} {
			if head, body := ask(t, path, "GET /x HTTP/1.1\r\nHost: h\r\n\r\n", ""); !strings.HasPrefix(head, "HTTP/1.1 400 ") {
				t.Errorf("%s: got %q %q, want 400", path, head, body)
			}
		}
	})
}

// TestScriptFailures checks what becomes of scripts that do not answer, or not as they should.
func TestScriptFailures(t *testing.T) {
	p, fpm := startScripts(t, ProviderSettings{MaxContentLength: 10000, RequestTimeout: 20 * time.Second})
	fpm.Script("slow.php", `sleep(3600);`)
	fpm.Script("large.php", `echo str_repeat('x', 10001);`)
	fpm.Script("endless.php", `ob_implicit_flush(); while (true) { echo str_repeat('x', 8192); }`)
	fpm.Script("head.php", `for ($i = 0; $i < 300; $i++) { header("X-$i: ".str_repeat('x', 1000)); } echo 'x';`)
	fpm.Script("length.php", `header('Content-Length: 5'); echo 'abc';`)
	fpm.Script("dies.php", `exec('kill -9 '.getmypid());`)
	tests := []struct {
		name, path string
		kind       motan.Kind
		code, typ  int
		message    string
	}{
		{"too slow", "/slow.php", motan.KindTimeout, 503, motan.TypeBiz, "in time"},
		{"too large", "/large.php", motan.KindOversize, 503, motan.TypeBiz, "10000 bytes"},
		{"endless", "/endless.php", motan.KindOversize, 503, motan.TypeBiz, "the limit"},
		{"head too large", "/head.php", motan.KindOversize, 503, motan.TypeBiz, "the limit"},
		{"other length", "/length.php", motan.KindBroken, 503, motan.TypeBiz, "Content-Length says 5"},
		{"dies", "/dies.php", motan.KindBroken, 503, motan.TypeBiz, "read the answer"},
		{"control character", "/a\x01.php", motan.KindBadRequest, 400, motan.TypeBiz, "control character"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := newCall(t, nil, "M_m", tt.path)
			if tt.kind == motan.KindTimeout {
				c.Deadline = c.Start + int64(50*time.Millisecond)
			}
			motan.Do(p, c)
			checkFailed(t, c, tt.kind, tt.code, tt.message)
			if c.Err.Type != tt.typ {
				t.Errorf("type: got %d, want %d", c.Err.Type, tt.typ)
			}
		})
	}
	t.Run("nobody listens", func(t *testing.T) {
		fpm.Stop()
		c := newCall(t, nil, "M_m", "/tell.php")
		motan.Do(p, c)
		checkFailed(t, c, motan.KindUnavailable, 503, "cgi provider: ")
		if c.Err.Type != 503 {
			t.Errorf("type: got %d, want 503, as the motan-go agent has it", c.Err.Type)
		}
	})
	t.Run("exception by the status", func(t *testing.T) {
		p, _ := startScripts(t, ProviderSettings{EnableHTTPException: true, CGI: &CGISettings{ScriptFilename: "none.php"}})
		c := newCall(t, nil, "M_m", "m")
		motan.Do(p, c)
		if x, ok := c.Reply.Exception(); !ok || x.Code != 404 || x.Type != motan.TypeBiz || x.Message != "File not found.\n" {
			t.Errorf("got %v %+v, want the script's 404", c.Err, x)
		}
	})
}
