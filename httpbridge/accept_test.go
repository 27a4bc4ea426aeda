package httpbridge

import (
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

func TestAccept(t *testing.T) {
	tests := []struct {
		header            string
		text, bytes, list form // for a string, for bytes, for another value
	}{
		{"", formJSON, formJSON, formJSON},
		{"*/*", formJSON, formJSON, formJSON},
		{"application/json", formJSON, formJSON, formJSON},
		{"text/plain", formText, formNone, formNone},
		{"application/octet-stream", formNone, formRaw, formNone},
		{"text/plain, application/json;q=0.9", formText, formJSON, formJSON},
		{"application/json, text/plain, */*", formJSON, formJSON, formJSON}, // a library of browsers' by default
		{"text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", formJSON, formJSON, formJSON},
		{"text/html, image/gif, *; q=.2, */*; q=.2", formJSON, formJSON, formJSON},
		{"TEXT/*;q=0.5, application/json;Q=0.4", formText, formJSON, formJSON},
		{"application/*", formJSON, formJSON, formJSON},
		{"application/octet-stream, */*;q=0.001", formJSON, formRaw, formJSON},
		{"application/json;q=0, */*", formText, formRaw, formNone},
		{"text/html", formNone, formNone, formNone},
		{"text/json", formJSON, formJSON, formJSON},
		{"application/problem+json", formJSON, formJSON, formJSON},
		{"text/plain;q=0.000", formNone, formNone, formNone},
		{",;q=,a;q", formNone, formNone, formNone},
	}
	for _, tt := range tests {
		t.Run(tt.header, func(t *testing.T) {
			a := parseAccept([]byte(tt.header))
			if text, raw, list := a.choose(simple.TagString), a.choose(simple.TagBytes), a.choose(simple.TagList); text != tt.text || raw != tt.bytes || list != tt.list {
				t.Errorf("got %d, %d, %d, want %d, %d, %d", text, raw, list, tt.text, tt.bytes, tt.list)
			}
		})
	}
}

func TestTakesGzip(t *testing.T) {
	for header, want := range map[string]bool{
		"": false, "gzip": true, "br, GZIP;q=0.1": true, "gzip;q=0": false, "x-gzip": true, "identity": false, "*": false, "deflate, br": false,
	} {
		if got := takesGzip([]byte(header)); got != want {
			t.Errorf("%q: got %t, want %t", header, got, want)
		}
	}
}

// TestAnswerForms checks what is answered to each Accept.
func TestAnswerForms(t *testing.T) {
	tests := []struct {
		name, accept string
		value        any
		status       int
		kind, body   string
	}{
		{"text", "text/plain", "é\n", 200, "text/plain; charset=utf-8", "é\n"},
		{"raw", "application/octet-stream", []byte{0, 255}, 200, "application/octet-stream", "\x00\xff"},
		{"bytes as JSON", "*/*", []byte{0, 255}, 200, "application/json", `{"$bytes":"AP8="}`},
		{"a list as text", "text/plain", []any{int64(1)}, 406, "", "another kind"},
		{"null as text", "text/plain", nil, 406, "", "another kind"},
		{"none of them", "image/png", "x", 406, "", "text/plain"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, &Server{Handler: motan.HandlerFunc(reply(tt.value))})
			got := ask(t, l.Dial, post("/rpc/s/m", `[]`, "Accept: "+tt.accept))
			if tt.status != 200 {
				checkError(t, got, tt.status, tt.body)
				return
			}
			if got.status != 200 || got.body != tt.body || got.headers.Get("Content-Type") != tt.kind {
				t.Errorf("got %d %s %q, want %s %q", got.status, got.headers.Get("Content-Type"), got.body, tt.kind, tt.body)
			}
		})
	}
}

// TestAcceptOfNothing makes no call for a client that takes none of the forms.
func TestAcceptOfNothing(t *testing.T) {
	r := record(reply(nil))
	l := serve(t, &Server{Handler: r})
	checkError(t, ask(t, l.Dial, post("/rpc/s/m", `[]`, "Accept: text/html")), 406, "application/json")
	if len(r.got) > 0 {
		t.Error("a call was made")
	}
}

// TestGzipOfAnswers checks when an answer is compressed.
func TestGzipOfAnswers(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo), GzipSize: 100})
	long := `["` + strings.Repeat("x", 100) + `"]`
	for _, tt := range []struct {
		name, body, line string
		coding, vary     string
	}{
		{"asked for", long, "Accept-Encoding: gzip, deflate", "gzip", "Accept-Encoding"},
		{"not asked for", long, "X: y", "", "Accept-Encoding"},
		{"small", `["x"]`, "Accept-Encoding: gzip", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, l.Dial, post("/rpc/s/m", tt.body, tt.line))
			if got.status != 200 || got.headers.Get("Content-Encoding") != tt.coding || got.headers.Get("Vary") != tt.vary {
				t.Errorf("got %d %v, want coding %q, Vary %q", got.status, got.headers, tt.coding, tt.vary)
			}
		})
	}
}
