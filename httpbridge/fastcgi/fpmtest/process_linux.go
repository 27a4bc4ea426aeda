package fpmtest

import "syscall"

// attributes has the kernel tell PHP-FPM to end, with its processes, when the tests are killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM} }
