package tests

import (
	"fmt"
	"io"
	"net"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"unicode/utf8"
)

// ourClients are the clients of scripts/clients by the programs that run them.
var ourClients = map[string]string{"php": "motand.php", "python3": "motand.py"}

// clientCall is a call that a client makes: by is the object of the client that makes it, another one has a connection of its own.
type clientCall struct {
	by, service, method, args, options string // args and options are JSON; without options the timeout is long
	want                               string // the value as JSON, or the class of an error, its errcode, errtype and status; what ends with a comma is how it begins
}

// callByClient has a client of scripts/clients make calls, and checks what comes of them. The classes are PHP's; in Python
// their first names lack Motan or Motand. One call more, that JSON cannot carry, is made at the end.
func callByClient(t *testing.T, program, address string, calls []clientCall) {
	t.Helper()
	needClient(t, program, "curl.php")
	client, err := filepath.Abs(filepath.Join("..", "scripts", "clients", ourClients[program]))
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, c := range calls {
		if c.options == "" {
			c.options = `{"timeout":20000}`
		}
		list = append(list, fmt.Sprintf(`{"by":%q,"service":%q,"method":%q,"args":%s,"options":%s}`, c.by, c.service, c.method, c.args, c.options))
	}
	file := filepath.Join(t.TempDir(), "calls.json")
	if err := os.WriteFile(file, []byte("["+strings.Join(list, ",\n")+"]"), 0o600); err != nil {
		t.Fatal(err)
	}
	out := run(t, 0, t.TempDir(), program, testdata(t, "clients", "motand_client"+path.Ext(client)), client, address, file)
	lines := strings.Split(strings.TrimSpace(out), "\n")
	if len(lines) != len(calls)+1 {
		t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(calls)+1, cut(out))
	}
	for i, c := range slices.Concat(calls, []clientCall{{method: "(not JSON)", want: `"not JSON"`}}) {
		got := lines[i]
		if program == "php" {
			got = strings.Replace(got, `,[]]`, `,{}]`, 1) // PHP has one kind of array
		}
		if c.want != got && (!strings.HasSuffix(c.want, ",") || !strings.HasPrefix(got, c.want)) {
			t.Errorf("call %d, of %s: got %s, want %s", i, c.method, cut(got), cut(c.want))
		}
	}
}

// TestOurClients runs the clients of scripts/clients over TCP and a unix socket. All calls of one object go over one
// connection, but for one that was given up, and one whose body was not taken.
func TestOurClients(t *testing.T) {
	const demo = "com.example.DemoService"
	long := `"` + strings.Repeat("x", 1<<20) + `"`
	calls := []clientCall{
		{"a", demo, "hello", `["漢字"]`, "", `"hello 漢字"`},
		{"a", demo, "add", `[1,2]`, `{"signature":"int,int","group":"demo","timeout":20000}`, `3`},
		{"a", demo, "add", `[{"$type":"int32","value":5}]`, "", `5`},
		{"a", demo, "echo", `[[9223372036854775807,1.0,null,true,{"a":{"b":""}},{}]]`, "", `[9223372036854775807,1.0,null,true,{"a":{"b":""}},{}]`},
		{"a", demo, "echo", `[{"$bytes":"QQD/"}]`, "", `{"$bytes":"QQD/"}`},
		{"a", demo, "echo", `[` + long + `]`, "", long},
		{"a", demo, "add", `[1,2]`, "", `["MotandError",500,1,500]`}, // the demo's add takes no long
		{"a", demo, "add", `[1,2147483648]`, `{"signature":"int,int"}`, `["MotandError",400,1,400]`},
		{"a", demo, "fail", `["no luck"]`, "", `["MotandServiceException",30001,2,500]`},
		{"a", "no/such.Service", "he llo", `[]`, "", `["MotandError",400,1,404]`},
		{"a", "com.example.Gone", "hello", `[]`, "", `["MotandUnavailable",1001,1,503]`},
		{"a", demo, "slow", `[2000]`, `{"timeout":100}`, `["MotandTimeout",`},
		{"a", demo, "echo", `["` + strings.Repeat("x", 2<<20) + `"]`, "", `["MotandError",413,1,413]`},
		{"a", demo, "hello", `["again"]`, "", `"hello again"`},
	}
	yaml := strings.NewReplacer("motan-agent:", "motan-agent:\n  httpMaxBodySize: 2097152",
		"motan-service:", "  gone: {path: com.example.Gone, group: demo, protocol: motan2, registry: embedded}\nmotan-service:").Replace(demoYAML)
	tcp := startMotand(t, yaml)
	socket := filepath.Join(t.TempDir(), "http.sock")
	unix := startMotand(t, strings.Replace(yaml, "motan-agent:", "motan-agent:\n  httpProxyUnixSock: "+socket, 1))
	for program, client := range ourClients {
		for way, d := range map[string]*daemon{"tcp": tcp, "unix": unix} {
			t.Run(client+"/"+way, func(t *testing.T) {
				network, addr := "tcp", tcp.addr("http")
				if d == unix {
					network, addr = "unix", socket
				}
				front := countConnections(t, network, addr)
				callByClient(t, program, front.address, calls)
				if n := front.count.Load(); n > 3 {
					t.Errorf("the client opened %d connections, want one, and one more after each of two calls", n)
				}
			})
		}
		t.Run(client+"/down", func(t *testing.T) {
			callByClient(t, program, "http://127.0.0.1:1", []clientCall{{"a", demo, "hello", `[]`, `{}`, `["MotandDown",0,1,0]`}})
		})
	}
}

