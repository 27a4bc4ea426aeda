package httpbridge

import (
	"testing"

	"github.com/motand/motand/motan"
)

// TestOrigins checks which pages may call, and what browsers are told.
func TestOrigins(t *testing.T) {
	const mine, other = "https://shop.example.com", "https://evil.example"
	options := "OPTIONS /rpc/s/m HTTP/1.1\r\nHost: x\r\nAccess-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type,motan-g\r\n"
	tests := []struct {
		name, raw string
		status    int
		headers   map[string]string
	}{
		{"a call", post("/rpc/s/m", `["x"]`, "Origin: "+mine, "Sec-Fetch-Site: cross-site"), 200, map[string]string{"Access-Control-Allow-Origin": mine, "Vary": "Origin"}},
		{"its error can be read", post("/rpc/s/m", `[`, "Origin: "+mine), 400, map[string]string{"Access-Control-Allow-Origin": mine}},
		{"a program", post("/rpc/s/m", `["x"]`), 200, map[string]string{"Access-Control-Allow-Origin": "", "Vary": "Origin"}},
		{"another page", post("/rpc/s/m", `["x"]`, "Origin: "+other), 403, map[string]string{"Access-Control-Allow-Origin": ""}},
		{"one that begins like ours", post("/rpc/s/m", `["x"]`, "Origin: "+mine+".evil.example"), 403, nil},
		{"a page without an origin", post("/rpc/s/m", `["x"]`, "Sec-Fetch-Site: same-site"), 403, nil},
		{"asked before", options + "Origin: " + mine + "\r\n\r\n", 204, map[string]string{
			"Access-Control-Allow-Origin": mine, "Access-Control-Allow-Methods": "GET, POST", "Access-Control-Allow-Headers": "content-type,motan-g",
		}},
		{"asked by another", options + "Origin: " + other + "\r\n\r\n", 403, map[string]string{"Access-Control-Allow-Origin": "", "Access-Control-Allow-Methods": ""}},
		{"OPTIONS of a program", "OPTIONS /rpc/s/m HTTP/1.1\r\nHost: x\r\n\r\n", 204, map[string]string{"Allow": "GET, POST, OPTIONS"}},
	}
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo), Origins: []string{mine}})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := ask(t, l.Dial, tt.raw)
			if got.status != tt.status {
				t.Errorf("got %d %s, want %d", got.status, got.body, tt.status)
			}
			for name, want := range tt.headers {
				if got := got.headers.Get(name); got != want {
					t.Errorf("%s: got %q, want %q", name, got, want)
				}
			}
		})
	}
}

// TestOriginsOff checks that no page may call unless origins are named.
func TestOriginsOff(t *testing.T) {
	l := serve(t, &Server{Handler: motan.HandlerFunc(echo)})
	got := ask(t, l.Dial, "OPTIONS /rpc/s/m HTTP/1.1\r\nHost: x\r\nOrigin: http://localhost\r\nAccess-Control-Request-Method: POST\r\n\r\n")
	if got.status != 403 || got.headers.Get("Access-Control-Allow-Origin") != "" || got.headers.Get("Vary") != "" {
		t.Errorf("got %d %v, want 403 and nothing allowed", got.status, got.headers)
	}
}
