package tests

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
)

// clientValues are the arguments that client programs send, one a call: what PHP and Python have in common
// with Motan. motan-go cannot send null within a list or a map, so none is here.
var clientValues = []string{
	`"hello"`, `""`, `"é漢😀 \" \\ \n \u0000"`, `0`, `-1`, `9007199254740993`, `9223372036854775807`, `-9223372036854775808`,
	`1.5`, `-0.1`, `1e300`, `true`, `false`, `null`, `["a","b"]`, `[1,"a",true]`, `{"name":"ray","city":"東京"}`, `{"n":1,"list":["x"]}`,
	`{"deep":{"deeper":[{"deepest":"x"}]}}`,
}

// webClients are the programs of testdata/clients that call over HTTP.
var webClients = []struct{ program, script string }{
	{"php", "streams.php"},
	{"php", "curl.php"},
	{"python3", "urllib_client.py"},
	{"python3", "keepalive.py"},
}

// TestWebClients has PHP and Python programs call a motan-go server through one motand and through two, and
// compares what they get with what motan-go's own client gets from that server.
func TestWebClients(t *testing.T) {
	server := startMotango(t, "server")
	addr := listening(t, server)
	native := make([]any, len(clientValues))
	for i, value := range clientValues {
		var a struct{ Value json.RawMessage }
		out := run(t, 0, t.TempDir(), motango(t), "client", "-addr", addr, "-method", "echo", "--", value)
		if err := json.Unmarshal([]byte(out), &a); err != nil {
			t.Fatalf("motan-go's client printed %s: %v", out, err)
		}
		native[i] = decode(t, string(a.Value))
	}
	far, _ := startPair(t, echoService, addr)
	near := startMotand(t, outboundYAML(echoService, addr))
	file := filepath.Join(t.TempDir(), "values.json")
	if err := os.WriteFile(file, []byte("["+strings.Join(clientValues, ",")+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	for way, d := range map[string]*daemon{"one": near, "two": far} {
		for _, c := range webClients {
			t.Run(way+"/"+c.script, func(t *testing.T) {
				needClient(t, c.program, c.script)
				out := run(t, 0, t.TempDir(), c.program, testdata(t, "clients", c.script), d.url("http", "/rpc/"+echoService+"/echo"), file)
				got, ok := decode(t, out).([]any)
				if !ok || len(got) != len(native) {
					t.Fatalf("got %s, want a list of %d", cut(out), len(native))
				}
				for i := range native {
					if !sameValue(got[i], native[i]) {
						t.Errorf("%s: got %v, motan-go's client gets %v", clientValues[i], got[i], native[i])
					}
				}
			})
		}
	}
}

// TestWebClientsLargeBodies sends a megabyte in one string, in many, and in a map.
func TestWebClientsLargeBodies(t *testing.T) {
	provider := motantest.NewServer(t, bodyBack)
	d, _ := startPair(t, echoService, provider.Addr())
	values := []any{strings.Repeat("漢", 350_000), make([]string, 0, 20_000), map[string]string{"a": strings.Repeat("a", 1<<20), "b": "東京"}}
	for range 20_000 {
		values[1] = append(values[1].([]string), "fifty bytes or so of text, as a list of ids has it")
	}
	text, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "values.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range webClients {
		t.Run(c.script, func(t *testing.T) {
			needClient(t, c.program, c.script)
			n := len(provider.Frames())
			out := run(t, 0, t.TempDir(), c.program, testdata(t, "clients", c.script), d.url("http", "/rpc/"+echoService+"/echo"), file)
			if !reflect.DeepEqual(decode(t, out), decode(t, string(text))) {
				t.Errorf("got %s, want %s", cut(out), cut(string(text)))
			}
			// A native client would have sent the same bytes.
			for i, raw := range provider.Await(n + len(values))[n:] {
				want, err := simple.AppendJSON(nil, mustJSON(t, values[i]))
				if err != nil {
					t.Fatal(err)
				}
				if got := frame(t, raw); string(got.Body()) != string(want) {
					t.Errorf("value %d: the provider got %d bytes that are not those of a native client, %d", i, len(got.Body()), len(want))
				}
			}
		})
	}
}

// TestMotanPHP runs a client that frames as motan-php does, at one motand and through two.
func TestMotanPHP(t *testing.T) {
	need(t, "php")
	provider := motantest.NewServer(t, func(request *motan.Frame) *motan.Frame {
		reply := bodyBack(request)
		reply.Set("long", strings.Repeat("v", 6000)) // what motan-php can take is 8 KiB
		return reply
	})
	far, _ := startPair(t, echoService, provider.Addr())
	for way, d := range map[string]*daemon{"one": startMotand(t, outboundYAML(echoService, provider.Addr())), "two": far} {
		t.Run(way, func(t *testing.T) {
			out := run(t, 0, t.TempDir(), "php", testdata(t, "clients", "motan2.php"), d.addr("motan"), echoService, "demo")
			lines := strings.Split(strings.TrimSpace(out), "\n")
			if len(lines) != 19 {
				t.Fatalf("got %d answers, want 19:\n%s", len(lines), out)
			}
			for _, line := range lines[:18] {
				want := `"same":true,"type":3,"version":8,"serialize":48,"error":null}`
				if !strings.HasSuffix(line, want) {
					t.Errorf("got %s, want %s", line, want)
				}
			}
			for _, want := range []string{`"id":5`, `errcode\":400`, "cluster not found. cluster: cluster not found. service: no.such.Service"} {
				if !strings.Contains(lines[18], want) {
					t.Errorf("unknown service: got %s, want something with %s", lines[18], want)
				}
			}
		})
	}
}

// needClient skips the test where the program cannot run the script.
func needClient(t testing.TB, program, script string) {
	t.Helper()
	need(t, program)
	if script == "curl.php" && exec.Command("php", "-r", "exit(extension_loaded('curl') ? 0 : 1);").Run() != nil {
		t.Skip("skipped: PHP has no curl extension here (Debian: apt-get install php-curl)")
	}
}

// listening waits until motan-go's server answers and returns its address.
func listening(t testing.TB, server *process) string {
	t.Helper()
	var addr string
	await(t, "motan-go's server to listen", func() bool {
		for line := range strings.Lines(server.Output()) {
			if rest, ok := strings.CutPrefix(line, "listening "); ok {
				addr = strings.TrimSpace(rest)
			}
		}
		return addr != ""
	})
	return addr
}

func mustJSON(t testing.TB, v any) []byte {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sameValue compares decoded JSON: numbers by what they are and not by how they are written, but integers
// by every digit.
func sameValue(a, b any) bool {
	x, ok := a.(json.Number)
	y, also := b.(json.Number)
	if !ok || !also {
		switch a := a.(type) {
		case []any:
			b, ok := b.([]any)
			for i := range a {
				ok = ok && i < len(b) && sameValue(a[i], b[i])
			}
			return ok && len(a) == len(b)
		case map[string]any:
			b, ok := b.(map[string]any)
			for k := range a {
				ok = ok && sameValue(a[k], b[k])
			}
			return ok && len(a) == len(b)
		}
		return a == b
	}
	if i, err := x.Int64(); err == nil {
		j, err := y.Int64()
		return err == nil && i == j
	}
	f, err1 := x.Float64()
	g, err2 := y.Float64()
	return err1 == nil && err2 == nil && f == g
}
