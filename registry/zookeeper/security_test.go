package zookeeper

import (
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// Over the secure port all works as over the other; without our certificate, or without trust in the server's, nothing does,
// and the state says why.
func TestTLS(t *testing.T) {
	t.Parallel()
	s, secure := zktest.StartTLS(t)
	var shown atomic.Pointer[x509.Certificate]
	good := TLS{CA: secure.CA, Cert: secure.Cert, Key: secure.Key, Seen: func(server string, c *x509.Certificate) {
		if server == secure.Addr {
			shown.Store(c)
		}
	}}
	r := open(t, s, func(o *Options) { o.Address, o.TLS, o.SessionTimeout = secure.Addr, &good, 4*time.Second })
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	list.expect(t, "10.0.0.1:8001")
	expectTree(t, s.Client(), map[string]int64{servedPath: connected(t, r)})
	s.Restart()
	list.expect(t, "10.0.0.1:8001")
	connected(t, r)
	if c := shown.Load(); c == nil || c.NotAfter.Before(time.Now()) {
		t.Errorf("got %v, want the server's certificate to be told of", c)
	}

	for name, bad := range map[string]struct {
		tls  TLS
		want string
	}{
		"no certificate of ours": {TLS{CA: secure.CA}, ""}, // TLS 1.3 tells of it late: the server ends the connection
		"signer not known":       {TLS{Cert: secure.Cert, Key: secure.Key}, "TLS: "},
		"name not in it":         {TLS{CA: secure.CA, Cert: secure.Cert, Key: secure.Key, ServerName: "zk.example"}, "zk.example"},
	} {
		t.Run(name, func(t *testing.T) {
			r := open(t, s, func(o *Options) { o.Address, o.TLS = secure.Addr, &bad.tls })
			watch(t, r, testService)
			eventually(t, func() string {
				if st := r.State(); st.Connected || st.LastError == "" || !strings.Contains(st.LastError, bad.want) {
					return fmt.Sprintf("state: got connected %v, %q; want an error with %q", st.Connected, st.LastError, bad.want)
				}
				return ""
			})
		})
	}
}

func TestTLSFiles(t *testing.T) {
	dir := t.TempDir()
	junk, huge := filepath.Join(dir, "junk"), filepath.Join(dir, "huge")
	for path, size := range map[string]int{junk: 100, huge: maxSecretFile + 1} {
		if err := os.WriteFile(path, make([]byte, size), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, files := range map[string]TLS{
		"no signers":      {CA: junk},
		"missing":         {CA: filepath.Join(dir, "none")},
		"too long":        {CA: huge},
		"key only":        {Key: junk},
		"certificate":     {Cert: junk},
		"no certificate":  {Cert: junk, Key: junk},
		"missing our own": {Cert: filepath.Join(dir, "none"), Key: junk},
		"missing our key": {Cert: junk, Key: filepath.Join(dir, "none")},
	} {
		if _, err := New(Options{Address: "h:1", TLS: &files}); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := New(Options{Address: "h:1", TLS: &TLS{}}); err != nil {
		t.Errorf("what the system trusts: got %v", err)
	}
}

// Who may read and change what we make, by Access.
func TestAccess(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	stranger := s.Client()
	tests := []struct {
		access              Access
		auth                string
		readable, writeable bool
	}{
		{"", "", true, true},
		{AccessOpen, "user:secret", true, true},
		{AccessRead, "user:secret", true, false},
		{AccessAuth, "user:secret", false, false},
		{"", "user:secret", false, false},
	}
	for i, tt := range tests {
		t.Run(fmt.Sprintf("%s %v", tt.access, tt.auth != ""), func(t *testing.T) {
			chroot := fmt.Sprintf("/c%d", i)
			r := open(t, s, func(o *Options) { o.Address, o.Auth, o.Access = s.Addr+chroot, tt.auth, tt.access })
			list := watch(t, r, testService)
			if err := r.Announce(t.Context(), provider(8001)); err != nil {
				t.Fatal(err)
			}
			list.expect(t, "10.0.0.1:8001")
			_, _, err := stranger.Get(chroot + servedPath)
			if readable := err == nil; readable != tt.readable || err != nil && !errors.Is(err, zk.ErrNoAuth) {
				t.Errorf("read by a stranger: got %v, want readable %v", err, tt.readable)
			}
			_, err = stranger.Create(chroot+testBase+"/server/10.0.0.9:1", nil, 0, zk.WorldACL(zk.PermAll))
			if writeable := err == nil; writeable != tt.writeable || err != nil && !errors.Is(err, zk.ErrNoAuth) {
				t.Errorf("written by a stranger: got %v, want writeable %v", err, tt.writeable)
			}
			reader := open(t, s, func(o *Options) { o.Address = s.Addr + chroot })
			if tt.readable {
				if got := watch(t, reader, testService); tt.writeable {
					got.expect(t, "10.0.0.1:8001", "10.0.0.9:1")
				} else {
					got.expect(t, "10.0.0.1:8001")
				}
			}
		})
	}
	for _, o := range []Options{{Address: "h", Access: "all"}, {Address: "h", Access: AccessRead}, {Address: "h", Access: AccessAuth}} {
		if _, err := New(o); err == nil {
			t.Errorf("access %q without a password: accepted", o.Access)
		}
	}
}

// A server that only reads refuses us; we go to one that does not, and say so while there is none.
func TestReadOnlyServer(t *testing.T) {
	t.Parallel()
	only := zktest.StartReadOnly(t)
	s := zktest.Start(t)
	s.Stop()
	r := open(t, s, func(o *Options) { o.Address = only.Addr + "," + s.Addr })
	list := watch(t, r, testService)
	if err := r.Announce(t.Context(), provider(8001)); err != nil {
		t.Fatal(err)
	}
	eventually(t, func() string {
		if st := r.State(); st.Connected || st.LastError == "" {
			return fmt.Sprintf("state: got connected %v, %q; want an error", st.Connected, st.LastError)
		}
		return ""
	})
	s.Restart()
	list.expect(t, "10.0.0.1:8001")
}
