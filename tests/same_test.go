package tests

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
)

// sameCase is a frame that motan-go's agent and motand are sent, one after the other.
type sameCase struct {
	name string
	port string
	f    rawFrame
	// differs is why motand does not do what motan-go does; empty: it does. Then ours is what motand does, and what
	// motan-go does must be something else, so that the reason cannot outlive the difference.
	differs string
	ours    string
}

// sameYAML is read by both agents: motan-go knows some keys of agentYAML as little as motand those of motan-go.
func sameYAML(provider, gone, web string) string {
	_, port, _ := strings.Cut(provider, ":")
	_, gonePort, _ := strings.Cut(gone, ":")
	return agentYAML + `  log_dir: ./logs
motan-registry:
  provider: {protocol: direct, host: 127.0.0.1, port: ` + port + `}
motan-refer:
  one: {path: com.example.One, group: demo, protocol: motan2, registry: provider, requestTimeout: 400, serialization: simple, asyncInitConnection: false}
  north: {path: com.example.Two, group: north, protocol: motan2, registry: provider, requestTimeout: 400, asyncInitConnection: false}
  south: {path: com.example.Two, group: south, protocol: motan2, registry: provider, requestTimeout: 400, asyncInitConnection: false}
motan-service:
  one: {path: com.example.One, group: demo, protocol: motan2, provider: motan2, proxy: "motan2:` + port + `", export: "motan2:{{.export}}", registry: provider, requestTimeout: 400, serialization: simple}
  gone: {path: com.example.Gone, group: demo, protocol: motan2, provider: motan2, proxy: "motan2:` + gonePort + `", export: "motan2:{{.export}}", registry: provider, requestTimeout: 400, serialization: simple}
  web: {path: com.example.Web, group: demo, protocol: motan2, provider: http, proxyAddress: "` + web + `", domain: web.example.com, enableRewrite: false, export: "motan2:{{.export}}", registry: provider, requestTimeout: 2000, serialization: simple}
  strict: {path: com.example.Strict, group: demo, protocol: motan2, provider: http, proxyAddress: "` + web + `", domain: web.example.com, enableRewrite: false, enableHttpException: true, export: "motan2:{{.export}}", registry: provider, requestTimeout: 2000, serialization: simple}
  ruled: {path: com.example.Ruled, group: demo, protocol: motan2, provider: http, proxyAddress: "` + web + `", domain: ruled.example.com, export: "motan2:{{.export}}", registry: provider, requestTimeout: 2000, serialization: simple}
  format: {path: com.example.Format, group: demo, protocol: motan2, provider: http, URL_FORMAT: "http://` + web + `/api/%s", HTTP_REQUEST_METHOD: POST, export: "motan2:{{.export}}", registry: provider, requestTimeout: 2000, serialization: simple}
`
}

// sameProvider answers by the method that is called.
func sameProvider(request *motan.Frame) *motan.Frame {
	reply := new(motan.Frame)
	reply.Serialize = request.Serialize
	switch string(request.Method()) {
	case "silent":
		return nil
	case "biz":
		reply.SetException(motan.Exception{Code: 30001, Type: motan.TypeBiz, Message: "no <luck>\nat all"})
	case "service":
		reply.SetException(motan.Exception{Code: 500, Type: motan.TypeService, Message: "broken"})
	case "bare":
		reply.Status = 1<<3 | 1
	case "odd":
		reply.Set("M_e", `{"errcode":1,"errmsg":"x","errtype":1}`)
		reply.SetBody(request.Body())
	case "timed":
		reply.Set("M_pt", "31415")
		reply.Set("x-forwarded-for", "10.0.0.1:1")
		reply.SetBody(request.Body())
	case "packed":
		reply.Type = motan.FlagGzip
		reply.SetBody(request.Body())
	default:
		_ = request.Inflate(1 << 20) // a body that cannot be read is sent back as it is
		reply.Set("server-att", "sv")
		reply.SetBody(request.Body())
	}
	return reply
}

// webService answers with what it was asked.
func webService(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Date", "Sun, 01 Nov 2026 12:00:00 GMT") // the real one would differ from call to call
	w.Header().Set("Content-Type", "text/plain")
	w.Header().Set("X-Answer", "yes")
	switch {
	case strings.HasSuffix(r.URL.Path, "missing"):
		w.WriteHeader(http.StatusNotFound)
	case strings.HasSuffix(r.URL.Path, "broken"):
		w.WriteHeader(http.StatusInternalServerError)
	}
	r.Header.Del("User-Agent") // each says its own name
	text := fmt.Sprintf("%s %s host=%s body=%q", r.Method, r.URL.RequestURI(), r.Host, body)
	for _, name := range slices.Sorted(maps.Keys(r.Header)) {
		text += fmt.Sprintf(" %s=%q", name, r.Header[name])
	}
	_, _ = io.WriteString(w, text) // who has gone will be missed by the test
}

