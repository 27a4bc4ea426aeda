package load

import (
	"syscall"
	"time"
)

// sharpen makes the sleeps of this thread end on time: by default they may last 50 µs longer.
func sharpen() {
	const setTimerSlack = 29 // PR_SET_TIMERSLACK
	_, _, _ = syscall.RawSyscall(syscall.SYS_PRCTL, setTimerSlack, 1, 0)
}

// sleep sleeps in the kernel; a signal may end it early.
func sleep(d time.Duration) {
	t := syscall.NsecToTimespec(int64(d))
	_ = syscall.Nanosleep(&t, nil)
}
