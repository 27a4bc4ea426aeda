package main

import (
	"bytes"
	"errors"
	"flag"
	"io"
	"regexp"
	"strings"
	"testing"
)

func TestParseScale(t *testing.T) {
	tests := []struct {
		name, args string
		want       string // part of the error; "" for none
	}{
		{"nothing", "", ""},
		{"all", "-only g6,G8 -motand x -idle 1 -rest 1s -sockets 1 -memory 1 -services 1 -nodes 1 -duration 1s", ""},
		{"argument", "G6", `unexpected argument "G6"`},
		{"no such part", "-only G7", "-only G7"},
		{"none", "-idle 0", "numbers"},
		{"too many", "-services 2000000", "numbers"},
		{"too many nodes", "-nodes 1001", "-nodes"},
		{"too short", "-rest 1ms", "-rest"},
		{"too long", "-duration 2h", "-duration"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := parseScale(strings.Fields(tt.args), io.Discard)
			if tt.want == "" && err != nil {
				t.Errorf("got %v, want no error", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
	var text bytes.Buffer
	if _, err := parseScale([]string{"-h"}, &text); !errors.Is(err, flag.ErrHelp) {
		t.Errorf("got %v, want %v", err, flag.ErrHelp)
	}
	for _, p := range scaleParts {
		if !strings.Contains(text.String(), p.id+" ") || !strings.Contains(text.String(), p.title) {
			t.Errorf("the help lacks %s %s", p.id, p.title)
		}
	}
}

func TestScaleTable(t *testing.T) {
	s := scale{bench: &bench{log: io.Discard}}
	s.add("A", "short", 12.345, 20, "MiB")
	s.add("B", "somewhat longer", 2, 1.5, "times")
	s.add("C", "without limit", 7, 0, "")
	var table bytes.Buffer
	s.print(printer{&table})
	want := "A    short                12.35 MiB  reached <= 20\n" +
		"B    somewhat longer          2 times  MISSED <= 1.5\n" +
		"C    without limit            7 \n"
	if table.String() != want {
		t.Errorf("got\n%swant\n%s", &table, want)
	}
}

// TestScaleRuns measures small numbers. What comes of it is not looked at, only that it is there.
func TestScaleRuns(t *testing.T) {
	if testing.Short() {
		t.Skip("skipped: -short")
	}
	exe := buildMotand(t)
	t.Setenv("TMPDIR", t.TempDir())
	var table, log bytes.Buffer
	err := runScale(t.Context(), []string{
		"-motand", exe, "-idle", "50", "-rest", "100ms", "-sockets", "120", "-duration", "100ms", "-memory", "100", "-services", "50", "-nodes", "10",
	}, &table, &log)
	if err != nil {
		t.Fatalf("%v\n%s", err, &log)
	}
	t.Logf("%s", &table)
	for _, p := range scaleParts {
		if !regexp.MustCompile(`(?m)^` + p.id + ` .*(reached|MISSED)`).MatchString(table.String()) {
			t.Errorf("the table has no limit for %s", p.id)
		}
	}
	if err := runScale(t.Context(), []string{"-motand", t.TempDir()}, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), "make build") {
		t.Errorf("without motand: got %v, want an error that says how to build it", err)
	}
}
