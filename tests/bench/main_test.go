package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/motand/motand/tests/bench/report"
)

// TestMain makes a provider of the test binary when the bench starts it as one.
func TestMain(m *testing.M) {
	if role(os.Args[1:]) {
		os.Exit(provide(os.Args[2:], os.Stdout, os.Stderr))
	}
	goleak.VerifyTestMain(m)
}

func TestParse(t *testing.T) {
	tests := []struct {
		name string
		args string
		want string // part of the error; "" for none
	}{
		{"nothing", "", ""},
		{"all", "-rounds 2 -duration 1s -warmup 0s -only P1,P4 -against motand,haproxy -contender a=b=c -md -out x -profile y", ""},
		{"one of two", "-only p6-unix", ""},
		{"argument", "P1", `unexpected argument "P1"`},
		{"no such scenario", "-only P1,P99", "-only P99"},
		{"no round", "-rounds 0", "-rounds 0"},
		{"too short", "-duration 1ms", "-duration"},
		{"negative", "-warmup -1s", "-warmup"},
		{"no connection", "-idle 0", "-idle 0"},
		{"too many services", "-services 1000000", "-services"},
		{"contender without command", "-contender a=", "name=command"},
		{"contender without name", "-contender =a", "name=command"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parse(strings.Fields(tt.args), io.Discard)
			if tt.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestQuick(t *testing.T) {
	o, err := parse([]string{"-quick", "-rounds", "7"}, io.Discard)
	if err != nil || o.rounds != 1 || o.duration != 500*time.Millisecond {
		t.Errorf("got %d rounds of %v, %v; want 1 of 500ms", o.rounds, o.duration, err)
	}
}

// TestHelp holds that the help names every scenario and every variable that a contender gets.
func TestHelp(t *testing.T) {
	var text bytes.Buffer
	if _, err := parse([]string{"-h"}, &text); !errors.Is(err, flag.ErrHelp) {
		t.Fatalf("got %v, want %v", err, flag.ErrHelp)
	}
	h := &host{}
	wanted := []string{"-contender"}
	for _, s := range scenarios(&options{idle: 10_000, services: 10_000}) {
		wanted = append(wanted, s.id, s.title)
	}
	for _, pair := range shellOf("true")(h).Env {
		if name, _, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "MOTAND_BENCH_") {
			wanted = append(wanted, name)
		}
	}
	for _, want := range wanted {
		if !strings.Contains(text.String(), want) {
			t.Errorf("the help lacks %q:\n%s", want, &text)
		}
	}
}

func TestWithoutMotand(t *testing.T) {
	err := run(t.Context(), []string{"-motand", filepath.Join(t.TempDir(), "motand")}, io.Discard, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("got %v, want an error that says how to build it", err)
	}
}

// buildMotand builds motand into a folder of the test.
func buildMotand(t *testing.T) string {
	t.Helper()
	exe := filepath.Join(t.TempDir(), "motand")
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", exe, "./agent/cmd/motand")
	cmd.Dir = filepath.Join("..", "..")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return exe
}

// TestRuns races motand against itself, the second one started by a command line, in every kind of scenario, and shows
// the table that comes of it. How fast they are is not looked at.
func TestRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	exe, out, temp := buildMotand(t), t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", temp)
	var table, log bytes.Buffer
	err := run(t.Context(), []string{
		"-quick", "-duration", "100ms", "-only", "P1,P5,P6-unix,P7,P8,P9,P10", "-idle", "1000", "-services", "20", "-against", "motand,other,broken",
		"-motand", exe, "-contender", `other=exec "` + exe + `" run -c "$MOTAND_BENCH_YAML"`, "-contender", "broken=echo no luck; exit 7", "-out", out,
	}, &table, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	t.Logf("%s", &table)
	data, err := os.ReadFile(filepath.Join(out, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var r report.Report
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	if len(r.Scenarios) != 7 {
		t.Errorf("got %d scenarios, want 7", len(r.Scenarios))
	}
	for _, s := range r.Scenarios {
		names := []string{"motand", "other"}
		if s.ID == "P9" {
			names = []string{"motand", "motand, services", "motand, renewing"}
		} else if c := s.Contender("broken"); c == nil || !strings.Contains(c.Failed, "no luck") {
			t.Errorf("%s: got %+v for a contender that cannot start, want what it wrote", s.ID, c)
		}
		for _, name := range names {
			c := s.Contender(name)
			if c == nil || c.Failed != "" || len(c.Rounds) != 1 {
				t.Errorf("%s: got %+v for %s, want one round\n%s", s.ID, c, name, &log)
				continue
			}
			if one := c.Rounds[0]; one.Calls == 0 || one.Errors != 0 || one.RSS == 0 || one.Cost == 0 {
				t.Errorf("%s: got %+v for %s, want calls without errors, memory and a cost", s.ID, one, name)
			}
		}
	}
	rest, err := os.ReadDir(temp)
	if err != nil || len(rest) > 0 {
		t.Errorf("left over: %v, %v", rest, err)
	}
}

// TestInterrupted holds that what was measured is reported, and that everything ends.
func TestInterrupted(t *testing.T) {
	exe, out := buildMotand(t), t.TempDir()
	stopped, stop := context.WithCancel(t.Context())
	log := &watcher{on: "round 1/", do: stop}
	err := run(stopped, []string{
		"-rounds", "1000", "-duration", "20ms", "-warmup", "0s", "-only", "P1", "-against", "motand", "-motand", exe, "-out", out,
	}, io.Discard, log)
	if err == nil || !strings.Contains(err.Error(), "interrupted") {
		t.Errorf("got %v, want that it was interrupted", err)
	}
	if _, err := os.Stat(filepath.Join(out, "bench.json")); err != nil {
		t.Error(err)
	}
}
