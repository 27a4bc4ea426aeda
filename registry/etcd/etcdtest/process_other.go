//go:build !linux

package etcdtest

import "syscall"

// attributes are empty: where there is no Linux, a killed test leaves its server behind.
func attributes() *syscall.SysProcAttr { return nil }

// stopped believes that a signal works at once.
func stopped(int) bool { return true }
