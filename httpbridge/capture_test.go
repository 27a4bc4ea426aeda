package httpbridge

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

// exchangeOf is one exchange of a file in testdata.
type exchangeOf struct {
	section                string
	sent, behind, received string // lines, without their first words
}

// captured reads the capture of most kinds of calls.
func captured(t testing.TB) []exchangeOf {
	t.Helper()
	return capturedIn(t, "testdata/capture-motan-go.txt")
}

// capturedIn reads a capture.
func capturedIn(t testing.TB, file string) []exchangeOf {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var all []exchangeOf
	section, behind := "", ""
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSpace(line)
		n := len(all) - 1
		if s, ok := strings.CutPrefix(line, "--- "); ok {
			section = s
		} else if s, ok := strings.CutPrefix(line, "CLIENT SENT "); ok {
			all = append(all, exchangeOf{section: section, sent: s})
		} else if s, ok := strings.CutPrefix(line, "WEB GOT "); ok {
			all[n].behind = s
		} else if s, ok := strings.CutPrefix(line, "CLIENT GOT "); ok {
			all[n].received = s
		} else if s, ok := strings.CutPrefix(line, "PROVIDER GOT "); ok {
			behind = s
		} else if s, ok := strings.CutPrefix(line, "HTTP RESPONSE "); ok {
			all = append(all, exchangeOf{section: section, behind: behind, received: s})
			behind = ""
		}
	}
	return all
}

// capturedMeta is the metadata of a captured line.
func capturedMeta(t *testing.T, line string) map[string]string {
	t.Helper()
	_, rest, ok := strings.Cut(line, "meta=")
	if !ok {
		t.Fatalf("no metadata in %q", line)
	}
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil {
		t.Fatal(err)
	}
	text, err := strconv.Unquote(quoted)
	if err != nil {
		t.Fatal(err)
	}
	meta := map[string]string{}
	words := strings.Split(text, "\n")
	for i := 0; i+1 < len(words); i += 2 {
		meta[words[i]] = words[i+1]
	}
	return meta
}

// capturedAnswer is the answer of a captured line.
func capturedAnswer(t *testing.T, line string) answerOf {
	t.Helper()
	text, err := strconv.Unquote(line)
	if err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return readAnswer(t, bufio.NewReader(strings.NewReader(text)))
}

var capturedID = regexp.MustCompile(` id=(\d+) `)

