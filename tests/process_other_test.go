//go:build !linux

package tests

import "syscall"

// dieWithUs asks for nothing: where there is no Linux, killed tests leave their processes behind.
func dieWithUs() *syscall.SysProcAttr { return nil }
