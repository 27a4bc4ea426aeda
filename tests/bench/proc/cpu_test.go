package proc

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// fake writes files, by path below the root, and returns their tree.
func fake(t *testing.T, files map[string]string) FS {
	t.Helper()
	f := FS{Root: t.TempDir()}
	for name, text := range files {
		path := filepath.Join(f.Root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return f
}

func TestCPUSumsThreads(t *testing.T) {
	before := fake(t, map[string]string{
		"7/task/7/schedstat": "1000 5 1\n",
		"7/task/8/schedstat": "2000 5 1\n",
		"9/task/9/schedstat": "4000 5 1\n",
	})
	after := fake(t, map[string]string{
		"7/task/7/schedstat":  "1500 5 1\n",
		"7/task/10/schedstat": "30 5 1\n", // began in between, and 8 ended
		"9/task/9/schedstat":  "4004 5 1\n",
	})
	a, err := before.CPU(7, 9)
	if err != nil {
		t.Fatal(err)
	}
	b, err := after.CPU(7, 9)
	if err != nil {
		t.Fatal(err)
	}
	if got := b.Since(a); got != 534 {
		t.Errorf("Since: got %d ns, want 534", got)
	}
}

func TestErrors(t *testing.T) {
	f := fake(t, map[string]string{
		"1/task/1/schedstat": "many 5 1\n",
		"1/status":           "Name:\tx\nVmRSS:\t12 pages\n",
		"2/status":           "Name:\tx\n",
		"3/status":           "Name:\tx\nVmRSS:\tlots kB\n",
	})
	tests := []struct {
		name string
		read func() error
		want string
	}{
		{"no process", func() error { _, err := f.CPU(5); return err }, "threads of process 5"},
		{"no number", func() error { _, err := f.CPU(1); return err }, `schedstat of thread 1 is "many 5 1`},
		{"no memory", func() error { _, err := f.RSS(5); return err }, "memory of process 5"},
		{"other unit", func() error { _, err := f.RSS(1); return err }, "no VmRSS"},
		{"no line", func() error { _, err := f.RSS(2); return err }, "no VmRSS"},
		{"no size", func() error { _, err := f.RSS(3); return err }, "memory of process 3"},
		{"no folder", func() error { _, err := FS{Root: filepath.Join(f.Root, "x")}.Tree(1); return err }, "list processes"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if err := tt.read(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestRSS(t *testing.T) {
	f := fake(t, map[string]string{
		"1/status": "Name:\tx\nVmRSS:\t    12 kB\nThreads:\t1\n",
		"2/status": "Name:\tx\nVmRSS:\t 3 kB\n",
	})
	if got, err := f.RSS(1, 2); err != nil || got != 15<<10 {
		t.Errorf("RSS: got %d, %v, want %d", got, err, 15<<10)
	}
}

func TestTree(t *testing.T) {
	f := fake(t, map[string]string{
		"1/stat":    "1 (init) S 0 1 1",
		"10/stat":   "10 (sh) S 1 1 1",
		"11/stat":   "11 (a) b) c) S 10 1 1",
		"12/stat":   "12 (d) S 11 1 1",
		"13/stat":   "13 (e) S 1 1 1",
		"14/stat":   "14 (broken)",
		"self/stat": "10 (f) S 10 1 1",
	})
	got, err := f.Tree(10)
	if want := []int{10, 11, 12}; err != nil || !slices.Equal(got, want) {
		t.Errorf("Tree: got %v, %v, want %v", got, err, want)
	}
}

// TestThisSystem reads of a process that works for a known time of its CPU.
func TestThisSystem(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: /proc is Linux's")
	}
	var f FS
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; times; read wait")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Skipf("skipped: no shell: %v", err)
	}
	before := CPU{}
	buf := make([]byte, 100)
	n, err := out.Read(buf) // written when the loop is over
	if err != nil {
		t.Fatal(err)
	}
	after, err := f.CPU(cmd.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	if got := after.Since(before); got < time.Millisecond || got > time.Hour {
		t.Errorf("CPU time of a shell that counted to 200000: got %v (it says %q)", got, buf[:n])
	}
	if rss, err := f.RSS(cmd.Process.Pid); err != nil || rss < 64<<10 {
		t.Errorf("RSS: got %d, %v, want 64 KiB at least", rss, err)
	}
	tree, err := f.Tree(os.Getpid())
	if err != nil || !slices.Contains(tree, cmd.Process.Pid) {
		t.Errorf("Tree(%s): got %v, %v, want it to have %d", strconv.Itoa(os.Getpid()), tree, err, cmd.Process.Pid)
	}
	_ = in.Close() // ends the shell, or Wait says so
	if err := cmd.Wait(); err != nil && cmd.ProcessState.ExitCode() != 1 {
		t.Error(err)
	}
}
