package zookeeper

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// packet returns a packet of size bytes.
func packet(size int) []byte {
	return append(binary.BigEndian.AppendUint32(nil, uint32(size)), make([]byte, size)...)
}

func TestGuardLengths(t *testing.T) {
	head := func(size uint32) []byte { return binary.BigEndian.AppendUint32(nil, size) }
	tests := []struct {
		name string
		sent []byte
		bad  bool
	}{
		{"welcome", packet(40), false},
		{"welcome and more", join(packet(40), packet(16), packet(2000), packet(maxPacket)), false},
		{"HTTP", []byte("HTTP/1.1 400 Bad Request\r\n\r\n"), true},
		{"welcome too long", head(maxWelcome + 1), true},
		{"too short", head(minPacket - 1), true},
		{"nothing in it", head(0), true},
		{"too long later", join(packet(40), head(maxPacket+1)), true},
		{"negative later", join(packet(40), head(0xffffffff)), true},
	}
	for _, tt := range tests {
		for _, step := range []int{1, 3, 1 << 20} {
			if step == 1 && len(tt.sent) > 1<<20 {
				continue // byte by byte takes seconds
			}
			t.Run(tt.name, func(t *testing.T) {
				near, far := net.Pipe()
				defer near.Close()
				g := &guard{Conn: near, welcomeBy: time.Now().Add(testTimeout)}
				go func() { // ends when all is read, or near is closed
					defer far.Close()
					_, _ = io.Copy(far, bytes.NewReader(tt.sent)) // what is missing shows in what was got
				}()
				var got bytes.Buffer
				_, err := io.CopyBuffer(&got, struct{ io.Reader }{g}, make([]byte, step))
				if tt.bad {
					if err == nil || !strings.Contains(err.Error(), "does not speak ZooKeeper's protocol") {
						t.Errorf("got %v after %d bytes, want an error", err, got.Len())
					}
					return
				}
				if err != nil || !bytes.Equal(got.Bytes(), tt.sent) {
					t.Errorf("got %d bytes, %v; want %d", got.Len(), err, len(tt.sent))
				}
				if !g.isWelcomed() {
					t.Error("the first packet was not noticed")
				}
			})
		}
	}
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

// Whatever the library asks for, the first packet has its deadline; after it the library's own counts.
func TestGuardDeadline(t *testing.T) {
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	g := &guard{Conn: near, welcomeBy: time.Now().Add(-time.Second)}
	for _, asked := range []time.Time{{}, time.Now().Add(time.Hour)} {
		if err := g.SetReadDeadline(asked); err != nil {
			t.Fatal(err)
		}
		if _, err := g.Read(make([]byte, 4)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("asked for %v: got %v, want the deadline of the first packet", asked, err)
		}
	}
	if !g.hung.Load() {
		t.Error("a server that does not answer was not noticed")
	}
	g.welcome()
	go far.Write(make([]byte, 4)) //nolint:errcheck // ends with the read below, or when far is closed
	if err := g.SetReadDeadline(time.Time{}); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadFull(g.Conn, make([]byte, 4)); err != nil {
		t.Errorf("after the first packet: got %v", err)
	}
}

// A server that speaks something else is reported, not trusted.
func TestWrongServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when l is closed
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n") // the client may have gone
			c.Close()
		}
	}()
	defer func() { l.Close(); <-done }()
	r, err := New(Options{Address: l.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	watch(t, r, testService)
	eventually(t, func() string {
		if st := r.State(); st.Connected || st.LastError == "" {
			return "state: no word about a server that is none"
		}
		return ""
	})
	if err := r.Close(t.Context()); err != nil {
		t.Errorf("close: %v", err)
	}
}
