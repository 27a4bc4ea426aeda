package tests

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// javaPeer is a run of Motan Java as tests/peers/java has it.
type javaPeer struct {
	*process
	in io.WriteCloser
}

// startJava runs the peer with the arguments until the test ends. The test is skipped where it was not built.
func startJava(t testing.TB, args ...string) *javaPeer {
	t.Helper()
	need(t, "java")
	dir, err := filepath.Abs(filepath.Join("..", "bin", "java"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "com", "example", "Peer.class")); err != nil {
		t.Skip("skipped: Motan Java is not built: make java does it, and needs javac, maven and a registry of Java libraries")
	}
	options := []string{
		"-Xmx128m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", // what Hessian wants of Java 17 is no option of Java 8:
		"-XX:+IgnoreUnrecognizedVMOptions", "--add-opens=java.base/java.lang=ALL-UNNAMED", "-cp", dir + "/*:" + dir, "com.example.Peer",
	}
	p := &process{
		t: t, name: "Motan Java " + args[0], done: make(chan struct{}),
		cmd: exec.Command("java", append(options, args...)...),
	}
	p.cmd.Dir, p.cmd.Stdout, p.cmd.Stderr, p.cmd.SysProcAttr = t.TempDir(), &p.out, &p.out, dieWithUs()
	in, err := p.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatalf("start %s: %v", p.name, err)
	}
	go func() { // ends with the process, which the cleanup kills
		_ = p.cmd.Wait() // what it says is in cmd.ProcessState
		close(p.done)
	}()
	t.Cleanup(func() {
		p.Kill()
		if t.Failed() {
			t.Logf("%s wrote:\n%s", p.name, tail(p.Output(), 60))
		}
	})
	j := &javaPeer{process: p, in: in}
	await(t, p.name+" to be ready", func() bool {
		if !p.Running() {
			t.Fatalf("%s ended with exit code %d", p.name, p.Wait())
		}
		return len(j.lines("ready")) > 0
	})
	return j
}

// lines are what follows the word in each line that begins with it.
func (j *javaPeer) lines(word string) []string {
	var found []string
	for line := range strings.Lines(j.Output()) {
		if rest, ok := strings.CutPrefix(strings.TrimRight(line, "\r\n"), word); ok {
			found = append(found, strings.TrimPrefix(rest, " "))
		}
	}
	return found
}

// ask has the client make one call, and waits for its end.
func (j *javaPeer) ask(line string) {
	j.t.Helper()
	before := len(j.lines("answer")) + len(j.lines("failed"))
	if _, err := io.WriteString(j.in, line+"\n"); err != nil {
		j.t.Fatalf("tell %s: %v", j.name, err)
	}
	await(j.t, "an answer at Motan Java", func() bool { return len(j.lines("answer"))+len(j.lines("failed")) > before })
}

// hello has the client make one call, and returns its answer.
func (j *javaPeer) hello(name string) string {
	j.t.Helper()
	before := len(j.lines("failed"))
	j.ask(name)
	if failed := j.lines("failed"); len(failed) > before {
		j.t.Fatalf("hello %q at %s failed: %s", name, j.name, failed[len(failed)-1])
	}
	answers := j.lines("answer")
	return answers[len(answers)-1]
}

const javaService = "com.example.JavaEcho"

// javaRefer refers to the service in both forms: over HTTP, and as a provider for Java.
func javaRefer(settings, group, serialization string) string {
	return agentYAML + `
motan-registry:
  zk: ` + settings + `
motan-refer:
  echo: {path: ` + javaService + `, group: ` + group + `, protocol: motan2, registry: zk, requestTimeout: 20000, version: "1.0", serialization: ` + serialization + `}
`
}

// loopbackName is a name of this host that stands for a loopback address. Motan Java registers no such address, and not
// "localhost": it would take one from the network. The test is skipped where there is no such name.
func loopbackName(t testing.TB) string {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	addrs, err := net.DefaultResolver.LookupNetIP(t.Context(), "ip4", name)
	if err != nil || len(addrs) == 0 || !addrs[0].IsLoopback() {
		t.Skipf("skipped: the name of this host, %s, stands for %v (%v), and this test keeps to the loopback interface", name, addrs, err)
	}
	return name
}

