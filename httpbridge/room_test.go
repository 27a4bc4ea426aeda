package httpbridge

import (
	"bufio"
	"fmt"
	"io"
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

	s := &Server{Handler: motan.HandlerFunc(reply(strings.Repeat("x", 400<<10))), MaxBytesInFlight: 1 << 20}
	l = serve(t, s)
	done := make(chan answerOf)
	const calls = 8 // of which one at a time finds room
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
