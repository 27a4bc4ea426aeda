package registry

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const childEnv = "MOTAND_TEST_STORE_DIR"

// TestStoreWriter is not a test: it is what TestStoreKilled runs in a process of its own.
func TestStoreWriter(t *testing.T) {
	dir := os.Getenv(childEnv)
	if dir == "" {
		t.Skip("skipped: TestStoreKilled runs it in a process of its own")
	}
	s := newStore(t, dir)
	s.join("zk")
	r := s.open("zk", hello.key())
	fmt.Println("writing") //nolint:forbidigo // the parent waits for it
	for i := 0; ; i++ {
		nodes := make([]Node, 50+i%50)
		for j := range nodes {
			nodes[j] = node(t, fmt.Sprintf("10.0.%d.%d:1", i%200, j))
		}
		s.mu.Lock() // put would begin a goroutine that writes when it has time
		r.known, r.now = true, knowledge{nodes: pack(nodes), told: time.Now()}
		s.dirty[r] = struct{}{}
		s.mu.Unlock()
		s.writeRecords()
		s.writeSnapshot(r.serviceKey)
		if _, _, failure := s.status(); failure != "" {
			t.Fatal(failure)
		}
	}
}

// However often the process is killed while it writes, a whole list is found afterwards, by us and by PHP programs.
func TestStoreKilled(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, "zk", ports(t, "1 2")...)
	kills := 20
	if testing.Short() {
		kills = 3
	}
	for i := range kills {
		cmd := exec.Command(os.Args[0], "-test.run", "^TestStoreWriter$", "-test.v")
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		for begun := false; !begun && lines.Scan(); {
			begun = strings.Contains(lines.Text(), "writing")
		}
		timer := time.NewTimer(time.Duration(i*1700) * time.Microsecond) // at another point each time
		<-timer.C
		if err := cmd.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		_ = cmd.Wait() // it was killed
		k, known := remembered(t, dir, "zk")
		if !known || len(k.nodes) < 2 {
			t.Fatalf("killed %d times: got %d nodes, %v", i+1, len(k.nodes), known)
		}
		if got := public(t, dir); len(got) < 2 {
			t.Fatalf("killed %d times: snapshot: got %v", i+1, got)
		}
	}
	remember(t, dir, "zk", ports(t, "7")...) // what the killed process has left is not in the way
	if got := public(t, dir); !slices.Equal(got, []string{"10.0.0.1:7"}) {
		t.Errorf("got %v", got)
	}
}

const diskEnv = "MOTAND_TEST_STORE_DISK"

// On a full and on a read-only disk the old files stay whole, callers are served, the state tells, and everything is written
// when there is room again. The disk is one of 1 MiB in a namespace of the test's own.
func TestStoreFullDisk(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: takes ten seconds, which -short does not have")
	}
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("skipped: unshare is not installed; this test needs a small disk of its own (Debian: apt-get install util-linux)")
	}
	if out, err := exec.Command(unshare, "-Urm", "mount", "-t", "tmpfs", "none", t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("skipped: this host does not let a test mount a small disk of its own: %v: %s", err, out)
	}
	dir := t.TempDir()
	cmd := exec.Command(unshare, "-Urm", "sh", "-c", `mount -t tmpfs -o size=1m none "$1" && exec "$0" -test.run '^TestStoreOnSmallDisk$' -test.v`, os.Args[0], dir)
	cmd.Env = append(os.Environ(), diskEnv+"="+dir)
	out, err := cmd.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "--- PASS: TestStoreOnSmallDisk") {
		t.Errorf("on the small disk: %v\n%s", err, out)
	}
}

// TestStoreOnSmallDisk is not a test: it is what TestStoreFullDisk runs in a process of its own.
func TestStoreOnSmallDisk(t *testing.T) {
	dir := os.Getenv(diskEnv)
	if dir == "" {
		t.Skip("skipped: TestStoreFullDisk runs it in a process of its own")
	}
	var reg Static
	c := cache(t, &reg, dir, Protection{Off: true})
	got := watch(t.Context(), t, c, hello)
	reg.Set(hello, ports(t, "1 2")...)
	got.expect(t, "10.0.0.1:1", "10.0.0.1:2")
	// The list that is written and the number of writes may not go together: an earlier list may have been written first.
	kept := func(want int) {
		t.Helper()
		eventually(t, func() string {
			if st := c.State(); st.Extra["snapshot_writes"] == 0 || st.LastError != "" {
				return fmt.Sprintf("got %+v, want something written and no error", st)
			}
			if k, known := remembered(t, dir, "zk"); !known || len(k.nodes) != want {
				return fmt.Sprintf("got %d nodes on disk, %v, want %d", len(k.nodes), known, want)
			}
			data, err := os.ReadFile(filepath.Join(dir, snapshotName(hello.key()))) // which follows the record
			if nodes, _ := decodeSnapshot(hello, data); err != nil || len(nodes) != want {
				return fmt.Sprintf("got %d nodes in the snapshot, %v; want %d", len(nodes), err, want)
			}
			return ""
		})
	}
	kept(2)
	trouble := func(what string, begin, end func() error) {
		t.Helper()
		before := c.State().Extra
		if err := begin(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		list := ports(t, "1 2 3")
		for i := range 600 { // more than a page: the last block of a file has room
			n := node(t, fmt.Sprintf("10.0.%d.%d:%d", 1+i/200, i%200, len(what)))
			list = append(list, n)
		}
		reg.Set(hello, list...)
		eventually(t, func() string {
			if nodes, _ := got.latest(); len(nodes) != len(list) {
				return fmt.Sprintf("%s: callers have %d nodes, want %d", what, len(nodes), len(list))
			}
			if st := c.State(); st.Extra["snapshot_failures"] == before["snapshot_failures"] || st.LastError == "" {
				return fmt.Sprintf("%s: got %+v, want a failure", what, st)
			}
			return ""
		})
		if k, known := remembered(t, dir, "zk"); !known || len(k.nodes) != 2 {
			t.Errorf("%s: on disk are %d nodes, %v; want the 2 known before", what, len(k.nodes), known)
		}
		if nodes := public(t, dir); len(nodes) != 2 {
			t.Errorf("%s: in the snapshot are %v; want the 2 known before", what, nodes)
		}
		if err := end(); err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		kept(len(list)) // by itself
		reg.Set(hello, ports(t, "1 2")...)
		got.expect(t, "10.0.0.1:1", "10.0.0.1:2")
		kept(2)
	}
	filler := filepath.Join(dir, "filler")
	trouble("a full disk", func() error {
		f, err := os.Create(filler)
		if err != nil {
			return err
		}
		for err == nil { // until there is no room
			_, err = f.Write(make([]byte, 512))
		}
		return f.Close()
	}, func() error { return os.Remove(filler) })
	remount := func(how string) func() error {
		return func() error { return exec.Command("mount", "-o", "remount,"+how, dir).Run() }
	}
	trouble("a read-only disk", remount("ro"), remount("rw"))
	flushed(t, c)
}
