package handover

import (
	"bytes"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

func soon() time.Time { return time.Now().Add(10 * time.Second) }

// pair returns both ends as channels.
func pair(t testing.TB) (*Channel, *Channel) {
	t.Helper()
	a, file, err := Pair()
	if err != nil {
		t.Fatal(err)
	}
	conn, err := net.FileConn(file)
	_ = file.Close()
	if err != nil {
		t.Fatal(err)
	}
	b := &Channel{conn.(*net.UnixConn)}
	t.Cleanup(func() { _, _ = a.Close(), b.Close() })
	return a, b
}

func TestMessages(t *testing.T) {
	a, b := pair(t)
	large := bytes.Repeat([]byte("x"), 1<<20)
	sent := make(chan error, 1)
	go func() {
		err := a.Send(soon(), KindHello, Hello{Program: "v1", PID: 7}, nil)
		sent <- errors.Join(err, a.Send(soon(), KindConnection, Connection{"motan", large}, nil), a.Send(soon(), KindLast, nil, nil))
	}()
	var hello Hello
	var conn Connection
	for _, x := range []struct {
		kind Kind
		body any
	}{{KindHello, &hello}, {KindConnection, &conn}, {KindLast, nil}} {
		m, err := b.Receive(soon())
		if err != nil || m.Kind != x.kind || m.File != nil {
			t.Fatalf("got message %d, file %v, %v, want message %d", m.Kind, m.File, err, x.kind)
		}
		if x.body != nil {
			if err := m.Read(x.body); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := <-sent; err != nil {
		t.Error(err)
	}
	if hello.Program != "v1" || hello.PID != 7 || conn.Server != "motan" || !bytes.Equal(conn.Unread, large) {
		t.Errorf("got %+v and a connection of %q with %d bytes", hello, conn.Server, len(conn.Unread))
	}
	_ = a.Close()
	if _, err := b.Receive(soon()); !errors.Is(err, io.EOF) {
		t.Errorf("after the end: got %v, want EOF", err)
	}
}

// A listener that is sent goes on accepting at the other end after it was closed here.
func TestDescriptors(t *testing.T) {
	a, b := pair(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	if err := a.Send(soon(), KindSocket, Socket{Name: "motan"}, l.(*net.TCPListener)); err != nil {
		t.Fatal(err)
	}
	l.Close()
	m, err := b.Receive(soon())
	if err != nil || m.File == nil {
		t.Fatalf("got file %v, %v", m.File, err)
	}
	got, err := net.FileListener(m.File)
	_ = m.File.Close()
	if err != nil {
		t.Fatal(err)
	}
	defer got.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("dial what was handed over: %v", err)
	}
	conn.Close()
}

func TestBadMessages(t *testing.T) {
	good, err := encode(KindHello, []byte(`{"pid":1}`))
	if err != nil {
		t.Fatal(err)
	}
	with := func(at int, b byte) []byte {
		bad := bytes.Clone(good)
		bad[at] = b
		return bad
	}
	tests := []struct {
		name string
		data []byte
		want string
	}{
		{"no message", []byte("GET / HTTP/1.1\r\n\r\n"), "is no message"},
		{"another version", with(5, 9), "another version of the hand-over; restart instead of upgrading (9, ours is 1)"},
		{"too large", with(8, 0xff), "are allowed"},
		{"a changed body", with(headerSize+2, 'P'), "checksum is wrong"},
		{"a changed kind", with(7, 9), "checksum is wrong"},
		{"the end in the header", good[:5], "EOF"},
		{"the end in the body", good[:headerSize+3], "unexpected EOF"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			a, b := pair(t)
			if _, err := a.conn.Write(tt.data); err != nil {
				t.Fatal(err)
			}
			_ = a.Close()
			if _, err := b.Receive(soon()); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

func TestReceiveTimesOut(t *testing.T) {
	_, b := pair(t)
	if _, err := b.Receive(time.Now().Add(time.Millisecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v, want that the time is over", err)
	}
}

func TestInherited(t *testing.T) {
	for value, want := range map[string]string{"x": "names no descriptor", "2": "names no descriptor", "999": "descriptor 999"} {
		t.Setenv(Env, value)
		if _, err := Inherited(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s=%s: got %v, want an error with %q", Env, value, err, want)
		}
		if _, ok := os.LookupEnv(Env); ok {
			t.Errorf("%s is still set", Env)
		}
	}
	if c, err := Inherited(); c != nil || err != nil {
		t.Errorf("without %s: got %v, %v, want nothing", Env, c, err)
	}
}

func FuzzReceive(f *testing.F) {
	good, err := encode(KindSocket, []byte(`{"name":"motan"}`))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:20])
	f.Add([]byte("HTTP/1.1 200 OK\r\n\r\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		if len(data) > 64<<10 {
			return // more than the socket takes without a reader
		}
		a, b := pair(t)
		if _, err := a.conn.Write(data); err != nil {
			t.Fatal(err)
		}
		_ = a.Close()
		for {
			m, err := b.Receive(soon())
			if err != nil {
				return
			}
			again, err := encode(m.Kind, m.Body)
			if err != nil || !bytes.HasPrefix(data, again) {
				t.Fatalf("message %d of %d bytes is not what was sent: %v", m.Kind, len(m.Body), err)
			}
			data = data[len(again):]
		}
	})
}
