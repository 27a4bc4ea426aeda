//go:build !linux

package fpmtest

import "syscall"

func attributes() *syscall.SysProcAttr { return nil }
