package tests

import "syscall"

// dieWithUs has the kernel end a process when the tests are killed.
func dieWithUs() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }
