package agent

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

func TestNewZooKeeper(t *testing.T) {
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	good, empty := file("password", "user:secret\n"), file("empty", "\n")
	t.Setenv("TEST_ZK_AUTH", "user:secret")
	tests := []struct {
		name   string
		params map[string]string
		err    string // a part of the error; "" for none
	}{
		{"plain", nil, ""},
		{"password", map[string]string{"auth": "user:secret", "access": "read"}, ""},
		{"password in a file", map[string]string{"authFile": good}, ""},
		{"password in the environment", map[string]string{"authEnv": "TEST_ZK_AUTH", "readRate": "500", "ipv6": "true"}, ""},
		{"two passwords", map[string]string{"auth": "user:secret", "authEnv": "TEST_ZK_AUTH"}, "write one of them"},
		{"file and environment", map[string]string{"authFile": good, "authEnv": "TEST_ZK_AUTH"}, "write one of them"},
		{"empty file", map[string]string{"authFile": empty}, "write user:password into it"},
		{"no such file", map[string]string{"authFile": filepath.Join(dir, "none")}, "authFile: "},
		{"no such variable", map[string]string{"authEnv": "TEST_ZK_NOBODY"}, "no TEST_ZK_NOBODY"},
		{"no user", map[string]string{"auth": "secret"}, "user:password"},
		{"access without password", map[string]string{"access": "read"}, "set auth"},
		{"files without tls", map[string]string{"tlsCA": good}, "without tls: true"},
		{"no certificate", map[string]string{"tls": "true", "tlsCA": good}, "no certificate"},
		{"certificate without key", map[string]string{"tls": "true", "tlsCert": good}, "name both"},
		{"tls with what the system trusts", map[string]string{"tls": "true"}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := &conf.Registry{ID: "zk", Protocol: "zookeeper", Address: []string{"127.0.0.1:1"}, Params: tt.params}
			_, err := newZooKeeper(c, RegistryEnv{LocalIP: "10.0.0.7", Log: slog.New(slog.DiscardHandler)})
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
