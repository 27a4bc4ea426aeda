package filters

import (
	"strings"
	"testing"
)

func TestACL(t *testing.T) {
	const no = "refused: the caller may not call this"
	tests := []struct {
		name, params           string
		method, caller, remote string
		want                   string
	}{
		{"no rule", "", "get", "shop", "10.1.2.3", "ok"},
		{"allowed", "acl.allow=shop,web", "get", "web", "", "ok"},
		{"not allowed", "acl.allow=shop,web", "get", "job", "", no},
		{"nobody is not allowed", "acl.allow=shop", "get", "", "", no},
		{"by its beginning", "acl.allow=shop-*", "get", "shop-web", "", "ok"},
		{"not by its beginning", "acl.allow=shop-*", "get", "shop", "", no},
		{"a beginning is not all", "acl.allow=shop", "get", "shop-web", "", no},
		{"denied", "acl.deny=shop", "get", "shop", "", no},
		{"another is denied", "acl.deny=shop", "get", "web", "", "ok"},
		{"denied wins", "acl.allow=* acl.deny=shop", "get", "shop", "", no},
		{"address", "acl.allowIP=10.1.2.3", "get", "", "10.1.2.3", "ok"},
		{"another address", "acl.allowIP=10.1.2.3", "get", "", "10.1.2.4", no},
		{"network", "acl.allowIP=10.1.0.0/16,192.168.0.0/24", "get", "", "192.168.0.7", "ok"},
		{"outside the network", "acl.allowIP=10.1.0.0/16", "get", "", "10.2.0.1", no},
		{"denied address", "acl.denyIP=10.1.2.0/24", "get", "", "10.1.2.3", no},
		{"IPv4 in IPv6", "acl.allowIP=10.1.2.3", "get", "", "::ffff:10.1.2.3", "ok"},
		{"IPv6", "acl.allowIP=2001:db8::/32", "get", "", "2001:db8::1", "ok"},
		{"IPv6 with a zone", "acl.allowIP=fe80::/10", "get", "", "fe80::1%eth0", "ok"},
		{"unix socket", "acl.allowIP=127.0.0.0/8", "get", "", "", "ok"},
		{"unix socket is not elsewhere", "acl.allowIP=10.0.0.0/8", "get", "", "", no},
		{"no address", "acl.denyIP=10.0.0.0/8", "get", "", "nonsense", no},
		{"both", "acl.allow=shop acl.allowIP=10.0.0.0/8", "get", "shop", "11.0.0.1", no},
		{"method", "acl.allow=shop drop().acl.allow=admin", "drop", "shop", "", no},
		{"another method", "acl.allow=shop drop().acl.allow=admin", "get", "shop", "", "ok"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings(textParams(tt.params))
			h, _ := behind(t, ok, "acl", s)
			c := call(tt.method, "M_s", tt.caller)
			c.Remote = tt.remote
			if got := outcomeOf(t, h, c); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
			if got := counted(s.States, "refused"); (got == 1) != (tt.want == no) {
				t.Errorf("counted %v refused", got)
			}
		})
	}
	passesFree(t, "acl", textParams("acl.allow=app acl.deny=x,y* acl.allowIP=10.0.0.0/8 acl.denyIP=10.9.0.0/16"))
	if _, err := NewACL(settings(textParams("acl.allowIP=10.1.2 get().acl.denyIP=10.0.0.0/33"))); err == nil ||
		!strings.Contains(err.Error(), "acl.allowIP: ") || !strings.Contains(err.Error(), "get().acl.denyIP: ") {
		t.Errorf("mistakes: got %v", err)
	}
}
