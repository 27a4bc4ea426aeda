package tests

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// loggedYAML writes both logs into the folder logs, and everything that can be said.
func loggedYAML(provider string) string {
	yaml := strings.Replace(outboundYAML("com.example.Logged", provider), "accessLog: off", "log_dir: {{.dir}}/logs\n  log_level: debug", 1)
	return yaml
}

// logged makes calls until lines of the access log are lost, which must harm none of them, and has motand say something
// meanwhile.
func logged(t *testing.T, d *daemon) {
	t.Helper()
	await(t, "motand to be ready", func() bool {
		if !d.Running() {
			t.Fatalf("motand ended with exit code %d instead of serving", d.Wait())
		}
		status, _, err := fetch(http.MethodGet, d.url("mgmt", "/readyz"), "")
		return err == nil && status == http.StatusOK
	})
	long := strings.Repeat("m", 400) // a long name takes fewer calls to fill what there is
	const connections, each = 4, 2000
	for round := 0; d.metric("motand_access_log_dropped_total") == 0; round++ {
		if round == 20 {
			t.Fatalf("after %d calls no line of the access log is lost", round*connections*each)
		}
		all := make([]*calls, connections)
		for n := range all {
			all[n] = &calls{
				n: each, window: 64,
				request: func(i int) *motan.Frame {
					return motantest.Request("com.example.Logged", long, []byte{byte(i), byte(i >> 8)}, "M_g", "demo")
				},
				check: func(i int, reply *motan.Frame) error {
					if got := reply.Body(); len(got) != 2 || got[0] != byte(i) || got[1] != byte(i>>8) {
						return fmt.Errorf("got the body %x", got)
					}
					return nil
				},
			}
		}
		runAll(t, d.addr("motan"), all)
		if status, body := d.get("mgmt", "/logConfig/set?level=debug"); status != http.StatusOK { // which is logged
			t.Fatalf("/logConfig/set: got %d %s", status, body)
		}
	}
	d.Stop()
}

// TestLogsThatNobodyReads has both logs be pipes without a reader.
func TestLogsThatNobodyReads(t *testing.T) {
	p := newProvider(t, "127.0.0.1", echo)
	s := newSetup(t)
	if err := os.Mkdir(filepath.Join(s.dir, "logs"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"motand.log", "motand-access.log"} {
		if err := syscall.Mkfifo(filepath.Join(s.dir, "logs", name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	logged(t, launchMotand(s, loggedYAML(p.listener.Addr().String())))
}

// TestLogsOnFullDisk has them on a disk of 64 KiB.
func TestLogsOnFullDisk(t *testing.T) {
	unshare, err := exec.LookPath("unshare")
	if err != nil {
		t.Skip("skipped: unshare is not installed; this test needs a small disk of its own (Debian: apt-get install util-linux)")
	}
	if out, err := exec.Command(unshare, "-Urm", "mount", "-t", "tmpfs", "none", t.TempDir()).CombinedOutput(); err != nil {
		t.Skipf("skipped: this host does not let a test mount a small disk of its own: %v: %s", err, out)
	}
	exe, err := buildMotand()
	if err != nil {
		t.Fatal(err)
	}
	p := newProvider(t, "127.0.0.1", echo)
	s := newSetup(t)
	logs := filepath.Join(s.dir, "logs")
	if err := os.Mkdir(logs, 0o755); err != nil {
		t.Fatal(err)
	}
	path := s.configure(loggedYAML(p.listener.Addr().String()))
	d := &daemon{t: t, setup: s, process: startProcess(t, "motand", s.dir, unshare, "-Urm", "sh", "-c",
		`mount -t tmpfs -o size=64k none "$1" && exec "$0" run -c "$2"`, exe, logs, path)}
	t.Cleanup(d.inspect)
	logged(t, d)
}
