package tests

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestDemo runs scripts/demo.sh as make demo does: real ZooKeeper, PHP, Python and curl on both ends of two
// motands. It looks at each row of the table, and at what is left running.
func TestDemo(t *testing.T) {
	need(t, "sh", "java", "php", "python3", "curl")
	if _, err := os.Stat("/usr/share/java/zookeeper.jar"); err != nil {
		t.Skip("skipped: no zookeeper.jar, and the demo has two hosts find each other in a real ZooKeeper (Debian: apt-get install zookeeper)")
	}
	for _, port := range demoPorts {
		if listens("127.0.0.1:" + port) {
			t.Skipf("skipped: something listens on port %s, which the demo needs", port)
		}
	}
	exe, err := buildMotand()
	if err != nil {
		t.Fatal(err)
	}
	// A project of its own: the script takes bin/motand from beside its folder.
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "scripts"), os.DirFS(filepath.Join("..", "scripts"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "bin"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(exe, filepath.Join(dir, "bin", "motand")); err != nil {
		t.Fatal(err)
	}
	out := runGroup(t, dir, "sh", "scripts/demo.sh")
	for _, row := range demoRows {
		if !hasRow(out, row) {
			t.Errorf("no row with %q in\n%s", row, out)
		}
	}
	for _, port := range demoPorts {
		if listens("127.0.0.1:" + port) {
			t.Errorf("something listens on port %s after the demo", port)
		}
	}
}

// demoPorts are those that scripts/demo.sh listens on.
var demoPorts = []string{"17181", "17301", "17302", "17801", "17802", "17803", "17901", "17902", "17903", "17982"}

// demoRows are the callers, and parts of the call and of its answer, each of which stands in one row.
var demoRows = [][]string{
	{"curl", "PythonService", "Hello Ada, this is Python 3."},
	{"python", "PythonService", "Hello Grace, this is Python 3."},
	{"php", "PythonService", "Hello Linus, this is Python 3."},
	{"curl", "PhpService", "Hello Ada, this is PHP "},
	{"python", "PhpService", "Hello Grace, this is PHP "},
	{"php", "PhpService", "Hello Linus, this is PHP "},
	{"motand", "DemoService", `[1,null,"x"]`},
	{"curl", "fail", `"errmsg":"no luck"`},
	{"curl", "NoSuchService", "cluster not found"},
	{"curl", "anybody", `{"errcode":`},
}

func hasRow(table string, parts []string) bool {
	for line := range strings.Lines(table) {
		row, all := strings.TrimSpace(line), true
		for i, part := range parts {
			all = all && strings.Contains(row, part) && (i > 0 || strings.HasPrefix(row, part))
		}
		if all {
			return true
		}
	}
	return false
}

// runGroup runs a program in a process group of its own and fails the test unless it ends with 0 and nobody of
// its group is left. It returns what the program wrote.
func runGroup(t *testing.T, dir, exe string, args ...string) string {
	t.Helper()
	cmd := exec.Command(exe, args...)
	cmd.Dir, cmd.Env, cmd.SysProcAttr = dir, environment(), dieWithUs()
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = new(syscall.SysProcAttr)
	}
	cmd.SysProcAttr.Setpgid = true
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	group := -cmd.Process.Pid
	tooLong := time.AfterFunc(patience, func() { _ = syscall.Kill(group, syscall.SIGKILL) }) // gone is as good
	defer tooLong.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(cmd.Args, " "), err, out.String())
	}
	if err := syscall.Kill(group, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("%s has left processes running: %v", strings.Join(cmd.Args, " "), err)
		_ = syscall.Kill(group, syscall.SIGKILL)
	}
	return out.String()
}
