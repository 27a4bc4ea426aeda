package motan

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"
)

// waiting tells which of many descriptors have something to be read. It is an epoll(7) set of its own that the runtime's
// poller watches in turn, so that no thread is blocked in it.
type waiting struct {
	epoll  int
	file   *os.File
	raw    syscall.RawConn
	events [128]syscall.EpollEvent
	n      int
	ready  []int32
}

func newWaiting() (*waiting, error) {
	epoll, err := syscall.EpollCreate1(syscall.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("motan: epoll: %w", err)
	}
	if err := syscall.SetNonblock(epoll, true); err != nil { // which is how package os knows that it can be polled
		_ = syscall.Close(epoll)
		return nil, fmt.Errorf("motan: epoll: %w", err)
	}
	w := &waiting{epoll: epoll, file: os.NewFile(uintptr(epoll), "epoll")}
	if w.raw, err = w.file.SyscallConn(); err == nil {
		err = w.file.SetReadDeadline(time.Time{}) // fails where it cannot be polled
	}
	if err != nil {
		w.close()
		return nil, fmt.Errorf("motan: epoll: %w", err)
	}
	return w, nil
}

// add has a descriptor told once. The caller keeps it open meanwhile and does not add it again before remove.
func (w *waiting) add(fd int32) error {
	event := syscall.EpollEvent{Events: syscall.EPOLLIN | syscall.EPOLLRDHUP | syscall.EPOLLONESHOT, Fd: fd}
	return syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_ADD, int(fd), &event)
}

// remove has a descriptor told no more. One that was closed is not there any more, which is as good.
func (w *waiting) remove(fd int32) {
	_ = syscall.EpollCtl(w.epoll, syscall.EPOLL_CTL_DEL, int(fd), nil)
}

// wait returns descriptors that have something to be read, or at the latest at the time until. What it returns is valid
// until the next call. The error is that of a set that was closed or does not work.
func (w *waiting) wait(until time.Time) ([]int32, error) {
	w.ready = w.ready[:0]
	if err := w.file.SetReadDeadline(until); err != nil {
		return nil, err
	}
	var failure error
	err := w.raw.Read(func(fd uintptr) bool {
		w.n, failure = syscall.EpollWait(int(fd), w.events[:], 0)
		return failure != nil && !errors.Is(failure, syscall.EINTR) || w.n > 0
	})
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, nil
	case err != nil:
		return nil, err
	case failure != nil:
		return nil, fmt.Errorf("motan: epoll: %w", failure)
	}
	for _, e := range w.events[:w.n] {
		w.ready = append(w.ready, e.Fd)
	}
	return w.ready, nil
}

// close ends a wait. It may be called again.
func (w *waiting) close() { _ = w.file.Close() }
