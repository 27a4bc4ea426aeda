package tests

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/httpbridge/fastcgi/fpmtest"
)

// section are the blocks of a Markdown file below a heading, to the next one.
func section(t testing.TB, name, heading string) (all []block) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	before, rest, ok := strings.Cut(string(text), "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", name, heading)
	}
	inside, _, _ := strings.Cut(rest, "\n## ")
	from := strings.Count(before, "\n")
	to := from + strings.Count(inside, "\n") + 2
	for _, b := range blocks(t, name) {
		if b.line > from && b.line <= to {
			all = append(all, b)
		}
	}
	return all
}

// TestReadmeFastCGI runs the pool and the service of httpbridge/README.md, but for the users and the paths that are of the
// reader's machine, and calls the script there.
func TestReadmeFastCGI(t *testing.T) {
	need(t, "curl")
	var pool []string
	service := ""
	for _, b := range section(t, "httpbridge/README.md", "## Exporting PHP: `provider: cgi`") {
		switch b.language {
		case "ini":
			pool = strings.Split(b.text, "\n")
		case "yaml":
			service = b.text
		}
	}
	var lines []string
	for _, line := range pool {
		switch name, _, _ := strings.Cut(line, " "); name {
		case "pm", "pm.max_children", "ping.path": // listen and the users are those of the test
			lines = append(lines, line)
		}
	}
	if len(lines) != 3 || service == "" {
		t.Fatalf("the section has the lines %q and the service %q", lines, service)
	}
	fpm := fpmtest.Start(t, fpmtest.Options{Settings: lines})
	fpm.Script("rpc.php", `if ($_SERVER['MOTAN_M_m'] !== 'greet') { http_response_code(404); exit('no such method'); }
		header('X-Web: php'); echo json_encode(['hello' => $_POST['name'], 'info' => $_SERVER['PATH_INFO']]);`)
	d := startMotand(t, agentYAML+"\nmotan-registry:\n  mesh: {protocol: local}\nmotan-refer:\n  r: {path: com.example.UserService, group: demo, registry: mesh, requestTimeout: 20000}\n"+
		strings.NewReplacer("/run/php/mesh.sock", fpm.Address, "/var/www/users", fpm.Root, "    group: demo\n", "    group: demo\n    registry: mesh\n    requestTimeout: 20000\n    export: \"motan2:{{.export}}\"\n").Replace(service))
	await(t, "the service to be available", func() bool {
		status, body, err := fetch(http.MethodGet, d.url("mgmt", "/api/v1/services"), "")
		return err == nil && status == http.StatusOK && strings.Contains(body, `"passes":true`)
	})
	out := run(t, 0, t.TempDir(), "curl", "-s", "--fail", "-d", `[{"name":"Ada"}]`, d.url("http", "/rpc/com.example.UserService/greet"))
	if want := `{"hello":"Ada","info":"\/greet"}`; decode(t, out) != want {
		t.Errorf("got %s, want %s", out, want)
	}
	if x := d.rpc("com.example.UserService", "other", "[]").problem(http.StatusInternalServerError); x.Code != 404 || x.Type != 2 || x.Message != "no such method" {
		t.Errorf("got %+v, want the script's 404", x)
	}
	fpm.Stop()
	if x := d.rpc("com.example.UserService", "greet", "[]").problem(http.StatusServiceUnavailable); x.Code != 503 || x.Type != 503 {
		t.Errorf("without PHP-FPM: got %+v, want 503 of the type 503, as motan-go has it", x)
	}
	await(t, "the service to be withdrawn", func() bool {
		_, body, err := fetch(http.MethodGet, d.url("mgmt", "/api/v1/services"), "")
		return err == nil && strings.Contains(body, `"passes":false`)
	})
}

// TestFastCGIAgainstMotango has motan-go's agent and motand export the same script: callers see the same of both.
func TestFastCGIAgainstMotango(t *testing.T) {
	exe := motango(t)
	fpm := fpmtest.Start(t, fpmtest.Options{TCP: true})
	host, port, _ := strings.Cut(fpm.Address, ":")
	script := fpm.Script("rpc.php", `header('Content-Type: text/plain'); header('X-Web: php'); ksort($_GET); ksort($_POST);
		$v = array_filter($_SERVER, fn($k) => str_starts_with($k, 'MOTAN_') && !in_array($k, ['MOTAN_M_rid', 'MOTAN_host', 'MOTAN_M_tmo', 'MOTAN_remoteIP']), ARRAY_FILTER_USE_KEY); ksort($v);
		unset($_GET['requestIdFromClient'], $_POST['requestIdFromClient']);
		echo json_encode([$_SERVER['REQUEST_METHOD'], $_SERVER['SERVER_SOFTWARE'], (object) $_GET, (object) $_POST, $v]);`)
	for _, verb := range []string{"GET", "POST"} {
		t.Run(verb, func(t *testing.T) {
			service := fmt.Sprintf(`
motan-registry:
  direct: {protocol: direct, host: 127.0.0.1, port: {{.motan}}}
motan-service:
  php: {path: com.example.Php, group: demo, protocol: motan2, registry: direct, provider: cgi, export: "motan2:{{.export}}", serialization: simple,
    requestTimeout: 20000, CGI_HOST: %s, CGI_PORT: %s, CGI_REQUEST_METHOD: %s, CGI_SCRIPT_FILENAME: %s, CGI_DOCUMENT_ROOT: %s}
`, host, port, verb, script, fpm.Root)
			call := func(addr string) map[string]any {
				out := run(t, 0, t.TempDir(), exe, "client", "-timeout", "20s", "-addr", addr, "-path", "com.example.Php", "-method", "greet",
					"-group", "demo", "-meta", "X-Trace=t1", `{"name":"Ada","city":"a b"}`)
				var answer struct {
					Value    any
					Metadata map[string]any
				}
				if err := json.Unmarshal([]byte(out), &answer); err != nil {
					t.Fatalf("motan-go's client printed %s: %v", cut(out), err)
				}
				return map[string]any{"value": answer.Value, "X-Web": answer.Metadata["X-Web"], "Content-type": first(answer.Metadata, "Content-type", "Content-Type")}
			}
			ours := startMotand(t, agentYAML+service)
			s := newSetup(t)
			config := s.configure(agentYAML + service)
			startProcess(t, "motan-go's agent", s.dir, exe, "agent", "-c", config)
			await(t, "motan-go's agent to listen", func() bool { return listens(s.addr("export")) })
			got, want := call(ours.addr("export")), call(s.addr("export"))
			if fmt.Sprint(got) != fmt.Sprint(want) {
				t.Errorf("got  %v\nwant %v, as of motan-go", got, want)
			}
			if !strings.Contains(fmt.Sprint(got["value"]), `"name":"Ada"`) {
				t.Errorf("got %v, want what was sent", got)
			}
		})
	}
}

func first(m map[string]any, keys ...string) any {
	for _, key := range keys {
		if value, ok := m[key]; ok {
			return value
		}
	}
	return nil
}
