package tests

import (
	"errors"
	"sync"
	"syscall"
	"testing"
)

// dieWithUs has the kernel end a process when the tests are killed.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// prSetChildSubreaper is PR_SET_CHILD_SUBREAPER of prctl(2).
const prSetChildSubreaper = 36

// adoptOrphans has processes become our children whose parents have ended: those that have taken the place of one that we
// started. Their exit codes are told by reap.
var adoptOrphans = sync.OnceValue(func() error {
	if _, _, err := syscall.RawSyscall(syscall.SYS_PRCTL, prSetChildSubreaper, 1, 0); err != 0 {
		return err
	}
	return nil
})

// reap waits for the end of a process that has become our child, and returns its exit code.
func reap(t testing.TB, pid int) int {
	t.Helper()
	var status syscall.WaitStatus
	await(t, "the end of a process that has handed over", func() bool {
		got, err := syscall.Wait4(pid, &status, syscall.WNOHANG, nil)
		if err != nil && !errors.Is(err, syscall.EINTR) && !errors.Is(err, syscall.ECHILD) { // not ours yet
			t.Fatalf("wait for process %d: %v", pid, err)
		}
		return got == pid
	})
	return status.ExitStatus()
}
