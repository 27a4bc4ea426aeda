package registry

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

const someNodes = `{"group":"test-group","path":"com.example.HelloService","nodes":[{"extInfo":"","address":"10.0.0.1:1"}]}`

// written is a record as it stands in the journal.
func written(t *testing.T, k recordKey, told time.Time, nodes ...Node) string {
	t.Helper()
	list, err := appendNodes(nil, pack(nodes))
	if err != nil {
		t.Fatal(err)
	}
	text, err := appendRecord(nil, k, told, list)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// A list comes back as it was, whatever the names and the values are.
func TestRecord(t *testing.T) {
	odd := node(t, "10.0.0.1:1")
	odd.Params = map[string]string{"a b": "c\nd", "e": "motan2://x?%y&z=1", "f": `"`}
	light, heavy := node(t, "10.0.0.2:1"), node(t, "10.0.0.3:1")
	light.Params, heavy.Version = nil, "2.0"
	tests := []struct {
		name  string
		key   recordKey
		nodes []Node
	}{
		{"two alike", recordKey{"zk", hello.key()}, ports(t, "1 2")},
		{"nobody", recordKey{"zk", hello.key()}, nil},
		{"all different", recordKey{"zk", hello.key()}, []Node{odd, light, heavy, node(t, "unix:///run/a b.sock")}},
		{"odd names", recordKey{"a b\n/.%", serviceKey{"", "p q "}}, ports(t, "1")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for i := range tt.nodes {
				tt.nodes[i].Group, tt.nodes[i].Path = tt.key.group, tt.key.path
			}
			line, list, _ := strings.Cut(written(t, tt.key, time.Unix(5, 0), tt.nodes...), "\n")
			h, ok := readHead([]byte(line + "\n"))
			if !ok || h.key != tt.key || !h.told.Equal(time.Unix(5, 0)) || !h.proves([]byte(list)) {
				t.Fatalf("first line %q: got %+v, %v", line, h, ok)
			}
			got, err := readNodes(tt.key.serviceKey, []byte(list))
			if err != nil || !got.equal(pack(tt.nodes)) {
				t.Errorf("got %+v, %v; want %+v", got.nodes(), err, tt.nodes)
			}
		})
	}
	if _, err := appendRecord(nil, recordKey{strings.Repeat("x", maxRecordLine), hello.key()}, time.Time{}, nil); err == nil {
		t.Error("a name that is too long: got no error")
	}
}

func TestReadHead(t *testing.T) {
	good, _, _ := strings.Cut(written(t, recordKey{"zk", hello.key()}, time.Unix(5, 0), node(t, "10.0.0.1:1")), "\n")
	good += "\n"
	tests := []struct{ name, text string }{
		{"nothing", ""},
		{"motan-go's", someNodes},
		{"cut off", good[:len(good)-1]},
		{"a word less", strings.Replace(good, " test-group", "", 1)},
		{"a word more", strings.Replace(good, "\n", " x\n", 1)},
		{"another form", strings.Replace(good, "motand-list 1", "motand-list 2", 1)},
		{"no time", strings.Replace(good, " 5 ", " yesterday ", 1)},
		{"no escape", strings.Replace(good, "test-group", "%zz", 1)},
		{"longer than any list", fmt.Sprintf("motand-list 1 5 %d 0 a b c\n", maxSnapshotBytes+1)},
		{"shorter than none", "motand-list 1 5 -1 0 a b c\n"},
		{"zeros", string(make([]byte, 4096))},
		{"longer than any line", "motand-list 1 5 0 0 a b " + strings.Repeat("c", maxRecordLine) + "\n"},
	}
	if _, ok := readHead([]byte(good)); !ok {
		t.Fatalf("%q is refused", good)
	}
	for _, tt := range tests {
		if h, ok := readHead([]byte(tt.text)); ok {
			t.Errorf("%s: got %+v", tt.name, h)
		}
	}
}

func TestReadNodesRefuses(t *testing.T) {
	for _, text := range []string{"x\n", "{\n", "{}\n1", "1 \"h\"\n", "{}\n1 h\n", "{}\n70000 \"h\"\n", "{}\n\n", "{}\n-1 \"h\"\n"} {
		if nodes, err := readNodes(hello.key(), []byte(text)); err == nil {
			t.Errorf("%q: got %v", text, nodes.nodes())
		}
	}
}

