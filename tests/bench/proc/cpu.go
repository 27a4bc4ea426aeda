// Package proc reads from /proc what processes cost: CPU time in nanoseconds, resident memory. It knows Linux only; on
// other systems it returns errors.
package proc

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// FS reads a tree of the form of /proc. Root is its folder; "" means /proc.
type FS struct{ Root string }

// CPU is how long each thread of some processes has run since it began. Threads that end between two readings take along
// what they ran since the first.
type CPU map[thread]time.Duration

// thread is the id of a process and that of one of its threads.
type thread struct{ pid, tid string }

func (f FS) path(elem ...string) string {
	root := f.Root
	if root == "" {
		root = "/proc"
	}
	return filepath.Join(append([]string{root}, elem...)...)
}

// CPU reads the time on a CPU of every thread of the processes pids, from schedstat: nanoseconds, user and system
// together, not the ticks of 10 ms that stat has.
func (f FS) CPU(pids ...int) (CPU, error) {
	all := make(CPU)
	for _, pid := range pids {
		p := strconv.Itoa(pid)
		tasks, err := os.ReadDir(f.path(p, "task"))
		if err != nil {
			return nil, fmt.Errorf("proc: threads of process %d: %w", pid, err)
		}
		for _, t := range tasks {
			d, err := f.running(p, t.Name())
			if errors.Is(err, fs.ErrNotExist) {
				continue // it has ended since
			}
			if err != nil {
				return nil, fmt.Errorf("proc: CPU time of process %d: %w", pid, err)
			}
			all[thread{p, t.Name()}] = d
		}
	}
	return all, nil
}

// running is the first field of a thread's schedstat.
func (f FS) running(pid, tid string) (time.Duration, error) {
	data, err := os.ReadFile(f.path(pid, "task", tid, "schedstat"))
	if err != nil {
		return 0, err
	}
	first, _, _ := bytes.Cut(data, []byte(" "))
	n, err := strconv.ParseInt(string(first), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("schedstat of thread %s is %.100q: %w", tid, data, err)
	}
	return time.Duration(n), nil
}

// Since is how long the processes have run between the reading before and this one.
func (c CPU) Since(before CPU) time.Duration {
	var sum time.Duration
	for t, d := range c {
		sum += d - before[t]
	}
	return sum
}

// RSS is the resident memory of the processes pids together, in bytes.
func (f FS) RSS(pids ...int) (int64, error) {
	var sum int64
	for _, pid := range pids {
		data, err := os.ReadFile(f.path(strconv.Itoa(pid), "status"))
		if err != nil {
			return 0, fmt.Errorf("proc: memory of process %d: %w", pid, err)
		}
		_, rest, ok := bytes.Cut(data, []byte("\nVmRSS:"))
		fields := strings.Fields(string(rest[:min(len(rest), 64)]))
		if !ok || len(fields) < 2 || fields[1] != "kB" {
			return 0, fmt.Errorf("proc: memory of process %d: no VmRSS in its status", pid)
		}
		n, err := strconv.ParseInt(fields[0], 10, 64)
		if err != nil {
			return 0, fmt.Errorf("proc: memory of process %d: %w", pid, err)
		}
		sum += n << 10
	}
	return sum, nil
}

// Tree returns the process pid and all that descend from it.
func (f FS) Tree(pid int) ([]int, error) {
	entries, err := os.ReadDir(f.path())
	if err != nil {
		return nil, fmt.Errorf("proc: list processes: %w", err)
	}
	children := make(map[int][]int)
	for _, e := range entries {
		child, err := strconv.Atoi(e.Name())
		if err != nil {
			continue
		}
		if parent, ok := f.parent(child); ok {
			children[parent] = append(children[parent], child)
		}
	}
	tree := []int{pid}
	for i := 0; i < len(tree); i++ {
		tree = append(tree, children[tree[i]]...)
	}
	return tree, nil
}

// parent is the second field of stat after the command's name, which may have spaces and parentheses itself.
func (f FS) parent(pid int) (parent int, ok bool) {
	data, err := os.ReadFile(f.path(strconv.Itoa(pid), "stat"))
	if err != nil {
		return 0, false
	}
	fields := strings.Fields(string(data[bytes.LastIndexByte(data, ')')+1:]))
	if len(fields) < 2 {
		return 0, false
	}
	parent, err = strconv.Atoi(fields[1])
	return parent, err == nil && parent != pid
}
