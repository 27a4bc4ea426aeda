package zktest

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// attributes have the kernel end the server when the test is killed.
func attributes() *syscall.SysProcAttr { return &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL} }

// stopped reports whether no thread of the process runs, by the state in /proc: the letter after the name in brackets.
func stopped(pid int) bool {
	states, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil {
		return false
	}
	for _, path := range states {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // the thread has ended
		}
		if end := strings.LastIndexByte(string(text), ')'); !strings.HasPrefix(string(text[end+1:]), " T") {
			return false
		}
	}
	return len(states) > 0
}
