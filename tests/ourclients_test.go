package tests

import (
	"io"
	"net"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
)

// ourClientSteps is what each step of testdata/clients/motand_client.* prints: a value, or the class of an error, its
// errcode, errtype and status. In Python the first names lack Motand.
var ourClientSteps = []string{
	`"hello 漢字"`,
	`3`,
	`5`,
	`[9223372036854775807,1.0,null,true,{"a":{"b":""}},{}]`,
	`true`,
	`["MotandError",500,1,500]`, // the demo's add takes no long
	`["MotandError",400,1,400]`, // out of range
	`["MotandServiceException",30001,2,500]`,
	`["MotandTimeout",`,
	`["MotandError",400,1,404]`,
	`["hello a","MotandServiceException","b"]`,
	`[]`,
	`1048576`,
	`["MotandDown",0,1,0]`,
}

// TestOurClients runs the clients of scripts/clients over TCP and a unix socket, against their own tables of errors. All
// calls of one object go over one connection, but for one that was given up.
func TestOurClients(t *testing.T) {
	tcp := startMotand(t, demoYAML)
	socket := filepath.Join(t.TempDir(), "http.sock")
	unix := startMotand(t, strings.Replace(demoYAML, "motan-agent:", "motan-agent:\n  httpProxyUnixSock: "+socket, 1))
	for _, c := range []struct{ program, script, client string }{
		{"php", "motand_client.php", "motand.php"},
		{"python3", "motand_client.py", "motand.py"},
	} {
		client, err := filepath.Abs(filepath.Join("..", "scripts", "clients", c.client))
		if err != nil {
			t.Fatal(err)
		}
		for way, d := range map[string]*daemon{"tcp": tcp, "unix": unix} {
			t.Run(c.client+"/"+way, func(t *testing.T) {
				needClient(t, c.program, "curl.php")
				network, addr := "tcp", tcp.addr("http")
				if d == unix {
					network, addr = "unix", socket
				}
				front := countConnections(t, network, addr)
				out := run(t, 0, t.TempDir(), c.program, testdata(t, "clients", c.script), client, front.address)
				lines := strings.Split(strings.TrimSpace(out), "\n")
				if len(lines) != len(ourClientSteps) {
					t.Fatalf("got %d lines, want %d:\n%s", len(lines), len(ourClientSteps), out)
				}
				for i, want := range ourClientSteps {
					got := strings.ReplaceAll(lines[i], ", ", ",")
					if got = strings.ReplaceAll(got, ": ", ":"); c.program == "php" {
						got = strings.Replace(got, `,[]]`, `,{}]`, 1) // PHP has one kind of array
					}
					if want != got && (!strings.HasSuffix(want, ",") || !strings.HasPrefix(got, want)) {
						t.Errorf("step %d: got %s, want %s", i, cut(got), want)
					}
				}
				if n := front.count.Load(); n > 2 {
					t.Errorf("the client opened %d connections, want one, and one more after the call that was given up", n)
				}
			})
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
			for _, pair := range [][2]net.Conn{{in, out}, {out, in}} {
				go func() { // ends with either connection
					_, _ = io.Copy(pair[0], pair[1])
					pair[0].Close()
					pair[1].Close()
				}()
			}
		}
	}()
	return f
}
