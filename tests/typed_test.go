package tests

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestTypedExample runs conf/examples/typed.yaml with a Flask service, and calls it as programs in any language would.
func TestTypedExample(t *testing.T) {
	need(t, "python3", "curl")
	if err := exec.Command("python3", "-c", "import flask").Run(); err != nil {
		t.Skip("skipped: Python has no Flask here (Debian: apt-get install python3-flask)")
	}
	example, err := os.ReadFile(filepath.Join("..", "conf", "examples", "typed.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	port := strconv.Itoa(freePort(t))
	startProcess(t, "flask", t.TempDir(), "python3", testdata(t, "providers", "users.py"), port)
	await(t, "flask to listen", func() bool { return listens("127.0.0.1:" + port) })
	_, rest, _ := strings.Cut(string(example), "motan-registry:")
	d := startMotand(t, agentYAML+"motan-refer:\n  users: {path: com.example.UserService, group: users, registry: here, requestTimeout: 20000}\nmotan-registry:"+
		strings.NewReplacer("127.0.0.1:5000", "127.0.0.1:"+port, "motan2:9982", "motan2:{{.export}}", "requestTimeout: 2000 ", "requestTimeout: 20000 ").Replace(rest))
	tests := []struct {
		name, method, arguments, want string
	}{
		{"by number", "get", "[7]", `{"admin":true,"boss":null,"id":7,"name":"Ada","score":1.5,"tags":["x","y"]}`},
		{"a text for a number", "get", `["7"]`, `{"admin":true,"boss":null,"id":7,"name":"Ada","score":1.5,"tags":["x","y"]}`},
		{"query", "find", `["Ada",10]`, `[{"admin":true,"boss":null,"id":7,"name":"Ada","score":1.5,"tags":["x","y"]}]`},
		{"nobody", "find", `["Bob",10]`, `[]`},
		{"members and a header", "add", `["Bob",36,"r-1"]`, `8`},
		{"what was added", "get", `[8]`, `{"age":36,"id":8,"name":"Bob","request":"r-1"}`},
		{"body", "replace", `[8,{"name":"東京"}]`, `null`},
		{"what was replaced", "get", `[8]`, `{"name":"東京"}`},
		{"int", "count", `[]`, `2`},
		{"any other", "sum", `[1,2.5,["a"]]`, `{"arguments":[1,2.5,["a"]],"method":"sum"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			d.rpc("com.example.UserService", tt.method, tt.arguments).want(http.StatusOK, tt.want)
		})
	}
	t.Run("status", func(t *testing.T) {
		x := d.rpc("com.example.UserService", "get", "[99]").problem(http.StatusInternalServerError)
		if x.Code != 404 || x.Type != 2 || !strings.Contains(x.Message, "no such user") {
			t.Errorf("got %+v, want Flask's 404", x)
		}
	})
	t.Run("motan-go's client", func(t *testing.T) {
		out := run(t, 0, t.TempDir(), motango(t), "client", "-timeout", "20s", "-addr", d.addr("export"), "-path", "com.example.UserService", "-group", "users", "-method", "get", "7")
		if !strings.Contains(out, `"Ada"`) {
			t.Errorf("got %s, want the user", cut(out))
		}
	})
}
