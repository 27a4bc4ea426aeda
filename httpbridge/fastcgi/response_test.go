package fastcgi

import (
	"bytes"
	"errors"
	"strings"
	"testing"
)

func TestParseResponse(t *testing.T) {
	tests := []struct {
		name, out string
		status    int
		reason    string
		head      string // name=value;
		body      string
	}{
		{"plain", "Content-Type: a/b\r\n\r\nhello", 200, "", "Content-Type=a/b;", "hello"},
		{"bare line feeds", "Status: 404 Not Found\nX: y\n\nbody\r\n\r\n", 404, "Not Found", "X=y;", "body\r\n\r\n"},
		{"status later", "X: y\r\nstatus: 503\r\n\r\n", 503, "", "X=y;", ""},
		{"redirect", "Location: /x\r\n\r\n", 302, "", "Location=/x;", ""},
		{"redirect with status", "Location: /x\r\nStatus: 301 Moved\r\n\r\n", 301, "Moved", "Location=/x;", ""},
		{"repeated", "Set-Cookie: a=1\r\nSet-Cookie: a=2\r\n\r\n", 200, "", "Set-Cookie=a=1;Set-Cookie=a=2;", ""},
		{"nothing but the end", "\r\n", 200, "", "", ""},
		{"length", "Content-Length: 3\r\n\r\nabc", 200, "", "Content-Length=3;", "abc"},
		{"length of a body that is not sent", "Content-Length: 3\r\n\r\n", 200, "", "Content-Length=3;", ""},
		{"blanks around a value", "X: \t a b \t\r\n\r\n", 200, "", "X=a b;", ""},
		{"not ASCII", "X: é東\r\n\r\n", 200, "", "X=é東;", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseResponse([]byte(tt.out), 1000)
			if err != nil {
				t.Fatal(err)
			}
			var head bytes.Buffer
			for _, h := range r.Header {
				head.WriteString(string(h.Name) + "=" + string(h.Value) + ";")
			}
			if r.Status != tt.status || r.Reason != tt.reason || head.String() != tt.head || string(r.Body) != tt.body {
				t.Errorf("got %d %q %q %q, want %d %q %q %q", r.Status, r.Reason, head.String(), r.Body, tt.status, tt.reason, tt.head, tt.body)
			}
		})
	}
}

func TestParseResponseRefuses(t *testing.T) {
	tests := []struct{ name, out, want string }{
		{"nothing", "", "has no end"},
		{"no end of the head", "X: y\r\n", "has no end"},
		{"text instead of a head", "Fatal error\n\nmore", "not a line of a head"},
		{"blank in a name", "X Y: z\r\n\r\n", "not a line of a head"},
		{"no name", ": z\r\n\r\n", "not a line of a head"},
		{"a folded line", "X: y\r\n z: 1\r\n\r\n", "not a line of a head"},
		{"carriage return in a value", "X: a\rSet-Cookie: b\r\n\r\n", "control character"},
		{"zero byte in a value", "X: a\x00\r\n\r\n", "control character"},
		{"two statuses", "Status: 200\r\nStatus: 404\r\n\r\n", "two statuses"},
		{"no final status", "Status: 100 Continue\r\n\r\n", "none from 200 to 599"},
		{"no status", "Status: ok\r\n\r\n", "none from 200 to 599"},
		{"long status", "Status: 0200\r\n\r\n", "none from 200 to 599"},
		{"two lengths", "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", "not one number"},
		{"signed length", "Content-Length: +3\r\n\r\nabc", "not one number"},
		{"shorter than announced", "Content-Length: 4\r\n\r\nabc", "Content-Length says 4"},
		{"longer than announced", "Content-Length: 2\r\n\r\nabc", "Content-Length says 2"},
		{"huge head", "X: " + strings.Repeat("x", 1000) + "\r\n\r\n", "more than 1000 bytes"},
		{"huge head without an end", strings.Repeat("x", 1001), "more than 1000 bytes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r, err := parseResponse([]byte(tt.out), 1000)
			bad, ok := errors.AsType[*MalformedError](err)
			if !ok || !strings.Contains(bad.Error(), tt.want) {
				t.Errorf("got %+v, %v, want an error with %q", r, err, tt.want)
			}
		})
	}
	lines := strings.Repeat("X: y\r\n", maxHeaders+1) + "\r\n"
	if _, err := parseResponse([]byte(lines), len(lines)); err == nil || !strings.Contains(err.Error(), "lines") {
		t.Errorf("%d lines: got %v, want an error", maxHeaders+1, err)
	}
}