// describe is a frame as text: all that is on the wire, metadata sorted. A time that was measured is a star.
func describe(f *motan.Frame, id bool) string {
	var b strings.Builder
	fmt.Fprintf(&b, "type=%02x status=%02x serialize=%02x", f.Type, f.Status, f.Serialize)
	if id {
		fmt.Fprintf(&b, " id=%d", f.ID)
	}
	all := motantest.Metadata(f)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		value := all[name]
		if _, err := strconv.Atoi(value); name == "M_pt" && err == nil && value != "31415" {
			value = "*"
		}
		fmt.Fprintf(&b, " %s=%q", name, value)
	}
	if f.Gzipped() && f.Inflate(1<<20) == nil { // the bytes depend on who has packed them
		b.WriteString(" packed")
	}
	fmt.Fprintf(&b, " body=%q", date.ReplaceAll(f.Body(), []byte("Date: *"))) // motan-go writes the present one
	return b.String()
}

// date is that of an HTTP header within a body.
var date = regexp.MustCompile(`Date: \w{3}, [\w :]+ GMT`)

// observe sends each case's frame to the agent in s and returns what the provider got and what came back.
func observe(t *testing.T, s *setup, provider *motantest.Server, cases []sameCase) map[string]string {
	t.Helper()
	seen := make(map[string]string)
	for _, tt := range cases {
		before := len(provider.Frames())
		c := motantest.Dial(t, s.addr(tt.port))
		c.Write(tt.f.bytes())
		answer := "closed"
		if reply, err := receiveOrClose(c.Conn); err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		} else if reply != nil {
			answer = describe(reply, true)
		}
		c.Conn.Close()
		text := ""
		for _, raw := range provider.Frames()[before:] {
			f := new(motan.Frame)
			if _, err := f.Decode(raw, len(raw)); err != nil {
				t.Fatal(err)
			}
			text += "provider: " + describe(f, false) + "\n"
		}
		seen[tt.name] = text + "caller: " + answer
	}
	return seen
}

// receiveOrClose reads a frame, or returns nil where the peer has closed the connection instead.
func receiveOrClose(conn net.Conn) (*motan.Frame, error) {
	if err := conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	raw, err := motantest.ReadFrame(conn)
	if errors.Is(err, io.EOF) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	f := new(motan.Frame)
	_, err = f.Decode(raw, len(raw))
	return f, err
}

// TestSameAsMotanGo runs motan-go's agent and then motand on one and the same configuration and the same
// ports, and sends both the same frames. What the provider gets and what the caller gets must be the same,
// field by field; where it is not, the table says why.
func TestSameAsMotanGo(t *testing.T) {
	provider := motantest.NewServer(t, sameProvider)
	web := httptest.NewServer(http.HandlerFunc(webService))
	defer web.Close()
	s := newSetup(t)
	yaml := sameYAML(provider.Addr(), s.addr("gone"), strings.TrimPrefix(web.URL, "http://"))
	cases := slices.Concat(outboundCases(t), inboundCases(t), webCases(t))

	peer := startProcess(t, "motan-go's agent", s.dir, motango(t), "agent", "-c", s.configure(yaml))
	for _, port := range []string{"export", "motan"} { // which motan-go opens last
		await(t, "motan-go's agent to listen", func() bool {
			if !peer.Running() {
				t.Fatal("motan-go's agent ended")
			}
			conn, err := net.Dial("tcp", s.addr(port))
			if err != nil {
				return false
			}
			conn.Close()
			return true
		})
	}
	theirs := observe(t, s, provider, cases)
	peer.Kill()
	d := startMotandIn(s, yaml)
	ours := observe(t, s, provider, cases)
	d.Stop()

	fill := strings.NewReplacer("{provider}", provider.Addr(), "{web}", strings.TrimPrefix(web.URL, "http://"))
	for _, tt := range cases {
		t.Run(tt.name, func(t *testing.T) {
			got, peer := ours[tt.name], theirs[tt.name]
			want := peer
			if tt.differs != "" {
				want = fill.Replace(tt.ours)
				if peer == want {
					t.Errorf("motan-go does as motand does: take the difference out of the table (%s)", tt.differs)
				}
			}
			if got != want {
				t.Errorf("motand:\n%s\nwant:\n%s\nmotan-go:\n%s", got, want, peer)
			}
		})
	}
}

func encoded(t *testing.T, values ...any) []byte {
	t.Helper()
	var body []byte
	for _, v := range values {
		var err error
		if body, err = simple.Append(body, v); err != nil {
			t.Fatal(err)
		}
	}
	return body
}

func packed(t *testing.T, text string) []byte {
	t.Helper()
	f := new(motan.Frame)
	f.SetBody(bytes.Repeat([]byte(text), 10))
	if err := f.Deflate(1); err != nil {
		t.Fatal(err)
	}
	return f.Body()
}
