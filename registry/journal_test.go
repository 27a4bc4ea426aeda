package registry

import (
	"bytes"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// inJournal is what the journal of a folder says of hello: addresses, or "?" for nothing.
func inJournal(t *testing.T, path string, log *slog.Logger) string {
	t.Helper()
	_, list, known, err := newJournal(path, log).get(recordKey{"zk", hello.key()})
	if err != nil || !known {
		return "?"
	}
	nodes, err := readNodes(hello.key(), list)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(addrs(nodes.nodes()), " ")
}

// What stands on disk, and what is known by it: the newest record that is whole, in this file or in the one before.
func TestJournalReads(t *testing.T) {
	key, other := recordKey{"zk", hello.key()}, recordKey{"zk", serviceKey{"g", "other"}}
	one := written(t, key, time.Unix(1, 0), node(t, "h:1"))
	two := written(t, key, time.Unix(2, 0), node(t, "h:2"))
	nobody := written(t, key, time.Unix(3, 0))
	beside := written(t, other, time.Unix(4, 0), node(t, "h:9"))
	none := func(string) error { return nil }
	tests := []struct {
		name          string
		newest, older func(path string) error
		want          string // addresses; "?" for nothing known
		warned        bool
	}{
		{"nothing", none, none, "?", false},
		{"the newest", text(one + beside + two + beside), text(one), "h:2", false},
		{"nobody", text(one + nobody), none, "", false},
		{"crash between two renames", none, text(one), "h:1", false},
		{"only in the older", text(beside), text(one), "h:1", false},
		{"of another registry", text(written(t, recordKey{"etcd", hello.key()}, time.Unix(1, 0))), none, "?", false},
		{"empty", text(""), text(two), "h:2", false},
		{"torn", text(one + two[:len(two)-1]), none, "h:1", true},
		{"torn in the first line", text(one + two[:20]), none, "h:1", true},
		{"torn, then written on", text(one + two[:len(two)-9] + beside), none, "h:1", true},
		{"a bit changed", text(one + strings.Replace(two, `"h"`, `"i"`, 1) + beside), none, "h:1", true},
		{"a name changed", text(one + strings.Replace(two, "HelloService", "OtherService", 1)), none, "h:1", true},
		{"damage before it", text("rubbish\n\x00\n" + one), none, "h:1", true},
		{"another form", text(strings.Replace(two, "motand-list 1", "motand-list 9", 1)), text(one), "h:1", true},
		{"zeros after a crash", text(one + string(make([]byte, 100_000))), none, "h:1", true},
		{"zeros, then written on", text(one + string(make([]byte, 100_000)) + "\n" + two), none, "h:2", true},
		{"nothing but damage", text(strings.Repeat("motand-list 1 1 1 0 a b c\n", 2*maxDamage) + two), text(one), "h:1", true},
		{"too large", large, text(one), "h:1", true},
		{"a folder", func(path string) error { return os.Mkdir(path, 0o755) }, text(one), "h:1", true},
		{"a pipe", func(path string) error { return syscall.Mkfifo(path, 0o600) }, text(one), "h:1", true},
		{"a link", func(path string) error { return os.Symlink("/etc/passwd", path) }, text(one), "h:1", true},
		{"both bad", text("x"), text("y"), "?", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			if err := tt.newest(path); err != nil {
				t.Fatal(err)
			}
			if err := tt.older(path + ".1"); err != nil {
				t.Fatal(err)
			}
			var log bytes.Buffer
			logger := slog.New(slog.NewTextHandler(&log, nil))
			if got := inJournal(t, path, logger); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if (log.Len() > 0) != tt.warned {
				t.Errorf("log: got %s, want a warning: %v", log.String(), tt.warned)
			}
			if info, err := os.Lstat(path); err == nil && info.IsDir() {
				return // which nobody but a person takes away
			}
			// Whatever was there is written on, without what could not be used.
			j := newJournal(path, testLog(t))
			var b batch
			list, err := appendNodes(nil, pack([]Node{node(t, "h:7")}))
			if err != nil || b.add(key, time.Unix(9, 0), list) != nil {
				t.Fatal(err)
			}
			if err := j.append(&b); err != nil {
				t.Fatal(err)
			}
			log.Reset()
			if got := inJournal(t, path, slog.New(slog.NewTextHandler(&log, nil))); got != "h:7" {
				t.Errorf("after the next writing: got %q", got)
			}
			if _, damaged, err := scanRecords(path, func(recordKey, place) {}); damaged != 0 || err != nil {
				t.Errorf("after the next writing: got %d damaged places, %v", damaged, err)
			}
		})
	}
}

