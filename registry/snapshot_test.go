package registry

import (
	"path/filepath"
	"strings"
	"testing"
)

func TestDecodeSnapshot(t *testing.T) {
	tests := []struct {
		name, text string
		want       string // addresses, or part of the error after "!"
	}{
		{"motan-go", `{"group":"test-group","path":"com.example.HelloService","nodes":[{"extInfo":"","address":"10.0.0.9:8002"}]}`, "10.0.0.9:8002"},
		{"php", `{"nodes":{"working":[{"host":"10.0.0.9:8002"},{"host":"10.0.0.8:8002"}]}}`, "10.0.0.8:8002 10.0.0.9:8002"},
		{"bad URL", `{"nodes":[{"extInfo":"rubbish","address":"h:1"}]}`, "h:1"},
		{"one bad", `{"nodes":[{"address":"a b"},{"address":"h:1"}]}`, "h:1"},
		{"other service", `{"path":"com.example.Other","nodes":[{"address":"h:1"}]}`, "!holds service"},
		{"other group", `{"group":"g","nodes":[{"address":"h:1"}]}`, "!holds service"},
		{"empty", ``, "!unexpected end"},
		{"cut off", `{"group":"test-group","path":"com.exa`, "!unexpected end"},
		{"not JSON", "\x00\x01", "!invalid character"},
		{"array", `[]`, "!cannot unmarshal"},
		{"no nodes", `{}`, "!its nodes"},
		{"nodes a word", `{"nodes":"x"}`, "!its nodes"},
		{"nobody", `{"nodes":[]}`, ""},
		{"none usable", `{"nodes":[{"address":"a b"}]}`, "!none of its 1 nodes"},
		{"deep", strings.Repeat("[", 20000), "!exceeded max depth"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			nodes, err := decodeSnapshot(hello, []byte(tt.text))
			if want, bad := strings.CutPrefix(tt.want, "!"); bad {
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, %v; want an error with %q", addrs(nodes), err, want)
				}
				return
			}
			if got := strings.Join(addrs(nodes), " "); err != nil || got != tt.want {
				t.Errorf("got %s, %v; want %s", got, err, tt.want)
			}
			for _, n := range nodes {
				if n.Group != hello.Group || n.Path != hello.Path || n.Protocol != "motan2" || !n.Available {
					t.Errorf("got %+v", n)
				}
			}
		})
	}
}

func TestSnapshotName(t *testing.T) {
	tests := []struct{ group, path, want string }{
		{"test-group", "com.example.HelloService", "test-group_com.example.HelloService"},
		{"../../etc", "passwd", "%2E.%2F..%2Fetc_passwd"},
		{"", "..", "_.."},
		{"g", "a/b\\c%\x00", "g_a%2Fb%5Cc%25%00"},
		{".hidden", "s", "%2Ehidden_s"},
		{strings.Repeat("g", 300), "s", strings.Repeat("g", 203) + "~e54d400d883bbf9e"},
	}
	for _, tt := range tests {
		got := snapshotName(serviceKey{tt.group, tt.path})
		if got != tt.want {
			t.Errorf("%q, %q: got %s, want %s", tt.group, tt.path, got, tt.want)
		}
		if dir := t.TempDir(); filepath.Dir(filepath.Join(dir, got)) != dir {
			t.Errorf("%s leaves the folder", got)
		}
	}
}
