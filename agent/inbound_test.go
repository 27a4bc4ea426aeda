package agent

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// exporting is an inbound with services that answer with their group and a large body.
func exporting(mingzSize int, groups ...string) *inbound {
	x := &exports{byService: make(map[string][]*export)}
	for _, g := range groups {
		s := &conf.Service{Entry: conf.Entry{Path: "svc", Group: g, Application: "app", MingzSize: mingzSize}}
		x.byService["svc"] = append(x.byService["svc"], &export{service: s, handler: motan.HandlerFunc(func(c *motan.Call) {
			if v := c.Request.Get("M_pt"); v != nil {
				c.Reply.SetBytes("M_pt", v)
			}
			c.Reply.SetBody([]byte(strings.Repeat(g, 1000)))
			c.End()
		})})
	}
	i := &inbound{exports: new(atomic.Pointer[exports])}
	i.exports.Store(x)
	return i
}

// Which service a call from another host reaches, and the texts that peers act on (Motan
// protocol, sections 1.5 and 1.10).
func TestInbound(t *testing.T) {
	tests := []struct {
		name  string
		svc   string
		pairs []string
		want  string // first byte of the group that answers
		code  int
		text  string
	}{
		{"by group", "svc", []string{"M_g", "g"}, "g", 0, ""},
		{"by the other group", "svc", []string{"M_g", "h"}, "h", 0, ""},
		{"version does not matter", "svc", []string{"M_g", "g", "M_v", "9.9"}, "g", 0, ""},
		{"group as Java's clients of old name it", "svc", []string{"group", "h"}, "h", 0, ""},
		{"another group", "svc", []string{"M_g", "x"}, "", 404, "provider not exist serviceKey=x_svc"},
		{"no group", "svc", nil, "", 404, "provider not exist serviceKey=_svc"},
		{"another service", "com.Foo", []string{"M_g", "g"}, "", 404, "provider not exist serviceKey=g_com.Foo"},
		{"nothing", "", nil, "", 404, "provider not exist serviceKey=_"},
		{"framework service", "svc", []string{"M_g", "g", "M_fws", "y"}, "", 501, "service not support"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			i := exporting(0, "g", "h")
			c := do(t, i, request(tt.svc, "m", tt.pairs...))
			if tt.code == 0 {
				if c.Err != nil || string(c.Reply.Body()[:1]) != tt.want || c.Group != tt.want || c.Service != "svc" || c.Application != "app" {
					t.Errorf("got %v from %s %s, want an answer of %s", c.Err, c.Service, c.Group, tt.want)
				}
				return
			}
			if c.Err == nil || c.Err.Code != tt.code || c.Err.Type != 1 || c.Err.Message != tt.text || c.Err.Kind != motan.KindNotFound {
				t.Errorf("got %+v, want %d 1 %q", c.Err, tt.code, tt.text)
			}
			if missing := i.missing.Load() == 1; missing != (tt.code == 404) {
				t.Errorf("counted as missing: got %t, want %t", missing, tt.code == 404)
			}
		})
	}
}

func TestInboundMetadata(t *testing.T) {
	tests := []struct {
		name, remote string
		pairs        []string
		host         string
	}{
		{"host", "10.0.0.9", nil, "10.0.0.9"},
		{"host is overwritten", "10.0.0.9", []string{"host", "1.2.3.4"}, "10.0.0.9"},
		{"unix socket", "", []string{"host", "1.2.3.4"}, "1.2.3.4"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := request("svc", "m", append(tt.pairs, "M_g", "g")...)
			c.Remote = tt.remote
			do(t, exporting(0, "g"), c)
			if got := string(c.Request.Get("host")); got != tt.host {
				t.Errorf("host: got %q, want %q", got, tt.host)
			}
		})
	}
}

// How a reply is completed: M_pt where the provider has not said it, and compressed where the
// service wants that (mingzSize, Motan protocol, section 1.7).
func TestExportReturn(t *testing.T) {
	tests := []struct {
		name      string
		mingzSize int
		pairs     []string
		time      string
		gzipped   bool
	}{
		{"time is added", 0, nil, "", false},
		{"time of the provider stays", 0, []string{"M_pt", "42"}, "42", false},
		{"not above the size", 1000, nil, "", false},
		{"above the size", 999, nil, "", true},
		{"off", -1, nil, "", false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := do(t, exporting(tt.mingzSize, "g"), request("svc", "m", append(tt.pairs, "M_g", "g")...))
			got := string(c.Reply.ProcessTime())
			if tt.time != "" && got != tt.time || strings.Trim(got, "0123456789") != "" || got == "" {
				t.Errorf("M_pt: got %q, want %q", got, tt.time)
			}
			if c.Reply.Gzipped() != tt.gzipped {
				t.Errorf("compressed: got %t, want %t", c.Reply.Gzipped(), tt.gzipped)
			}
			if err := c.Reply.Inflate(2000); err != nil || string(c.Reply.Body()) != strings.Repeat("g", 1000) {
				t.Errorf("got %d bytes (%v), want the 1000 of the provider", len(c.Reply.Body()), err)
			}
		})
	}
}
