package zookeeper

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/registry"
)

func TestParseAddress(t *testing.T) {
	tests := []struct {
		text    string
		servers []string
		chroot  string
	}{
		{"zk1:2181", []string{"zk1:2181"}, ""},
		{"zk1, zk2:2182,", []string{"zk1:2181", "zk2:2182"}, ""},
		{"10.0.0.1:2181,[::1]:2182,::1/a/b", []string{"10.0.0.1:2181", "[::1]:2182", "[::1]:2181"}, "/a/b"},
		{"h/", []string{"h:2181"}, ""},
		{"h/a/", []string{"h:2181"}, "/a"},
	}
	for _, tt := range tests {
		a, err := parseAddress(tt.text)
		if err != nil || !slices.Equal(a.servers, tt.servers) || a.chroot != tt.chroot {
			t.Errorf("%q: got %+v, %v; want %v and %q", tt.text, a, err, tt.servers, tt.chroot)
		}
	}
	for _, text := range []string{"", ",", "/a", "h:99999", "a b:1", "h/a//b", "h/..", "h/a\x00", strings.Repeat("h,", 100)} {
		if a, err := parseAddress(text); err == nil {
			t.Errorf("%q: got %+v, want an error", text, a)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	good := Options{Address: "h:2181", Auth: "u:p:q", LocalIP: "::1", Form: registry.TextPlain, SessionTimeout: time.Second}
	if _, err := New(good); err != nil {
		t.Errorf("got %v", err)
	}
	for name, change := range map[string]func(*Options){
		"no address":       func(o *Options) { o.Address = "" },
		"form":             func(o *Options) { o.Form = "xml" },
		"auth":             func(o *Options) { o.Auth = "user" },
		"auth, no user":    func(o *Options) { o.Auth = ":secret" },
		"own address":      func(o *Options) { o.LocalIP = "a b" },
		"negative timeout": func(o *Options) { o.CallTimeout = -1 },
		"tiny timeout":     func(o *Options) { o.SessionTimeout = time.Microsecond },
		"huge timeout":     func(o *Options) { o.Relist = 48 * time.Hour },
	} {
		o := good
		change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		} else if strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
}

func TestParents(t *testing.T) {
	if got := parents("/a/b/c"); !slices.Equal(got, []string{"/a", "/a/b"}) {
		t.Errorf("got %v", got)
	}
	if got := parents("/a"); len(got) != 0 {
		t.Errorf("got %v, want none", got)
	}
}
