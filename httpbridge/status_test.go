package httpbridge

import (
	"testing"

	"github.com/motand/motand/motan"
)

func TestErrorStatus(t *testing.T) {
	tests := []struct {
		kind motan.Kind
		code int
		want int
	}{
		{motan.KindOther, 500, 502},
		{motan.KindBadRequest, 400, 400},
		{motan.KindNotFound, 404, 404},
		{motan.KindNoEndpoint, 1001, 503},
		{motan.KindNotSent, 400, 502},
		{motan.KindTimeout, 400, 504},
		{motan.KindBroken, 400, 502},
		{motan.KindRefused, 10002, 429},
		{motan.KindRefused, 503, 503},
		{motan.KindRefused, 403, 403},
		{motan.KindRefused, 501, 501},
		{motan.KindUnavailable, 503, 503},
		{motan.KindOversize, 400, 413},
		{motan.KindDropped, 400, 502},
		{motan.Kind(200), 400, 502},
	}
	seen := map[motan.Kind]bool{}
	for _, tt := range tests {
		seen[tt.kind] = true
		if got := errorStatus(&motan.Error{Kind: tt.kind, Code: tt.code}); got != tt.want {
			t.Errorf("kind %d, code %d: got %d, want %d", tt.kind, tt.code, got, tt.want)
		}
	}
	for i, name := range motan.Kinds() {
		if !seen[motan.Kind(i)] {
			t.Errorf("kind %s has no row here", name)
		}
		if kindStatus[motan.Kind(i)] == 0 {
			t.Errorf("kind %s has no status", name)
		}
	}
}

func TestExceptionStatus(t *testing.T) {
	tests := []struct {
		x    motan.Exception
		want int
	}{
		{motan.Exception{Code: 30001, Type: motan.TypeBiz}, 500},
		{motan.Exception{Code: 404, Type: motan.TypeBiz, Message: "service not found"}, 500},
		{motan.Exception{Code: 503, Type: motan.TypeBiz}, 500},
		{motan.Exception{Code: 404, Type: motan.TypeService, Message: motan.ProviderNotExist + "g_s"}, 404},
		{motan.Exception{Code: 404, Type: motan.TypeService, Message: "row not found"}, 500},
		{motan.Exception{Code: 400, Type: motan.TypeService, Message: "channel call error:timeout err: receive request timeout"}, 504},
		{motan.Exception{Code: 400, Type: motan.TypeService, Message: "cluster not found"}, 500},
		{motan.Exception{Code: 500, Type: motan.TypeFramework}, 500},
		{motan.Exception{Code: 501, Type: motan.TypeFramework}, 501},
		{motan.Exception{Code: 503, Type: motan.TypeService}, 503},
		{motan.Exception{Code: 503, Type: 503}, 503},
		{motan.Exception{Code: 1001, Type: motan.TypeService}, 503},
		{motan.Exception{Code: 1002, Type: motan.TypeService}, 503},
		{motan.Exception{Code: 10002, Type: motan.TypeService}, 429},
		{motan.Exception{Code: 7, Type: motan.TypeService}, 500},
	}
	for _, tt := range tests {
		if got := exceptionStatus(tt.x); got != tt.want {
			t.Errorf("%+v: got %d, want %d", tt.x, got, tt.want)
		}
	}
}

// TestRetryAfter checks when a client is told to come again.
func TestRetryAfter(t *testing.T) {
	tests := []struct {
		name   string
		answer func(c *motan.Call)
		status int
		want   string
	}{
		{"a limit", func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindRefused, motan.CodeRejected, "limit")) }, 429, "1"},
		{"no endpoint", func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "none")) }, 503, "1"},
		{"switched off", func(c *motan.Call) { c.Fail(motan.Errorf(motan.KindRefused, motan.CodeUnavailable, "off")) }, 503, ""},
		{"an exception", func(c *motan.Call) {
			c.Reply.SetException(motan.Exception{Code: motan.CodeUnavailable, Message: "down", Type: motan.TypeService})
			c.End()
		}, 503, ""},
		{"what a web program says", func(c *motan.Call) {
			c.Reply.SetException(motan.Exception{Code: motan.CodeUnavailable, Message: "down", Type: motan.TypeService})
			c.Reply.Set("Retry-After", "120")
			c.End()
		}, 503, "120"},
		{"a good answer", func(c *motan.Call) {
			c.Reply.Set("Retry-After", "120")
			reply("x")(c)
		}, 200, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := serve(t, &Server{Handler: motan.HandlerFunc(tt.answer)})
			got := ask(t, l.Dial, post("/rpc/s/m", `[]`))
			if got.status != tt.status || got.headers.Get("Retry-After") != tt.want {
				t.Errorf("got %d, Retry-After %q, want %d, %q", got.status, got.headers.Get("Retry-After"), tt.status, tt.want)
			}
		})
	}
}
