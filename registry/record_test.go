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

func TestDecodeRecord(t *testing.T) {
	told := time.Unix(1700000000, 0)
	good := string(encodeRecord(told, []byte(someNodes)))
	tests := []struct{ name, text, want string }{
		{"whole", good, ""},
		{"0 bytes", "", "does not begin"},
		{"motan-go's", someNodes, "does not begin"},
		{"cut off in the first line", good[:20], "does not begin"},
		{"cut off after the first line", good[:strings.IndexByte(good, '\n')+1], "checksum"},
		{"cut off", good[:len(good)-1], "checksum"},
		{"longer", good + " ", "checksum"},
		{"a bit changed", strings.Replace(good, "10.0.0.1", "10.0.0.3", 1), "checksum"},
		{"older form", strings.Replace(good, "motand-snapshot 1", "motand-snapshot 0", 1), `version "0"`},
		{"newer form", strings.Replace(good, "motand-snapshot 1", "motand-snapshot 22", 1), `version "22"`},
		{"no time", strings.Replace(good, "1700000000", "yesterday", 1), "yesterday"},
		{"no sum", "motand-snapshot 1 1700000000 xyz\n{}", "xyz"},
		{"no end of line", strings.Repeat("a", 1000), "does not begin"},
		{"zeros", string(make([]byte, 4096)), "does not begin"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, when, err := decodeRecord([]byte(tt.text))
			if tt.want == "" {
				if err != nil || string(body) != someNodes || !when.Equal(told) {
					t.Errorf("got %s of %v, %v", body, when, err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %s, %v; want an error with %q", body, err, tt.want)
			}
		})
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add(encodeRecord(time.Unix(1, 0), []byte(someNodes)))
	f.Add([]byte("motand-snapshot 1 2 3\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		body, told, err := decodeRecord(data)
		if err != nil {
			return
		}
		if again, when, err := decodeRecord(encodeRecord(told, body)); err != nil || !bytes.Equal(again, body) || !when.Equal(told) {
			t.Errorf("got %q of %v, %v", again, when, err)
		}
		_, _ = decodeSnapshot(hello, body) // an error is fine, a panic is not
	})
}

// What stands on disk, and what is known by it: the newest record, the generation before it, motan-go's file, nothing.
func TestReadRecord(t *testing.T) {
	record := func(address string) string {
		return string(encodeRecord(time.Unix(1700000000, 0), []byte(strings.ReplaceAll(someNodes, "10.0.0.1:1", address))))
	}
	file := func(text string) func(string) error {
		return func(path string) error { return os.WriteFile(path, []byte(text), 0o600) }
	}
	none := func(string) error { return nil }
	large := func(path string) error { // 100 MB that take no room
		return errorsOf(os.WriteFile(path, nil, 0o600), os.Truncate(path, 100<<20))
	}
	nobody := string(encodeRecord(time.Unix(1700000000, 0), []byte(`{"nodes":[]}`)))
	tests := []struct {
		name                  string
		newest, older, public func(path string) error
		want                  string // addresses; "?" for nothing known
		warned                bool
	}{
		{"nothing", none, none, none, "?", false},
		{"all", file(record("h:1")), file(record("h:2")), file(someNodes), "h:1", false},
		{"nobody", file(nobody), file(record("h:2")), file(someNodes), "", false},
		{"crash between two renames", none, file(record("h:2")), file(someNodes), "h:2", false},
		{"newest empty", file(""), file(record("h:2")), none, "h:2", true},
		{"newest cut off", file(record("h:1")[:90]), file(record("h:2")), none, "h:2", true},
		{"newest of older form", file(someNodes), file(record("h:2")), none, "h:2", true},
		{"newest of another service", file(strings.ReplaceAll(record("h:1"), "Hello", "Other")), file(record("h:2")), none, "h:2", true},
		{"newest large", large, file(record("h:2")), none, "h:2", true},
		{"newest a folder", func(path string) error { return os.Mkdir(path, 0o755) }, file(record("h:2")), none, "h:2", true},
		{"newest a pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, file(record("h:2")), none, "h:2", true},
		{"newest a loop", func(path string) error { return os.Symlink(path, path) }, file(record("h:2")), none, "h:2", true},
		{"newest a link", func(path string) error { return os.Symlink("/etc/passwd", path) }, file(record("h:2")), none, "h:2", true},
		{"both bad", file("x"), file("y"), file(someNodes), "10.0.0.1:1", true},
		{"all bad", file("x"), file("y"), file("z"), "?", true},
		{"motan-go's", none, none, file(someNodes), "10.0.0.1:1", false},
		{"motan-go's, of nobody", none, none, file(`{"nodes":[]}`), "?", true},
		{"motan-go's, large", none, none, large, "?", true},
		{"motan-go's, a pipe", none, none, func(path string) error { return syscall.Mkfifo(path, 0o600) }, "?", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			path, public := filepath.Join(dir, "record"), filepath.Join(dir, "snapshot")
			if err := errorsOf(tt.newest(path), tt.older(path+".1"), tt.public(public)); err != nil {
				t.Fatal(err)
			}
			k, known, err := readRecord(path, public, hello)
			if got := strings.Join(addrs(k.nodes.nodes()), " "); known != (tt.want != "?") || known && got != tt.want {
				t.Errorf("got %q, %v; want %s", got, known, tt.want)
			}
			if (err != nil) != tt.warned {
				t.Errorf("got error %v, want one: %v", err, tt.warned)
			}
		})
	}
}

func errorsOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// A record that cannot be used costs a warning; callers get the generation before it, and the next list is written as ever.
func TestCacheFallsBack(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, "zk", node(t, "10.0.0.1:1"))
	remember(t, dir, "zk", node(t, "10.0.0.2:1"))
	path := NewStore(dir, testLog(t)).recordPath(recordKey{"zk", hello.key()})
	write(t, path, "motand-snapshot 1 rubbish")
	var log bytes.Buffer
	var reg Static
	c := Cached(silent{}, CacheOptions{ID: "zk", Store: NewStore(dir, testLog(t)), Log: slog.New(slog.NewTextHandler(&log, nil))})
	watch(t.Context(), t, c, hello).expect(t, "10.0.0.1:1")
	flushed(t, c)
	if n := strings.Count(log.String(), "\n"); n != 1 || !strings.Contains(log.String(), "snapshot ignored") {
		t.Errorf("log: got %s, want one warning", log.String())
	}
	reg.Set(hello, node(t, "10.0.0.1:1"), node(t, "10.0.0.3:1"))
	next := cache(t, &reg, dir, Protection{})
	watch(t.Context(), t, next, hello).expect(t, "10.0.0.1:1", "10.0.0.3:1")
	flushed(t, next)
	if k, known := remembered(t, dir, "zk"); !known || !slices.Equal(addrs(k.nodes.nodes()), []string{"10.0.0.1:1", "10.0.0.3:1"}) {
		t.Errorf("disk: got %s, %v", fmt.Sprint(addrs(k.nodes.nodes())), known)
	}
}