// put appends one list.
func (j *journal) put(t *testing.T, k recordKey, nodes ...Node) {
	t.Helper()
	list, err := appendNodes(nil, pack(nodes))
	if err != nil {
		t.Fatal(err)
	}
	var b batch
	if err := b.add(k, time.Unix(1, 0), list); err != nil {
		t.Fatal(err)
	}
	if err := j.append(&b); err != nil {
		t.Fatal(err)
	}
}

// However often lists change, the file does not grow beyond what they take, and no list is lost.
func TestJournalStaysSmall(t *testing.T) {
	path := filepath.Join(t.TempDir(), "journal")
	j := newJournal(path, testLog(t))
	still := recordKey{"zk", hello.key()}
	j.put(t, still, node(t, "h:1"))
	many := make([]Node, 5000)
	for turn := range 50 {
		for i := range many {
			many[i] = node(t, fmt.Sprintf("10.%d.%d.%d:1", turn, i/250, i%250))
		}
		j.put(t, recordKey{"zk", serviceKey{"g", "changing"}}, many...)
		info, err := os.Stat(path)
		if limit := int64(2*5000*20 + 2*journalSlack); err != nil || info.Size() > limit {
			t.Fatalf("turn %d: got %v, %v; want at most %d bytes", turn, info.Size(), err, limit)
		}
	}
	if got := inJournal(t, path, testLog(t)); got != "h:1" {
		t.Errorf("got %q", got)
	}
	if _, err := os.Stat(path + ".1"); err != nil {
		t.Errorf("it was never written anew: %v", err)
	}
	if err := os.WriteFile(path, []byte("rubbish"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := inJournal(t, path, testLog(t)); got != "h:1" {
		t.Errorf("from the file before: got %q", got)
	}
}

// What another process has written is found and stays, whether the file has grown, was replaced or is gone.
func TestJournalOfTwo(t *testing.T) {
	a, b, c := recordKey{"zk", hello.key()}, recordKey{"zk", serviceKey{"g", "b"}}, recordKey{"zk", serviceKey{"g", "c"}}
	tests := []struct {
		name  string
		other func(j *journal) error
		want  string // of a
	}{
		{"grown", func(j *journal) error { j.put(t, a, node(t, "h:2")); return nil }, "h:2"},
		{"written anew", func(j *journal) error { j.ready(); _, err := j.rewrite(); return err }, "h:1"},
		{"gone", func(j *journal) error { return os.Remove(j.path) }, "?"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "journal")
			j := newJournal(path, testLog(t))
			j.put(t, b, node(t, "h:8"))
			j.put(t, b, node(t, "h:9"))
			j.put(t, a, node(t, "h:1"))
			if err := tt.other(newJournal(path, testLog(t))); err != nil {
				t.Fatal(err)
			}
			j.put(t, c, node(t, "h:3"))
			if got := inJournal(t, path, testLog(t)); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			for _, k := range []recordKey{b, c} {
				if _, _, known, err := newJournal(path, testLog(t)).get(k); k == c && (!known || err != nil) || k == b && known != (tt.want != "?") {
					t.Errorf("%s: got %v, %v", k.path, known, err)
				}
			}
		})
	}
}

func FuzzScanRecords(f *testing.F) {
	whole := "motand-list 1 5 0 00000000 zk g s\n"
	f.Add([]byte(whole))
	f.Add([]byte("motand-list 1 5 4 00000000 zk g s\n{}\n" + whole))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(dir, "journal")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		last := int64(0)
		end, _, err := scanRecords(path, func(_ recordKey, p place) {
			if p.at < last || p.at+int64(p.bytes) > int64(len(data)) {
				t.Errorf("got a record of %d bytes at %d after one that ends at %d", p.bytes, p.at, last)
			}
			last = p.at + int64(p.bytes)
		})
		if err == nil && end != int64(len(data)) {
			t.Errorf("got %d bytes of %d", end, len(data))
		}
	})
}
