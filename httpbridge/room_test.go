package httpbridge

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// TestRoom checks that large bodies are held up to the limit and no further, whatever their framing, and that small calls
// and those after them are answered.
func TestRoom(t *testing.T) {
	const size, limit = 700 << 10, 1 << 20
	plain := fmt.Sprintf("POST /rpc/s/m HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", size)
	chunked := "POST /rpc/s/m HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
	half := strings.Repeat(" ", size/2)
	var chunks strings.Builder
	for range size / 2 / 1024 {
		chunks.WriteString("400\r\n" + strings.Repeat(" ", 1024) + "\r\n")
	}
	for name, slow := range map[string]struct{ begin, end string }{
		"half a body":      {plain + half, half},
		"half a chunk":     {chunked + fmt.Sprintf("%x\r\n", size) + half, half + "\r\n0\r\n\r\n"},
		"many small ones":  {chunked + chunks.String(), chunks.String() + "0\r\n\r\n"},
		"one after others": {chunked + chunks.String() + fmt.Sprintf("%x\r\n", size/2), half + "\r\n0\r\n\r\n"},
	} {
		t.Run(name, func(t *testing.T) {
			s := &Server{Handler: motan.HandlerFunc(reply("ok")), MaxBytesInFlight: limit}
			l := serve(t, s)
			conn, err := l.Dial()
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			if _, err := io.WriteString(conn, slow.begin); err != nil {
				t.Fatal(err)
			}
			wait(t, "the body to be counted", func() bool { return s.BytesHeld() >= size/2-2048 })
			got := ask(t, l.Dial, plain+half+half)
			if checkError(t, got, 503, "httpMaxBytesInFlight"); got.headers.Get("Retry-After") != "1" {
				t.Errorf("got %v, want Retry-After", got.headers)
			}
			if n := s.Stats.Invalid[ReasonCrowded].Load(); n != 1 {
				t.Errorf("counted %d, want 1", n)
			}
			if got := ask(t, l.Dial, post("/rpc/s/m", `["small"]`)); got.status != 200 {
				t.Errorf("a small call: got %d %s, want 200", got.status, got.body)
			}
			wait(t, "what was refused to be given back", func() bool { return s.BytesHeld() < size*3/4 })
			if _, err := io.WriteString(conn, slow.end); err != nil {
				t.Fatal(err)
			}
			if got := readAnswer(t, bufio.NewReader(conn)); got.status != 200 {
				t.Errorf("the one that came first: got %d %s, want 200", got.status, got.body)
			}
			wait(t, "the room to be free", func() bool { return s.BytesHeld() == 0 })
			if got := ask(t, l.Dial, plain+half+half); got.status != 200 {
				t.Errorf("afterwards: got %d %s, want 200", got.status, got.body)
			}
			wait(t, "the room to be free again", func() bool { return s.BytesHeld() == 0 })
		})
	}
}

// TestRoomOfAnswers checks that an answer waits for its room, and says so when there is none.
func TestRoomOfAnswers(t *testing.T) {
	l := serve(t, &Server{
		Handler: motan.HandlerFunc(reply(strings.Repeat("x", 900<<10))), MaxBytesInFlight: 1 << 20,
		WriteTimeout: 20 * time.Millisecond,
	})
	checkError(t, ask(t, l.Dial, post("/rpc/s/m", `[]`)), 503, "the call was made")

	s := &Server{Handler: motan.HandlerFunc(reply(strings.Repeat("x", 400<<10))), MaxBytesInFlight: 2 << 20}
	l = serve(t, s)
	done := make(chan answerOf)
	const calls = 4 // of which two at a time find room, and the others may wait
	for range calls {
		go func() { done <- ask(t, l.Dial, post("/rpc/s/m", `[]`)) }()
	}
	for range calls {
		if got := <-done; got.status != 200 {
			t.Errorf("got %d %.200s, want 200", got.status, got.body)
		}
	}
	wait(t, "the room to be free", func() bool { return s.BytesHeld() == 0 })
}

// TestRoomOfBrokenClients checks that clients who go away leave nothing behind.
func TestRoomOfBrokenClients(t *testing.T) {
	s := &Server{Handler: motan.HandlerFunc(reply("ok"))}
	l := serve(t, s)
	for range 10 {
		conn, err := l.Dial()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(conn, "POST /rpc/s/m HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"+strings.Repeat("x", 950_000)); err != nil {
			t.Fatal(err)
		}
		wait(t, "the body to be counted", func() bool { return s.BytesHeld() > 900_000 })
		conn.Close()
		wait(t, "the room to be free", func() bool { return s.BytesHeld() == 0 })
	}
}

// TestRoomOfRawResponses has clients ask for large responses and read nothing: what is held stays within the room, what waits
// for it likewise, and all is given back. A client that reads gets every byte.
func TestRoomOfRawResponses(t *testing.T) {
	const clients, size, limit = 20, 4 << 20, 16 << 20
	body := strings.Repeat("0123456789abcdef", size/16)
	s := shop(t, motan.HandlerFunc(rawReply(okHead, body)))
	s.MaxBytesInFlight, s.WriteTimeout = limit, time.Minute
	addr := serveTCP(t, s)
	const get = "GET /api/x HTTP/1.1\r\nHost: shop.example.com\r\n\r\n"
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range clients {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, conn)
		if err := conn.(*net.TCPConn).SetReadBuffer(4096); err != nil {
			t.Fatal(err)
		}
		write(conn, get)
	}
	wait(t, "the others to be refused", func() bool { return s.Stats.Invalid[ReasonCrowded].Load() >= clients-2*limit/size })
	if held, waiting := s.BytesHeld(), s.room.waiting.Load(); held > limit || waiting > limit {
		t.Errorf("got %d held and %d waiting, want at most %d each", held, waiting, limit)
	}
	if got := ask(t, dialer(addr), post("/rpc/s/m", `["small"]`)); got.status != 200 {
		t.Errorf("a small call: got %d", got.status)
	}
	for _, c := range conns {
		c.Close()
	}
	wait(t, "the room to be free", func() bool { return s.BytesHeld() == 0 && s.room.waiting.Load() == 0 })
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	r := newReader(conn)
	for range 3 {
		write(conn, get)
		if got := readAnswer(t, r); got.status != 200 || got.body != body {
			t.Fatalf("got %d and %d bytes, want %d", got.status, len(got.body), len(body))
		}
	}
	wait(t, "the room to be free again", func() bool { return s.BytesHeld() == 0 })
}
