//go:build !linux

package main

import (
	"errors"
	"syscall"
	"time"
)

func ownGroup() *syscall.SysProcAttr { return nil }

func signalGroup(int, syscall.Signal) error { return errors.ErrUnsupported }

var start = time.Now()

func ownTime() time.Duration { return time.Since(start) } // the best there is everywhere

func descriptors() int { return 1024 }
