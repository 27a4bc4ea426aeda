//go:build linux && !race

package motan

import (
	"syscall"
	"unsafe"
)

// TryRead is read(2) for a descriptor that does not block, as all of package net are. B is not empty. The scheduler is
// not told: there is nothing to wait for in the kernel, and what it does for calls that might wait (waking the
// thread that watches them, handing the processor to another thread) costs as much as some of them.
func TryRead(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(syscall.SYS_READ, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), err
}

// TryWrite is write(2) likewise.
func TryWrite(fd uintptr, b []byte) (int, syscall.Errno) {
	n, _, err := syscall.RawSyscall(syscall.SYS_WRITE, fd, uintptr(unsafe.Pointer(&b[0])), uintptr(len(b)))
	return int(n), err
}
