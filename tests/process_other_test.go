//go:build !linux

package tests

import (
	"errors"
	"syscall"
	"testing"
)

// dieWithUs asks for nothing: where there is no Linux, killed tests leave their processes behind.
func dieWithUs() *syscall.SysProcAttr { return nil }

// adoptOrphans is not known here.
func adoptOrphans() error { return errors.New("Linux only") }

func reap(t testing.TB, _ int) int {
	t.Helper()
	t.Fatal("Linux only")
	return 0
}
