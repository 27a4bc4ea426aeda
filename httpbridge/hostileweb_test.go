package httpbridge

import (
	"bufio"
	"bytes"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// rawWeb is a web service that answers each request with the same bytes.
type rawWeb struct {
	net.Listener
	answer  string
	running sync.WaitGroup
}

func newRawWeb(t *testing.T, answer string) *rawWeb {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	w := &rawWeb{Listener: l, answer: answer}
	w.running.Go(w.serve)
	t.Cleanup(func() {
		l.Close()
		w.running.Wait()
	})
	return w
}

func (w *rawWeb) serve() {
	for {
		c, err := w.Accept()
		if err != nil {
			return
		}
		w.running.Go(func() {
			defer c.Close()
			in := bufio.NewReader(c)
			for {
				r, err := http.ReadRequest(in)
				if err != nil {
					return
				}
				r.Body.Close()
				if _, err := c.Write([]byte(w.answer)); err != nil {
					return
				}
			}
		})
	}
}

// TestHostileAnswers has web services answer what the RFCs forbid, or what readers are known to understand in different ways.
// Each is refused at once and its connection is not used again, or has one meaning only.
func TestHostileAnswers(t *testing.T) {
	const ok, refused = "HTTP/1.1 200 OK\r\n", "answer is refused"
	chunked := func(rest string) string { return ok + "Transfer-Encoding: chunked\r\n\r\n" + rest }
	tests := []struct {
		name, answer string
		want         string // part of the error; "" for none
		head, body   string // what the caller gets without one
	}{
		{"length and chunks", ok + "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", refused, "", ""},
		{"chunks and length", ok + "Transfer-Encoding: chunked\r\ncontent-length: 3\r\n\r\n3\r\nabc\r\n0\r\n\r\n", refused, "", ""},
		{"two lengths", ok + "Content-Length: 3\r\nContent-Length: 5\r\n\r\nabcde", refused, "", ""},
		{"the same length twice", ok + "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"a list of lengths", ok + "Content-Length: 3, 3\r\n\r\nabc", "content-length", "", ""},
		{"signed length", ok + "Content-Length: +3\r\n\r\nabc", "content-length", "", ""},
		{"length in hexadecimal", ok + "Content-Length: 0x3\r\n\r\nabc", "content-length", "", ""},
		{"negative length", ok + "Content-Length: -3\r\n\r\nabc", "content-length", "", ""},
		{"no length in the header", ok + "Content-Length: \r\n\r\nabc", "content-length", "", ""},
		{"length of 20 digits", ok + "Content-Length: 18446744073709551619\r\n\r\nabc", "content-length", "", ""},
		{"another coding", ok + "Transfer-Encoding: xchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "transfer-encoding", "", ""},
		{"two codings", ok + "Transfer-Encoding: gzip, chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", "transfer-encoding", "", ""},
		{"coding twice", ok + "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n\r\n3\r\nabc\r\n0\r\n\r\n", refused, "", ""},
		{"vertical tab before a coding", ok + "Transfer-Encoding: \x0bchunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", refused, "", ""},
		{"folded line", ok + "X: a\r\n b\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"blank before a colon", ok + "Content-Length : 3\r\n\r\nabc", refused, "", ""},
		{"no colon", ok + "hello\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"line feeds alone", "HTTP/1.1 200 OK\nX: a\nContent-Length: 3\n\nabc", refused, "", ""},
		{"carriage return in a value", ok + "X: a\rSet-Cookie: x\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"zero byte in a value", ok + "X: a\x00b\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"zero byte in a name", ok + "X\x00: ab\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"zero byte in the reason", "HTTP/1.1 200 O\x00K\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"no number for a status", "HTTP/1.1 OK 200\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"status 000", "HTTP/1.1 000 OK\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"status 600", "HTTP/1.1 600 OK\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"status of five digits", "HTTP/1.1 20000 OK\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"HTTP/2.0", "HTTP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", refused, "", ""},
		{"HTTP/0.9", "hello world", refused, "", ""},
		{"another protocol", "SSH-2.0-x\r\n", refused, "", ""},
		{"switched protocol", "HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\n\r\nabc", refused, "", ""},
		{"endless interim answers", strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 5000), "1xx", "", ""},
		{"signed chunk", chunked("+3\r\nabc\r\n0\r\n\r\n"), "hex number", "", ""},
		{"huge chunk", chunked("fffffffffffffffff\r\nabc\r\n0\r\n\r\n"), "hex number", "", ""},
		{"chunk without an end", chunked("3\r\nabcXX0\r\n\r\n"), "end of chunk", "", ""},
		{"length as a trailer", chunked("3\r\nabc\r\n0\r\nContent-Length: 9\r\n\r\n"), "trailer", "", ""},
		{"body too large", ok + "Content-Length: 10001\r\n\r\n" + strings.Repeat("x", 10001), "maxContentLength, 10000", "", ""},
		{"chunks too large", chunked(strings.Repeat("1000\r\n"+strings.Repeat("x", 4096)+"\r\n", 3) + "0\r\n\r\n"), "maxContentLength, 10000", "", ""},
		{"too many headers", ok + strings.Repeat("X: y\r\n", 3000) + "\r\n", "head of the response takes more", "", ""},
		{"a head without an end", ok + strings.Repeat("x", 20000), "takes more than", "", ""},
		{"interim answers", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + ok + "Content-Length: 3\r\n\r\nabc", "", ok + "Content-Length: 3\r\n\r\n", "abc"},
		{"trailer", chunked("3\r\nabc\r\n0\r\nX-T: 9\r\n\r\n"), "", ok + "Content-Length: 3\r\n\r\n", "abc"},
		{"extension of a chunk", chunked("3;x=y\r\nabc\r\n0\r\n\r\n"), "", ok + "Content-Length: 3\r\n\r\n", "abc"},
		{"204 with a length", "HTTP/1.1 204 No Content\r\nContent-Length: 3\r\n\r\n", "", "HTTP/1.1 204 No Content\r\n\r\n", ""},
		{"304 with a length", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", "", "HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", ""},
		{"a second answer behind the first", ok + "Content-Length: 3\r\n\r\nabc" + ok + "Content-Length: 4\r\n\r\nevil", "", ok + "Content-Length: 3\r\n\r\n", "abc"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			w := newRawWeb(t, tt.answer)
			p := newProvider(t, ProviderSettings{ProxyAddress: w.Addr().String(), MaxContentLength: 10000})
			for range 2 { // what is left of the first answer is not the second
				c := newCall(t, must(t, []byte("GET /x HTTP/1.1\r\nHost: h\r\n\r\n"), []byte(nil)), "M_m", "/x", "HTTP_PROXY", "true")
				motan.Do(p, c)
				if tt.want != "" {
					if c.Err == nil || c.Err.Code != 503 || c.Err.Type != motan.TypeBiz || !strings.Contains(c.Err.Message, tt.want) {
						t.Errorf("got %v %q, want 503 with %q", c.Err, c.Reply.Body(), tt.want)
					}
					continue
				}
				if head, body := rawParts(t, c); head != tt.head || body != tt.body {
					t.Errorf("got %q and %q, want %q and %q", head, body, tt.head, tt.body)
				}
			}
		})
	}
}

// TestEndlessAnswer checks that a body without an end is cut off at the limit, and one that trickles at the deadline.
func TestEndlessAnswer(t *testing.T) {
	w := newWeb(t, func(out http.ResponseWriter, r *http.Request) {
		_, err := out.Write(make([]byte, 4096))
		for err == nil && r.URL.Path == "/fast" {
			_, err = out.Write(make([]byte, 4096))
		}
		out.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	for path, want := range map[string]string{"/fast": "maxContentLength", "/slow": "in time"} {
		p := newProvider(t, ProviderSettings{Domain: "d", ProxyAddress: w.host(), MaxContentLength: 100000})
		c := newCall(t, nil, "M_m", path)
		if path == "/slow" {
			c.Deadline = c.Start + int64(100*time.Millisecond)
		}
		motan.Do(p, c)
		if c.Err == nil || !strings.Contains(c.Err.Message, want) {
			t.Errorf("%s: got %v, want %q", path, c.Err, want)
		}
	}
}

// FuzzAnswerHead reads whatever a web service may send, in one piece and byte by byte, and checks that a head that passes is
// one to another reader, too.
func FuzzAnswerHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 200 OK\r\nContent-Length: 3\r\nX: y\r\n\r\nabc"))
	f.Add([]byte("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 404\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"))
	f.Add([]byte("HTTP/1.1 200 OK\nX: a\r\n b\r\n\r\n"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		var whole, pieces answerHead
		err := whole.read(sent)
		var other error
		for i := range sent {
			if other = pieces.read(sent[i : i+1]); other != nil {
				break
			}
		}
		if (err == nil) != (other == nil) || err == nil && whole.done != pieces.done {
			t.Fatalf("%q: in one piece %v %t, byte by byte %v %t", sent, err, whole.done, other, pieces.done)
		}
		if err != nil || !whole.done {
			return
		}
		in := bufio.NewReader(bytes.NewReader(sent))
		r, err := http.ReadResponse(in, nil) //nolint:bodyclose // the body is bytes in memory
		for err == nil && r.StatusCode < 200 {
			r, err = http.ReadResponse(in, nil) //nolint:bodyclose // the body is bytes in memory
		}
		if err != nil {
			return // the other reader is stricter
		}
		if len(r.Header["Content-Length"]) > 1 || len(r.TransferEncoding) > 1 {
			t.Errorf("%q: got %v", sent, r.Header)
		}
	})
}
