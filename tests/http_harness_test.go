package tests

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// webAnswer is what an HTTP server has answered.
type webAnswer struct {
	t      testing.TB
	status int
	header http.Header
	body   string
	closes bool // the server closes the connection behind it
}

// ask makes a request on a connection of its own. Headers are name, value, name, value … and go out in the
// case in which they are given.
func ask(t testing.TB, method, url, body string, headers ...string) webAnswer {
	t.Helper()
	request, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i+1 < len(headers); i += 2 {
		request.Header[headers[i]] = append(request.Header[headers[i]], headers[i+1])
	}
	client := http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		t.Fatalf("%s %s: %v", method, url, err)
	}
	return readAnswer(t, response)
}

func readAnswer(t testing.TB, response *http.Response) webAnswer {
	t.Helper()
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("read the body of an answer with status %d: %v", response.StatusCode, err)
	}
	return webAnswer{t, response.StatusCode, response.Header, string(body), response.Close}
}

// rpc makes a call of the service's method with the JSON array of arguments.
func (d *daemon) rpc(service, method, arguments string, headers ...string) webAnswer {
	d.t.Helper()
	headers = append([]string{"Content-Type", "application/json"}, headers...)
	return ask(d.t, http.MethodPost, d.url("http", "/rpc/"+service+"/"+method), arguments, headers...)
}

// want fails the test unless the answer has the status and the JSON text; both may be spaced as they like.
func (a webAnswer) want(status int, text string) {
	a.t.Helper()
	if a.status != status || compact(a.body) != compact(text) {
		a.t.Errorf("got %d %s, want %d %s", a.status, cut(a.body), status, cut(text))
	}
}

// problem fails the test unless the answer has the status and is an error in JSON, which it returns.
func (a webAnswer) problem(status int) motan.Exception {
	a.t.Helper()
	var x motan.Exception
	if a.status != status {
		a.t.Errorf("got status %d, want %d: %s", a.status, status, cut(a.body))
	}
	if kind := a.header.Get("Content-Type"); kind != "application/json" {
		a.t.Errorf("status %d: got Content-Type %q, want application/json", a.status, kind)
	}
	d := json.NewDecoder(strings.NewReader(a.body))
	d.DisallowUnknownFields()
	if err := d.Decode(&x); err != nil || x.Message == "" {
		a.t.Errorf("status %d: body %s is not an error in JSON: %v", a.status, cut(a.body), err)
	}
	return x
}

func compact(text string) string {
	var b bytes.Buffer
	if err := json.Compact(&b, []byte(text)); err != nil {
		return text
	}
	return b.String()
}

// cut is text, shortened to what fits a message.
func cut(text string) string {
	if len(text) > 500 {
		return text[:500] + "… (" + strconv.Itoa(len(text)) + " bytes)"
	}
	return text
}

// webConn is a connection on which HTTP is written by hand.
type webConn struct {
	t    testing.TB
	conn net.Conn
	in   *bufio.Reader
}

// dialWeb connects until the test ends. Addr is host:port, or a path, which begins with a slash.
func dialWeb(t testing.TB, addr string) *webConn {
	t.Helper()
	network := "tcp"
	if strings.HasPrefix(addr, "/") {
		network = "unix"
	}
	conn, err := net.DialTimeout(network, addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	return &webConn{t, conn, bufio.NewReader(conn)}
}

// write sends text. A server that has refused a request already may not read all of it.
func (c *webConn) write(text string) { _, _ = io.WriteString(c.conn, text) }

// answer reads the next answer.
func (c *webConn) answer() webAnswer {
	c.t.Helper()
	response, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.t.Fatalf("read an answer: %v", err)
	}
	return readAnswer(c.t, response)
}

// ended tells whether the peer has closed the connection and nothing more came.
func (c *webConn) ended() bool {
	_, err := c.in.ReadByte()
	var timeout net.Error
	return err != nil && (!errors.As(err, &timeout) || !timeout.Timeout())
}

// httpText is a request as it goes over the wire. Headers are whole lines.
func httpText(method, target, body string, headers ...string) string {
	text := method + " " + target + " HTTP/1.1\r\nHost: 127.0.0.1\r\n"
	for _, line := range headers {
		text += line + "\r\n"
	}
	if body != "" || method == http.MethodPost {
		text += "Content-Length: " + strconv.Itoa(len(body)) + "\r\n"
	}
	return text + "\r\n" + body
}

// need skips the test where one of the programs is not installed.
func need(t testing.TB, programs ...string) {
	t.Helper()
	for _, program := range programs {
		if _, err := exec.LookPath(program); err != nil {
			t.Skipf("skipped: %s is not installed, and this test runs it", program)
		}
	}
}

// run runs a program in the folder dir to its end and returns what it wrote to standard output. It must end
// with the exit code.
func run(t testing.TB, code int, dir, exe string, args ...string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	var stderr bytes.Buffer
	cmd.Dir, cmd.Stderr, cmd.SysProcAttr = dir, &stderr, dieWithUs()
	cmd.Env = append(environment(), "GORACE=atexit_sleep_ms=0") // else each command takes a second longer
	out, err := cmd.Output()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("run %s: %v", exe, err)
	}
	if got := cmd.ProcessState.ExitCode(); got != code {
		t.Errorf("%s %s: got exit code %d, want %d\n%s%s", filepath.Base(exe), strings.Join(args, " "), got, code, cut(string(out)), cut(stderr.String()))
	}
	return string(out)
}

// testdata is the path of a file of testdata, for programs that run in a folder of their own.
func testdata(t testing.TB, name ...string) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join(append([]string{"testdata"}, name...)...))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// decode reads JSON; integers keep all their digits.
func decode(t testing.TB, text string) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s is not JSON: %v", cut(text), err)
	}
	return v
}

// socketClient makes its requests over the unix socket, whatever the host of the URL.
func socketClient(path string) *http.Client {
	return &http.Client{Timeout: patience, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", path)
		},
	}}
}
