package tests

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/agent/handover"
)

// fakeEnv makes the program of these tests a successor that goes wrong, as its value says: "crash" or "hang", and after which
// message of its own or of the old process.
const fakeEnv = "MOTAND_TESTS_SUCCESSOR"

// fakeSteps are the points at which a successor goes wrong, in their order.
var fakeSteps = []string{"start", "hello", "state", "ready", "serve", "serving", "connection", "received", "last"}

// fakeSuccessor writes a program into the folder that goes wrong after step.
func fakeSuccessor(t testing.TB, dir, how, step string) string {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, how+"-"+step)
	script := fmt.Sprintf("#!/bin/sh\n%s='%s %s' exec '%s'\n", fakeEnv, how, step, exe)
	if err := os.WriteFile(path, []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// runFake is the program. It keeps to the protocol up to its step; it never reads from what it is given.
func runFake(mode string) int {
	how, step, _ := strings.Cut(mode, " ")
	f := &fake{how: how, step: step, by: time.Now().Add(patience)}
	f.at("start")
	c, err := handover.Inherited()
	if err != nil || c == nil {
		fmt.Fprintln(os.Stderr, "fake successor:", err)
		return 1
	}
	f.channel = c
	f.send(handover.KindHello, handover.Hello{Program: "fake", PID: os.Getpid()})
	f.at("hello")
	for f.receive() != handover.KindPrepare {
		f.at("state")
	}
	f.send(handover.KindReady, nil)
	f.at("ready")
	f.receive()
	f.at("serve")
	f.send(handover.KindServing, nil)
	f.at("serving")
	for f.receive() == handover.KindConnection {
		f.at("connection")
		f.send(handover.KindReceived, nil)
		f.at("received")
	}
	f.at("last")
	return 1
}

type fake struct {
	how, step string
	channel   *handover.Channel
	by        time.Time
}

// at goes wrong at the step that it is to go wrong at.
func (f *fake) at(step string) {
	if step != f.step {
		return
	}
	if f.how == "crash" {
		os.Exit(7)
	}
	<-time.After(patience) // the old process ends it before
	os.Exit(8)
}

func (f *fake) send(kind handover.Kind, body any) {
	if err := f.channel.Send(f.by, kind, body, nil); err != nil {
		os.Exit(9)
	}
}

func (f *fake) receive() handover.Kind {
	m, err := f.channel.Receive(f.by)
	if err != nil {
		os.Exit(9)
	}
	return m.Kind
}
