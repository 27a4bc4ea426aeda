//go:build !linux || race

package motan

import (
	"errors"
	"syscall"
)

// TryRead is read(2). It goes through package syscall, which tells the race detector what it orders.
func TryRead(fd uintptr, b []byte) (int, syscall.Errno) { return outcome(syscall.Read(int(fd), b)) }

// TryWrite is write(2) likewise.
func TryWrite(fd uintptr, b []byte) (int, syscall.Errno) { return outcome(syscall.Write(int(fd), b)) }

func outcome(n int, err error) (int, syscall.Errno) {
	var errno syscall.Errno
	if err != nil && !errors.As(err, &errno) {
		errno = syscall.EIO
	}
	return n, errno
}