func FuzzReadNodes(f *testing.F) {
	f.Add([]byte("{\"protocol\":\"motan2\",\"params\":{\"a\":\"b\"}}\n1 \"h\"\n2 \"unix:///a\"\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		nodes, err := readNodes(hello.key(), text)
		if err != nil {
			return
		}
		again, err := appendNodes(nil, nodes)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := readNodes(hello.key(), again); err != nil || !got.equal(nodes) {
			t.Errorf("got %+v, %v; want %+v", got.nodes(), err, nodes.nodes())
		}
	})
}

// What is known where there is no record: what stands in motan-go's file, if that can be used.
func TestReadPublic(t *testing.T) {
	tests := []struct {
		name   string
		make   func(path string) error
		want   string // addresses; "?" for nothing known
		warned bool
	}{
		{"nothing", func(string) error { return nil }, "?", false},
		{"a list", text(someNodes), "10.0.0.1:1", false},
		{"nobody", text(`{"nodes":[]}`), "?", true},
		{"another service", text(strings.Replace(someNodes, "Hello", "Other", 1)), "?", true},
		{"empty", text(""), "?", true},
		{"large", large, "?", true},
		{"a folder", func(path string) error { return os.Mkdir(path, 0o755) }, "?", true},
		{"a pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, "?", true},
		{"a loop", func(path string) error { return os.Symlink(path, path) }, "?", true},
		{"a link", func(path string) error { return os.Symlink("/etc/passwd", path) }, "?", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "snapshot")
			if err := tt.make(path); err != nil {
				t.Fatal(err)
			}
			k, known, err := readPublic(path, hello)
			if got := strings.Join(addrs(k.nodes.nodes()), " "); known != (tt.want != "?") || known && got != tt.want {
				t.Errorf("got %q, %v; want %s", got, known, tt.want)
			}
			if (err != nil) != tt.warned {
				t.Errorf("got error %v, want one: %v", err, tt.warned)
			}
		})
	}
}

func text(s string) func(string) error {
	return func(path string) error { return os.WriteFile(path, []byte(s), 0o600) }
}

// large makes a file of 2 GiB that takes no room.
func large(path string) error {
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		return err
	}
	return os.Truncate(path, 2<<30)
}

// Neighbours of which the same is told are one entry less to write, and less text.
func TestAppendNodesShares(t *testing.T) {
	list, err := appendNodes(nil, pack(ports(t, "1 2 3")))
	if lines := strings.Split(string(list), "\n"); err != nil || len(lines) != 5 || !slices.Equal(lines[1:], []string{`1 "10.0.0.1"`, `2 "10.0.0.1"`, `3 "10.0.0.1"`, ""}) {
		t.Errorf("got %q, %v", list, err)
	}
}

// A list that is damaged on the disk costs a warning; callers get the one before it, and the next is written as ever.
func TestCacheFallsBack(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, "zk", node(t, "10.0.0.1:1"))
	remember(t, dir, "zk", node(t, "10.0.0.2:1"))
	path := newStore(t, dir).journal.path
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	write(t, path, strings.Replace(string(data), "10.0.0.2", "10.0.0.3", 1))
	var log bytes.Buffer
	logger := slog.New(slog.NewTextHandler(&log, nil))
	c := Cached(silent{}, CacheOptions{ID: "zk", Store: ending(t, NewStore(dir, logger)), Log: logger})
	watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:1")
	flushed(t, c)
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "damaged") {
		t.Errorf("log: got %s, want one warning", log.String())
	}
	var reg Static
	reg.Set(hello, node(t, "10.0.0.1:1"), node(t, "10.0.0.3:1"))
	next := cache(t, &reg, dir, Protection{})
	watch(t.Context(), t, next, hello).expect(t, "10.0.0.1:1", "10.0.0.3:1")
	flushed(t, next)
	if k, known := remembered(t, dir, "zk"); !known || !slices.Equal(addrs(k.nodes.nodes()), []string{"10.0.0.1:1", "10.0.0.3:1"}) {
		t.Errorf("disk: got %s, %v", fmt.Sprint(addrs(k.nodes.nodes())), known)
	}
}
