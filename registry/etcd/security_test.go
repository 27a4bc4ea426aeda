package etcd

import (
	"context"
	"crypto/x509"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry/etcd/etcdtest"
)

// With a password: let in, also after a restart, which makes tokens void; refused with another, and told so.
func TestAuth(t *testing.T) {
	s := etcdtest.Start(t)
	c := s.Client("", "")
	ctx, cancel := context.WithTimeout(t.Context(), testTimeout)
	defer cancel()
	must := func(_ any, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(c.UserAdd(ctx, "root", "rootpass"))
	must(c.UserGrantRole(ctx, "root", "root"))
	must(c.RoleAdd(ctx, "mesh"))
	must(c.RoleGrantPermission(ctx, "mesh", "/motan/", clientv3.GetPrefixRangeEnd("/motan/"), clientv3.PermissionType(clientv3.PermReadWrite)))
	must(c.UserAdd(ctx, "agent", "secret"))
	must(c.UserGrantRole(ctx, "agent", "mesh"))
	must(c.AuthEnable(ctx))

	r := open(t, s, func(o *Options) { o.Auth = "agent:secret" })
	list := watch(t, r)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	stranger := open(t, s, func(o *Options) { o.Auth = "agent:wrong" })
	watch(t, stranger)
	eventually(t, func() string {
		st := stranger.State()
		if strings.Contains(st.LastError, "wrong") {
			t.Fatalf("the error tells the password: %q", st.LastError)
		}
		if st.Connected || !strings.Contains(st.LastError, "authentication failed") {
			return "state of a stranger: " + st.LastError
		}
		return ""
	})
	s.Restart()
	if err := r.Announce(t.Context(), provider(8002)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001", "10.0.0.1:8002")
}

func TestTLS(t *testing.T) {
	s, files := etcdtest.StartTLS(t)
	var shown [2]atomic.Pointer[x509.Certificate]
	see := func(i int) func(string, *x509.Certificate) {
		return func(server string, c *x509.Certificate) {
			if server != "" {
				shown[i].Store(c)
			}
		}
	}
	r := open(t, s, func(o *Options) { o.TLS = &TLS{CA: files.CA, Cert: files.Cert, Key: files.Key, Seen: see(0)} })
	list := watch(t, r)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	named := open(t, s, func(o *Options) {
		o.TLS = &TLS{CA: files.CA, Cert: files.Cert, Key: files.Key, ServerName: "127.0.0.1", Seen: see(1)}
	})
	watch(t, named).expect(t, "10.0.0.1:8001")
	for i := range shown {
		if c := shown[i].Load(); c == nil || c.NotAfter.Before(time.Now()) {
			t.Errorf("connection %d: got %v, want the server's certificate to be told of", i, c)
		}
	}
	for name, change := range map[string]func(*Options){
		"without certificate":               func(o *Options) { o.TLS = &TLS{CA: files.CA} },
		"of another name":                   func(o *Options) { o.TLS = &TLS{CA: files.CA, Cert: files.Cert, Key: files.Key, ServerName: "other"} },
		"of another authority":              func(o *Options) { o.TLS = &TLS{Cert: files.Cert, Key: files.Key} },
		"of another authority under a name": func(o *Options) { o.TLS = &TLS{Cert: files.Cert, Key: files.Key, ServerName: "127.0.0.1"} },
		"in the clear":                      nil,
	} {
		refused := open(t, s, change)
		watch(t, refused)
		eventually(t, func() string {
			if st := refused.State(); st.Connected || st.LastError == "" {
				return name + ": no word about being refused"
			}
			return ""
		})
	}
}

func TestOptions(t *testing.T) {
	file := t.TempDir() + "/none"
	tests := []struct {
		name string
		o    Options
		want string // a part of the error; "" for none
	}{
		{"address", Options{Address: "h1:2379, h2 ,[::1]:2379"}, ""},
		{"prefix", Options{Address: "h", Prefix: "/dc1/"}, ""},
		{"no address", Options{Address: " , "}, "no server"},
		{"a URL", Options{Address: "http://h:2379"}, "without http://"},
		{"too many", Options{Address: strings.Repeat("h,", maxServers+1)}, "more than the 64 allowed"},
		{"prefix without slash", Options{Address: "h", Prefix: "dc1"}, "does not begin with a slash"},
		{"empty step", Options{Address: "h", Prefix: "/a//b"}, "a name is missing"},
		{"no password", Options{Address: "h", Auth: "user"}, "not user:password"},
		{"short lease", Options{Address: "h", SessionTimeout: 1}, "session timeout of 1ns"},
		{"no such file", Options{Address: "h", TLS: &TLS{CA: file}}, "TLS"},
		{"no key", Options{Address: "h", TLS: &TLS{Cert: file}}, "name both"},
		{"form", Options{Address: "h", Form: "xml"}, "form"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := New(tt.o)
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}
