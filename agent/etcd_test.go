package agent

import (
	"log/slog"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

func TestNewEtcd(t *testing.T) {
	t.Setenv("TEST_ETCD_AUTH", "user:secret")
	tests := []struct {
		name    string
		address string
		params  map[string]string
		err     string // a part of the error; "" for none
	}{
		{"plain", "127.0.0.1:1", nil, ""},
		{"prefix and form", "127.0.0.1:1", map[string]string{"chroot": "/dc1", "nodeForm": "java"}, ""},
		{"password", "127.0.0.1:1", map[string]string{"authEnv": "TEST_ETCD_AUTH"}, ""},
		{"two passwords", "127.0.0.1:1", map[string]string{"auth": "user:secret", "authEnv": "TEST_ETCD_AUTH"}, "write one of them"},
		{"no user", "127.0.0.1:1", map[string]string{"auth": "secret"}, "user:password"},
		{"files without tls", "127.0.0.1:1", map[string]string{"tlsCA": "x"}, "without tls: true"},
		{"no certificate", "127.0.0.1:1", map[string]string{"tls": "true", "tlsCA": t.TempDir() + "/none"}, "no such file"},
		{"tls with what the system trusts", "127.0.0.1:1", map[string]string{"tls": "true"}, ""},
		{"a socket", "unix:///run/etcd.sock", nil, "write host:port"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &conf.Registry{ID: "etcd", Protocol: "etcd", Address: []string{tt.address}, Params: tt.params}
			_, err := newEtcd(c, RegistryEnv{Log: slog.New(slog.DiscardHandler)})
			switch {
			case tt.err == "" && err != nil:
				t.Errorf("got %v", err)
			case tt.err != "" && (err == nil || !strings.Contains(err.Error(), tt.err)):
				t.Errorf("got %v, want %q in it", err, tt.err)
			case err != nil && strings.Contains(err.Error(), "secret"):
				t.Errorf("the error tells the password: %v", err)
			}
		})
	}
}