// TestJavaServerIsFound has Motan Java register a service in a real ZooKeeper, and motand's callers call it: Go over HTTP.
// When it leaves, it is not called any more.
func TestJavaServerIsFound(t *testing.T) {
	server := zktest.Start(t)
	java := startJava(t, "server", server.Addr, loopbackName(t), strconv.Itoa(freePort(t)), "java", "simple")
	d := startMotand(t, javaRefer(zkSettings(server.Addr), "java", "simple"), "-localIP", "127.0.0.1")
	await(t, "Java's service to be called", func() bool { return d.rpc(javaService, "hello", `["日本"]`).status == http.StatusOK })
	d.rpc(javaService, "hello", `["日本"]`).want(http.StatusOK, `"hello 日本 from java"`)
	z := tree{t, server.Client()}
	for _, name := range z.children("/motan/java/" + javaService + "/server") {
		data, _, err := z.conn.Get("/motan/java/" + javaService + "/server/" + name)
		t.Logf("Java's node %s: %q, %v", name, data, err)
	}
	_ = java.in.Close() // fails when Java has ended, which is noticed below
	await(t, "Java's node to be gone", func() bool { return len(z.children("/motan/java/"+javaService+"/server")) == 0 })
}

// TestJavaTakesTypes calls a Java method whose parameters are of types that JSON has not. Java refuses the long that JSON's
// integers are; with the types named, by each of the ways there are, PHP's and Python's integers reach its int.
func TestJavaTakesTypes(t *testing.T) {
	server := zktest.Start(t)
	startJava(t, "server", server.Addr, loopbackName(t), strconv.Itoa(freePort(t)), "java", "simple")
	const types = "int,java.lang.Integer,long,double,boolean,byte[],java.util.List,java.util.Map"
	refer := javaRefer(zkSettings(server.Addr), "java", "simple")
	plain := startMotand(t, refer, "-localIP", "127.0.0.1")
	described := startMotand(t, strings.Replace(refer, "serialization: simple}", `serialization: simple, "typed(`+types+`).description": "of several types"}`, 1), "-localIP", "127.0.0.1")
	const args = `[1,2,3,4,true,"AQI=",["x",{"$type":"int32","value":5}],{"k":"v"}]`
	const want = `"1 2 3 4.0 true [1, 2] [x, 5] {k=v}"`
	for _, d := range []*daemon{plain, described} {
		await(t, "Java's service to be called", func() bool { return d.rpc(javaService, "hello", `["x"]`).status == http.StatusOK })
	}
	plain.rpc(javaService, "typed", args, "MOTAN-md", types).want(http.StatusOK, want)
	described.rpc(javaService, "typed", args).want(http.StatusOK, want)
	plain.rpc(javaService, "typed", strings.Replace(args, "[1,2", `[{"$type":"int32","value":1},null`, 1), "MOTAN-md", types).
		want(http.StatusOK, strings.Replace(want, "1 2 ", "1 null ", 1))
	plain.rpc(javaService, "typed", strings.Replace(args, "[1,", "[2147483648,", 1), "MOTAN-md", types).problem(http.StatusBadRequest)
	if answer := plain.rpc(javaService, "typed", args); answer.status == http.StatusOK {
		t.Errorf("Java takes a long for an int now: got %s without the types", answer.body)
	}
	for program, client := range ourClients {
		t.Run(client, func(t *testing.T) {
			bytes := strings.Replace(args, `"AQI="`, `{"$bytes":"AQI="}`, 1)
			callByClient(t, program, described.url("http", ""), []clientCall{{"a", javaService, "typed", bytes, `{"signature":"` + types + `","timeout":20000}`, want}})
		})
	}
}