// capturedBody is the body of a captured line.
func capturedBody(t *testing.T, line string) []byte {
	t.Helper()
	body, err := hex.DecodeString(line[strings.LastIndex(line, "body=")+len("body="):])
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// TestProviderCaptured sends the captured calls and compares what the web service got, and what came back, with the
// capture.
func TestProviderCaptured(t *testing.T) {
	const capturedHost = "127.0.0.1:21820"
	w := newWeb(t, nil)
	providers := map[string]*Provider{
		"web":    newProvider(t, ProviderSettings{Domain: "web.domain", ProxyAddress: w.host()}),
		"urlfmt": newProvider(t, ProviderSettings{URLFormat: "http://" + w.host() + "/api/%s.json"}),
	}
	n := 0
	for _, e := range captured(t) {
		if e.sent == "" || strings.HasPrefix(e.sent, "type=10") || strings.Contains(e.sent, "nosuch") {
			continue // another's
		}
		n++
		id := capturedID.FindStringSubmatch(e.sent)[1]
		t.Run("id="+id, func(t *testing.T) {
			meta := capturedMeta(t, e.sent)
			c := newCall(t, capturedBody(t, e.sent))
			for k, v := range meta {
				c.Request.Set(k, v)
			}
			number, err := strconv.ParseUint(id, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			c.Request.ID = number
			c.Request.Set("host", "127.0.0.1") // the agent's
			motan.Do(providers[meta["M_p"]], c)
			if id == "27" { // the motan-go agent panics
				checkReply(t, c, must(t, "webbody"))
				want := "GET /api/show.json?requestIdFromClient=27 HTTP/1.1\r\n"
				if got := w.last(t); !strings.HasPrefix(got, want) {
					t.Errorf("got %q, want %q first", got, want)
				}
				return
			}
			if e.behind != "" {
				want, err := strconv.Unquote(e.behind)
				if err != nil {
					t.Fatal(err)
				}
				got := strings.ReplaceAll(w.last(t), w.host(), capturedHost)
				if got != want {
					t.Errorf("the web service got\n%q\nwant\n%q", got, want)
				}
			}
			checkCaptured(t, c, e)
		})
	}
	if n != 7 {
		t.Errorf("compared %d exchanges, want 7", n)
	}
}

var date = regexp.MustCompile(`Date: [^\r]*\r\n`)

// checkCaptured compares the end of a call with what the captured client got.
func checkCaptured(t *testing.T, c *motan.Call, e exchangeOf) {
	t.Helper()
	want := capturedMeta(t, e.received)
	if text, failed := want["M_e"]; failed {
		if c.Err == nil || string(c.Err.Exception().AppendJSON(nil)) != text {
			t.Errorf("got the error %+v, want %s", c.Err, text)
		}
		return
	}
	if c.Err != nil {
		t.Fatalf("the call failed: %v", c.Err)
	}
	got := metadata(&c.Reply)
	for _, m := range []map[string]string{got, want} {
		if m["M_pt"] == "" {
			t.Error("no M_pt")
		}
		delete(m, "M_pt")
		delete(m, "Date")
	}
	if !maps.Equal(got, want) {
		t.Errorf("reply metadata:\n got %v\nwant %v", got, want)
	}
	if !strings.Contains(e.received, fmt.Sprintf("ser=%02x ", c.Reply.Serialize)) {
		t.Errorf("serialization: got %02x, want that of %.40s", c.Reply.Serialize, e.received)
	}
	gotBody := date.ReplaceAllString(string(c.Reply.Body()), "")
	wantBody := date.ReplaceAllString(string(capturedBody(t, e.received)), "")
	if gotBody != wantBody {
		t.Errorf("reply body:\n got %q\nwant %q", gotBody, wantBody)
	}
}

// capturedSite answers as the web service of testdata/capture-motan-go-raw.txt did.
func capturedSite(out http.ResponseWriter, r *http.Request) {
	h := out.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	switch r.URL.Path {
	case "/cookies":
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Server", "site/1")
		h.Add("Set-Cookie", "a=1; Path=/a")
		h.Add("Set-Cookie", "b=2; Path=/b")
		h.Set("X-Lower", "y")
	case "/head":
		h.Set("Content-Length", "77")
		return
	case "/none":
		out.WriteHeader(http.StatusNoContent)
		return
	case "/same":
		h.Set("Etag", `"v1"`)
		out.WriteHeader(http.StatusNotModified)
		return
	case "/moved":
		h.Set("Location", "http://shop.example.com/new")
		out.WriteHeader(http.StatusFound)
		return
	case "/chunks":
		out.(http.Flusher).Flush()
	case "/gzip":
		h.Set("Content-Encoding", "gzip")
	case "/broken":
		h.Set("Connection", "close")
		out.WriteHeader(http.StatusServiceUnavailable)
	}
	_, _ = io.WriteString(out, "body of "+r.URL.Path)
}

// TestProviderCapturedRaw sends the raw exchanges that motan-go's agent was seen to serve, and compares what the web service got
// and what came back, byte for byte but for the date.
func TestProviderCapturedRaw(t *testing.T) {
	w := newWeb(t, capturedSite)
	p := newProvider(t, ProviderSettings{Domain: "shop.example.com", ProxyAddress: w.host(), EnableRewrite: true, Locations: []Location{
		{Match: "/old", RewriteRules: []string{"start /old ^/old(.*) $1"}},
		{Match: "/var", RewriteRules: []string{"regexpVar ^/var ^/var /{id}"}},
		{Match: "/cookies"},
		{Match: "/head"},
		{Match: "/none"},
		{Match: "/same"},
		{Match: "/moved"},
		{Match: "/chunks"},
		{Match: "/gzip"},
		{Match: "/broken"},
	}})
	all := capturedIn(t, "testdata/capture-motan-go-raw.txt")
	for _, e := range all {
		meta := capturedMeta(t, e.sent)
		t.Run(meta["M_m"], func(t *testing.T) {
			c := newCall(t, capturedBody(t, e.sent))
			for k, v := range meta {
				c.Request.Set(k, v)
			}
			c.Request.ID = 1
			c.Request.Set("host", "127.0.0.1") // the agent's
			motan.Do(p, c)
			if e.behind != "" {
				want, err := strconv.Unquote(e.behind)
				if err != nil {
					t.Fatal(err)
				}
				if got := w.last(t); got != want {
					t.Errorf("the web service got\n%q\nwant\n%q", got, want)
				}
			}
			if meta["M_m"] == "/same" { // motan-go's answer has a type that the service has not sent
				want := strings.Replace(string(capturedBody(t, e.received)[10:]), "Content-Type: text/plain; charset=utf-8\r\n", "", 1)
				head, body := rawParts(t, c)
				if got := date.ReplaceAllString(head, ""); got+"\x03\x00\x00\x00\x00" != date.ReplaceAllString(want, "") || body != "" {
					t.Errorf("got %q and %q, want %q", got, body, want)
				}
				return
			}
			checkCaptured(t, c, e)
		})
	}
	if len(all) != 11 || len(w.asked) > 0 {
		t.Errorf("compared %d exchanges, want 11; the web service was asked %d times more", len(all), len(w.asked))
	}
}
