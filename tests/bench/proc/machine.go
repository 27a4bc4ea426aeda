package proc

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"
)

// Machine says what measurements have to be read against: numbers of other machines can be scaled by what a system call
// and a pair of write and read cost there.
type Machine struct {
	CPU      string        `json:"cpu"`
	CPUs     int           `json:"cpus"`
	Kernel   string        `json:"kernel"`
	Go       string        `json:"go"`
	Getppid  time.Duration `json:"getppid_ns"`  // of one system call that does nothing
	Loopback time.Duration `json:"loopback_ns"` // of writing 64 bytes into a TCP connection of this host and reading them, in one thread
	Load     string        `json:"load"`        // average load over 1, 5 and 15 minutes at the start
}

// Probe measures and reads what this machine is like. What cannot be read stays empty.
func (f FS) Probe() (Machine, error) {
	m := Machine{CPUs: runtime.NumCPU(), Go: runtime.Version(), CPU: f.model(), Kernel: f.first("sys", "kernel", "osrelease")}
	if fields := strings.Fields(f.first("loadavg")); len(fields) >= 3 {
		m.Load = strings.Join(fields[:3], " ")
	}
	const calls = 100_000
	start := time.Now()
	for range calls {
		syscall.Getppid()
	}
	m.Getppid = time.Since(start) / calls
	var err error
	m.Loopback, err = loopback(64, 10_000)
	return m, err
}

// first is the first line of a file, empty where there is none.
func (f FS) first(elem ...string) string {
	data, err := os.ReadFile(f.path(elem...))
	if err != nil {
		return ""
	}
	line, _, _ := bytes.Cut(data, []byte("\n"))
	return string(line)
}

// model is the name of the first CPU.
func (f FS) model() string {
	data, err := os.ReadFile(f.path("cpuinfo"))
	if err != nil {
		return runtime.GOARCH
	}
	for line := range strings.Lines(string(data)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// loopback writes size bytes into a TCP connection and reads them at its other end, rounds times, and returns what one
// pair takes.
func loopback(size, rounds int) (time.Duration, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, fmt.Errorf("proc: probe of the loopback: %w", err)
	}
	defer l.Close()
	out, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return 0, fmt.Errorf("proc: probe of the loopback: %w", err)
	}
	defer out.Close()
	in, err := l.Accept()
	if err != nil {
		return 0, fmt.Errorf("proc: probe of the loopback: %w", err)
	}
	defer in.Close()
	deadline := time.Now().Add(time.Minute)
	in.SetDeadline(deadline)
	out.SetDeadline(deadline)
	buf := make([]byte, size)
	start := time.Now()
	for range rounds {
		if _, err := out.Write(buf); err != nil {
			return 0, fmt.Errorf("proc: probe of the loopback: %w", err)
		}
		if _, err := io.ReadFull(in, buf); err != nil {
			return 0, fmt.Errorf("proc: probe of the loopback: %w", err)
		}
	}
	return time.Since(start) / time.Duration(rounds), nil
}
