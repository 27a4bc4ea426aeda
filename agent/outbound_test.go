package agent

import (
	"strings"
	"sync/atomic"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// referred makes a route to a handler that answers with the refer's id.
func referred(id, group, version, protocol string) *route {
	r := &conf.Refer{Entry: conf.Entry{ID: id, Path: "svc", Group: group, Version: version, Protocol: protocol, Application: "app"}}
	return &route{refer: r, handler: motan.HandlerFunc(func(c *motan.Call) {
		c.Reply.SetBody([]byte(id))
		c.End()
	})}
}

// Which refer a call goes to (Motan protocol, section 1.10).
func TestRoutes(t *testing.T) {
	one := []*route{referred("one", "g", "2.0", "motan2")}
	several := []*route{
		referred("g", "g", "", "motan2"),
		referred("h1", "h", "1.0", "motan2"),
		referred("h2", "h", "2.0", "motan2"),
		referred("v1", "i", "", "motan"),
		referred("v2", "i", "", "motan2"),
	}
	tests := []struct {
		name    string
		service string
		routes  []*route
		strict  bool
		pairs   []string
		want    string // the refer, or the beginning of the error
		kind    motan.Kind
	}{
		{"the only one", "svc", one, false, nil, "one", 0},
		{"whatever is named", "svc", one, false, []string{"M_g", "x", "M_v", "9", "M_pp", "grpc"}, "one", 0},
		{"strict: no group", "svc", one, true, nil, "one", 0},
		{"strict: the group", "svc", one, true, []string{"M_g", "g"}, "one", 0},
		{"strict: another group", "svc", one, true, []string{"M_g", "x"}, "cluster not found. cluster: service svc is referred to in group g, not in x", motan.KindNotFound},

		{"several: no group", "svc", several, false, nil, "cluster not found. cluster: service svc is referred to in several groups", motan.KindBadRequest},
		{"several: by group", "svc", several, false, []string{"M_g", "g"}, "g", 0},
		{"several: a version that the refer does not name", "svc", several, false, []string{"M_g", "g", "M_v", "7"}, "g", 0},
		{"several: no version", "svc", several, false, []string{"M_g", "h"}, "h1", 0},
		{"several: by version", "svc", several, false, []string{"M_g", "h", "M_v", "2.0"}, "h2", 0},
		{"several: wrong version", "svc", several, false, []string{"M_g", "h", "M_v", "3.0"}, "cluster not found. cluster: no refer of service svc has group h, version 3.0", motan.KindNotFound},
		{"several: wrong group", "svc", several, false, []string{"M_g", "G"}, "cluster not found. cluster: no refer of service svc has group G", motan.KindNotFound},
		{"several: by protocol", "svc", several, false, []string{"M_g", "i", "M_pp", "motan2"}, "v2", 0},
		{"several: motan", "svc", several, false, []string{"M_g", "i", "M_pp", "motan"}, "v1", 0},
		{"several: motan2 takes motan", "svc", several, false, []string{"M_g", "g", "M_pp", "motan"}, "g", 0},
		{"several: motan2 takes no other", "svc", several, false, []string{"M_g", "g", "M_pp", "grpc"}, "cluster not found. cluster: no refer", motan.KindNotFound},

		{"none", "other", one, false, []string{"M_g", "g"}, "cluster not found. cluster: cluster not found. service: other", motan.KindNotFound},
		{"no service", "", one, false, nil, "cluster not found. cluster: cluster not found. service: ", motan.KindNotFound},
		{"prefix of a service", "sv", one, false, nil, "cluster not found. cluster: cluster not found. service: sv", motan.KindNotFound},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &outbound{routes: new(atomic.Pointer[routes])}
			o.routes.Store(&routes{byService: map[string][]*route{"svc": tt.routes}, strict: tt.strict})
			c := do(t, o, request(tt.service, "m", tt.pairs...))
			if c.Err == nil {
				if got := string(c.Reply.Body()); got != tt.want {
					t.Errorf("got refer %s, want %s", got, tt.want)
				}
				return
			}
			if !strings.HasPrefix(c.Err.Message, tt.want) || c.Err.Kind != tt.kind || c.Err.Code != 400 || c.Err.Type != 1 {
				t.Errorf("got %s %d %d %q, want %s 400 1 %q", c.Err.Kind, c.Err.Code, c.Err.Type, c.Err.Message, tt.kind, tt.want)
			}
		})
	}
}

// What a caller writes comes back in messages, but not megabytes of it.
func TestNamesInErrorsAreBounded(t *testing.T) {
	long := strings.Repeat("x", 1<<20)
	o := &outbound{routes: new(atomic.Pointer[routes])}
	o.routes.Store(&routes{byService: map[string][]*route{"svc": {referred("a", "g", "", ""), referred("b", "h", "", "")}}})
	i := &inbound{exports: new(atomic.Pointer[exports])}
	i.exports.Store(&exports{})
	tests := []struct {
		name string
		h    motan.Handler
		call *motan.Call
	}{
		{"outbound service", o, request(long, "m")},
		{"outbound group", o, request("svc", "m", "M_g", long, "M_v", long, "M_pp", long)},
		{"inbound", i, request(long, "m", "M_g", long)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := do(t, tt.h, tt.call)
			if c.Err == nil || len(c.Err.Message) > 2000 {
				t.Errorf("got a message of %d bytes, want at most 2000", len(c.Err.Error()))
			}
		})
	}
}

// What motan-go's agent adds to a request (Motan protocol, section 1.10).
func TestOutboundMetadata(t *testing.T) {
	tests := []struct {
		name   string
		motan  bool
		remote string
		id     uint64
		pairs  []string
		key    string
		want   string
	}{
		{"host", true, "10.0.0.9", 1, nil, "host", "10.0.0.9"},
		{"host is overwritten", true, "10.0.0.9", 1, []string{"host", "1.2.3.4"}, "host", "10.0.0.9"},
		{"unix socket has none", true, "", 1, []string{"host", "1.2.3.4"}, "host", "1.2.3.4"},
		{"host over HTTP", false, "10.0.0.9", 1, nil, "host", ""},
		{"id", true, "", 1600000000123456789, nil, "M_rid", "1600000000123456789"},
		{"id is signed", true, "", 1<<64 - 2, nil, "M_rid", "-2"},
		{"id is kept", true, "", 5, []string{"M_rid", "77"}, "M_rid", "77"},
		{"id over HTTP", false, "", 5, nil, "M_rid", ""},
		{"source is the refer's application", true, "", 1, nil, "M_s", "app"},
		{"source is kept", true, "", 1, []string{"M_s", "caller"}, "M_s", "caller"},
		{"source from application", true, "", 1, []string{"application", "shop"}, "M_s", "shop"},
		{"source wins over application", true, "", 1, []string{"application", "shop", "M_s", "caller"}, "M_s", "caller"},
		{"source over HTTP", false, "", 1, nil, "M_s", "app"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := &outbound{routes: new(atomic.Pointer[routes]), motan: tt.motan}
			o.routes.Store(&routes{byService: map[string][]*route{"svc": {referred("one", "g", "", "motan2")}}})
			c := request("svc", "m", tt.pairs...)
			c.Remote, c.Request.ID = tt.remote, tt.id
			do(t, o, c)
			if got := string(c.Request.Get(tt.key)); got != tt.want {
				t.Errorf("%s: got %q, want %q", tt.key, got, tt.want)
			}
			if c.Service != "svc" || c.Group != "g" || c.Application != "app" {
				t.Errorf("call: got %s %s %s, want svc g app", c.Service, c.Group, c.Application)
			}
		})
	}
}