// TestJavaFindsMotand has Motan Java subscribe to what motand announces, in each serialization that both know: its call goes
// through motand to a provider. Then a second provider comes and the first goes.
func TestJavaFindsMotand(t *testing.T) {
	server := zktest.Start(t)
	settings := zkSettings(server.Addr)
	for _, serialization := range []string{"simple", "breeze", "hessian2"} {
		t.Run(serialization, func(t *testing.T) {
			export := func(p *motantest.Server) *daemon {
				yaml := exportYAML(0, "zk", settings)
				yaml = strings.Replace(yaml, "proxy: motan2:0", "proxy: motan2:"+portOf(p.Addr()), 1)
				yaml = strings.Replace(yaml, "propagationDelay: 0", "propagationDelay: 1000", 1)
				yaml = strings.Replace(yaml, "serialization: simple", "serialization: "+serialization, 1)
				yaml = strings.Replace(yaml, "group: demo", "group: "+serialization, 1)
				yaml = strings.Replace(yaml, "com.example.Both", javaService+"\n    version: \"1.0\"", 1)
				return startMotandUp(t, newSetup(t), yaml)
			}
			z := tree{t, server.Client()}
			folder := "/motan/" + serialization + "/" + javaService + "/server"
			listed := func(n int) {
				t.Helper()
				await(t, strconv.Itoa(n)+" to be listed", func() bool { return len(z.children(folder)) == n })
			}
			same := func(request *motan.Frame) *motan.Frame {
				reply := motantest.Echo(request)
				reply.Serialize = request.Serialize
				return reply
			}
			one, two := motantest.NewServer(t, same), motantest.NewServer(t, same)
			first := export(one)
			listed(1)
			java := startJava(t, "client", server.Addr, serialization, serialization)
			if got := java.hello("äöü"); got != "äöü" {
				t.Errorf("got %q, want what was sent", got)
			}
			if len(one.Frames()) == 0 {
				t.Error("the call did not come to the provider")
			}
			export(two)
			listed(2)
			await(t, "the second to be called", func() bool {
				java.hello("again")
				return len(two.Frames()) > 0
			})
			first.Stop()
			for range 20 {
				if got := java.hello("still"); got != "still" {
					t.Errorf("after the first has gone: got %q, want still", got)
				}
			}
		})
	}
}

// TestJavaCallsJSON has Motan Java call a plain HTTP/JSON service as if it were one of Motan with typed methods: what its long has
// become a part of a path, and the JSON that comes back is the map of its interface.
func TestJavaCallsJSON(t *testing.T) {
	server := zktest.Start(t)
	site := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		if name, ok := strings.CutPrefix(r.URL.Path, "/hello/"); ok {
			_, _ = fmt.Fprintf(w, "%q", "hello "+name+" from JSON")
			return
		}
		id := strings.TrimPrefix(r.URL.Path, "/users/")
		if id == "404" {
			w.WriteHeader(http.StatusNotFound)
		}
		_, _ = fmt.Fprintf(w, `{"id": %s, "name": "Ada", "tags": ["a", "b"], "ratio": 1.5, "boss": null}`, id)
	}))
	t.Cleanup(site.Close)
	d := startMotand(t, agentYAML+`
motan-registry:
  zk: `+zkSettings(server.Addr)+`
motan-service:
  echo: {path: `+javaService+`, group: json, protocol: motan2, registry: zk, export: "motan2:{{.export}}", version: "1.0", available: auto,
    provider: http, proxyAddress: "`+strings.TrimPrefix(site.URL, "http://")+`", enableRewrite: false, requestTimeout: 20000, serialization: simple}
http-service:
  echo:
    hello: {path: "/hello/{0}", result: java.lang.String}
    get: {path: "/users/{0}"}
`, "-localIP", "127.0.0.1")
	await(t, "the service to be listed", func() bool {
		return len((tree{t, server.Client()}).children("/motan/json/"+javaService+"/server")) == 1
	})
	java := startJava(t, "client", server.Addr, "json", "simple")
	await(t, "Java to know the service", func() bool {
		java.ask("Ada")
		return len(java.lines("answer")) > 0
	})
	for line, want := range map[string]string{
		"Ada / é":                 "hello Ada / é from JSON",
		"get 9223372036854775807": "{boss=null, id=9223372036854775807, name=Ada, ratio=1.5, tags=[a, b]}",
	} {
		if got := java.hello(line); got != want {
			t.Errorf("%s: got %s, want %s", line, got, want)
		}
	}
	java.ask("get 404")
	if failed := java.lines("failed"); len(failed) == 0 || !strings.Contains(failed[len(failed)-1], "Ada") {
		t.Errorf("a status of 404: got %q, want an exception with the body", failed)
	}
	if !d.Running() {
		t.Error("motand has ended")
	}
}