// TestOurClientsSendOnce has calls broken off in each way: none of them is sent a second time, "down" is told only of what was
// not sent, and the next call is not spoilt.
func TestOurClientsSendOnce(t *testing.T) {
	const options = `{"group":"g","version":"1.0","signature":"int","timeout":20000,"metadata":{"a":"é 漢","b":"","c":5}}`
	calls := []clientCall{
		{"a", "s", "options", `[1.0]`, options, `1`},
		{"b", "s", "leave", `[]`, "", `1`},
		{"a", "s", "m", `[]`, "", `1`},
		{"a", "s", "drop", `[]`, "", `["MotandError",0,1,0]`},
		{"a", "s", "m", `[]`, "", `1`},
		{"a", "s", "m", `[]`, `{"metadata":{"a":"1\r\nMOTAN-g: x"}}`, `["MotandError",0,1,0]`},
		{"a", "s", "429", `[]`, "", `["MotandUnavailable",7,1,429]`},
		{"a", "s", "503", `[]`, "", `["MotandUnavailable",7,1,503]`},
		{"a", "s", "504", `[]`, "", `["MotandTimeout",7,1,504]`},
		{"a", "s", "html", `[]`, "", `["MotandError",`}, // something else listens there
		{"a", "s", "stop", `[]`, "", `["MotandError",0,1,0]`},
		{"a", "s", "m", `[]`, "", `["MotandDown",0,1,0]`},
	}
	for program, client := range ourClients {
		t.Run(client, func(t *testing.T) {
			address, requests := startFickle(t)
			callByClient(t, program, address, calls)
			if n := len(requests); n != len(calls)-2 {
				t.Fatalf("got %d requests, want one for each call but the one that is refused here and the last", n)
			}
			first := <-requests
			for name, want := range map[string]string{
				"Content-Type": "application/json", "MOTAN-g": "g", "MOTAN-v": "1.0", "MOTAN-md": "int", "MOTAN-tmo": "20000",
				"Motan-Meta-a": "é 漢", "Motan-Meta-b": "", "Motan-Meta-c": "5",
			} {
				if got := first.Header.Values(name); len(got) != 1 || got[0] != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
			if got := first.Header.Get("Expect"); got != "" || first.ContentLength != 5 {
				t.Errorf("got Expect %q and Content-Length %d, want none and 5", got, first.ContentLength)
			}
		})
	}
}

// TestOurClientsAreSmall keeps the clients a page that is read before it is copied.
func TestOurClientsAreSmall(t *testing.T) {
	for _, client := range ourClients {
		text, err := os.ReadFile(filepath.Join("..", "scripts", "clients", client))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
		if len(lines) > 60 {
			t.Errorf("%s: got %d lines, want 60 at most", client, len(lines))
		}
		for i, line := range lines {
			if n := utf8.RuneCountInString(line); n > 140 {
				t.Errorf("%s:%d: got %d characters, want 140 at most", client, i+1, n)
			}
		}
	}
}

// front takes connections and leads them on.
type front struct {
	address string // as the clients take it
	count   atomic.Int64
}

// countConnections puts a front before an address until the test ends.
func countConnections(t *testing.T, network, addr string) *front {
	t.Helper()
	f := new(front)
	local := "127.0.0.1:0"
	if network == "unix" {
		local = filepath.Join(t.TempDir(), "front.sock")
	}
	l, err := net.Listen(network, local)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	f.address = "http://" + l.Addr().String()
	if network == "unix" {
		f.address = "unix://" + local
	}
	go func() { // ends with the listener
		for {
			in, err := l.Accept()
			if err != nil {
				return
			}
			f.count.Add(1)
			out, err := net.Dial(network, addr)
			if err != nil {
				in.Close()
				continue
			}
			var both sync.WaitGroup
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				both.Go(func() { // ends when no more comes from the second
					_, _ = io.Copy(pair[0], pair[1])
					_ = pair[0].(interface{ CloseWrite() error }).CloseWrite() // the other way goes on: a refused body is still being sent
				})
			}
			go func() { // ends with the two
				both.Wait()
				in.Close()
				out.Close()
			}()
		}
	}()
	return f
}
