package agent

import (
	"bytes"
	"errors"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
	"github.com/motand/motand/motan/simple"
)

func TestCall(t *testing.T) {
	foreign := func(q *motan.Frame) *motan.Frame {
		f := motantest.Echo(q)
		f.SetSerialization(0)
		return f
	}
	tests := []struct {
		name, arguments string
		handler         motantest.Handler
		out             string
		code            int    // of a quiet end; 0 for none
		err             string // any other end
	}{
		{"answer", `["a"]`, motantest.Echo, "\"a\"\n", 0, ""},
		{"one argument that is no array", `{"k":1}`, motantest.Echo, "{\"k\":1}\n", 0, ""},
		{"no body", `["a"]`, motantest.Reply(nil), "null\n", 0, ""},
		{"exception", `["a"]`, motantest.Exception(30001, 2, "no <luck>"), `{"errcode":30001,"errmsg":"no \u003cluck\u003e","errtype":2}` + "\n", 3, ""},
		{"arguments that are no JSON", `[`, motantest.Echo, "", 0, "arguments: "},
		{"serialization that cannot be shown", `["a"]`, foreign, "", 0, "the answer has serialization 0"},
		{"answer that is broken", `["a"]`, motantest.Reply([]byte{1, 0xff, 0xff, 0xff, 0xff}), "", 0, "show the answer: "},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := motantest.NewServer(t, tt.handler)
			var out bytes.Buffer
			err := call(&out, callOptions{addr: s.Addr(), timeout: motantest.Patience}, "svc", "m", tt.arguments)
			if out.String() != tt.out {
				t.Errorf("got %q, want %q", &out, tt.out)
			}
			quiet, isQuiet := errors.AsType[*exitError](err)
			switch {
			case tt.code != 0 && (!isQuiet || quiet.code != tt.code):
				t.Errorf("got %v, want exit code %d", err, tt.code)
			case tt.err != "" && (err == nil || !strings.HasPrefix(err.Error(), tt.err)):
				t.Errorf("got %v, want %s", err, tt.err)
			case tt.code == 0 && tt.err == "" && err != nil:
				t.Errorf("got %v, want no error", err)
			}
		})
	}
}

// What cannot be a call is refused with what to write, before anything is sent.
func TestCallOptions(t *testing.T) {
	tests := []struct {
		name, addr, service string
		timeout             time.Duration
		want                string // "" for a call
	}{
		{"good", "127.0.0.1:9981", "svc", time.Second, ""},
		{"unix socket", "unix:///run/motand.sock", "svc", time.Second, ""},
		{"no port", "127.0.0.1", "svc", time.Second, `--addr must be host:port or unix:///path, such as 127.0.0.1:9981; got "127.0.0.1"`},
		{"no service", "127.0.0.1:9981", "", time.Second, "must not be empty"},
		{"no time", "127.0.0.1:9981", "svc", 0, "--timeout must be more than 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			o := callOptions{addr: tt.addr, timeout: tt.timeout}
			err := o.check(tt.service, "m")
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q", err, tt.want)
			}
		})
	}
}

// The hint says what to do about a connection; other errors speak for themselves.
func TestCallHints(t *testing.T) {
	refused := &motan.Error{Kind: motan.KindNotSent, Cause: syscall.ECONNREFUSED}
	for want, err := range map[string]*motan.Error{
		"is the agent running?":  refused,
		"--timeout waits longer": {Kind: motan.KindTimeout},
		"does it speak Motan":    {Kind: motan.KindBroken},
	} {
		if got := new(callOptions).hint(err); !strings.Contains(got, want) {
			t.Errorf("%v: got %q, want %q", err, got, want)
		}
	}
	if got := new(callOptions).hint(&motan.Error{Kind: motan.KindOversize}); got != "" {
		t.Errorf("got %q, want nothing", got)
	}
}

// What the command sends: the names, the metadata asked for, the arguments.
func TestCallSends(t *testing.T) {
	s := motantest.NewServer(t, motantest.Reply(nil))
	var out bytes.Buffer
	o := callOptions{addr: s.Addr(), group: "g", version: "2.0", timeout: motantest.Patience, meta: []string{"key=a=b"}}
	if err := call(&out, o, "svc", "m", `["a",1]`); err != nil {
		t.Fatal(err)
	}
	raw := s.Await(1)[0]
	var f motan.Frame
	if _, err := f.Decode(raw, len(raw)); err != nil {
		t.Fatal(err)
	}
	got := motantest.Metadata(&f)
	for key, want := range map[string]string{"M_p": "svc", "M_m": "m", "M_g": "g", "M_v": "2.0", "key": "a=b"} {
		if got[key] != want {
			t.Errorf("%s: got %q, want %q", key, got[key], want)
		}
	}
	if args, err := simple.DecodeAll(f.Body()); err != nil || len(args) != 2 {
		t.Errorf("arguments: got %v (%v), want two", args, err)
	}
	o.meta = []string{"key"}
	if err := call(&out, o, "svc", "m", ""); err == nil || !strings.Contains(err.Error(), `--meta "key" is not key=value`) {
		t.Errorf("got %v, want the pair named", err)
	}
}

// Nobody there, or nobody who answers: an exception as a caller would see it, and exit code 3.
func TestCallWithoutAnAnswer(t *testing.T) {
	down := motantest.NewServer(t, motantest.Silent)
	down.Stop()
	mute := motantest.NewServer(t, motantest.Silent)
	for addr, want := range map[string]string{down.Addr(): `"errcode":1002`, mute.Addr(): "timeout"} {
		var out bytes.Buffer
		err := call(&out, callOptions{addr: addr, timeout: 50 * time.Millisecond}, "svc", "m", "")
		if quiet, ok := errors.AsType[*exitError](err); !ok || quiet.code != 3 || !strings.Contains(out.String(), want) {
			t.Errorf("got %q, %v; want %s and exit code 3", &out, err, want)
		}
	}
}
