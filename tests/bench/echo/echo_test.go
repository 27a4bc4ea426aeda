package echo

import (
	"bytes"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestMain(m *testing.M) {
	// fasthttp keeps a goroutine that tells the time for as long as the process lives, and one that cleans up after a
	// server notices its end after 10 s only.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.updateServerDate.func1"),
		goleak.IgnoreAnyFunction("github.com/valyala/fasthttp.(*workerPool).Start.func2"))
}

// serve runs f on a listener until the test ends and returns its address.
func serve(t *testing.T, f func(net.Listener) error) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() { // ends when l is closed
		defer close(done)
		_ = f(l) // says that l is closed
	}()
	t.Cleanup(func() {
		l.Close()
		<-done
	})
	return l.Addr().String()
}

func TestMotan(t *testing.T) {
	addr := serve(t, ServeMotan)
	c := motantest.Dial(t, addr)
	t.Cleanup(func() { c.Conn.Close() })
	tests := []struct {
		name string
		size int
	}{{"empty", 0}, {"small", 128}, {"over one read", 100 << 10}, {"1 MiB", 1 << 20}, {"small again", 5}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body := bytes.Repeat([]byte{'x', 0xf1}, tt.size)[:tt.size]
			f := motantest.Request("com.example.Bench", "echo", body)
			f.SetSerialization(motan.SerializeSimple)
			reply := c.Call(f)
			if !bytes.Equal(reply.Body(), body) || reply.Serialization() != motan.SerializeSimple || reply.Failed() {
				t.Errorf("got %d bytes in serialization %d, failed %v; want the %d bytes sent, %d, false",
					len(reply.Body()), reply.Serialization(), reply.Failed(), len(body), motan.SerializeSimple)
			}
		})
	}
}

func TestMotanAnswersBatchesInOrder(t *testing.T) {
	c := motantest.Dial(t, serve(t, ServeMotan))
	t.Cleanup(func() { c.Conn.Close() })
	var all []byte
	const frames = 500
	for i := range frames {
		f := motantest.Request("com.example.Bench", "echo", []byte(strings.Repeat("b", i)))
		all = f.AppendTo(all, uint64(i), 0)
	}
	go c.Conn.Write(all) //nolint:errcheck // ends with the connection; what is missing shows below
	for i := range frames {
		if reply := c.Receive(); reply.ID != uint64(i) || len(reply.Body()) != i {
			t.Fatalf("got the id %d with %d bytes, want %d with as many", reply.ID, len(reply.Body()), i)
		}
	}
}

func TestMotanHeartbeat(t *testing.T) {
	c := motantest.Dial(t, serve(t, ServeMotan))
	t.Cleanup(func() { c.Conn.Close() })
	beat := &motan.Frame{Type: motan.FlagHeartbeat, ID: 7}
	c.Send(beat)
	if reply := c.Receive(); reply.ID != 7 || reply.Type != motan.FlagHeartbeat|motan.FlagResponse {
		t.Errorf("got the id %d and type %#x, want 7 and %#x", reply.ID, reply.Type, motan.FlagHeartbeat|motan.FlagResponse)
	}
}

func TestMotanClosesOnNonsense(t *testing.T) {
	tests := []struct{ name, sent string }{
		{"HTTP", "GET / HTTP/1.1\r\nHost: example.com\r\n\r\n"},
		{"huge metadata", "\xf1\xf1\x00\x08\x30\x00\x00\x00\x00\x00\x00\x00\x01\xff\xff\xff\xff"},
		{"huge body", "\xf1\xf1\x00\x08\x30\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\xff\xff\xff\xff"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := motantest.Dial(t, serve(t, ServeMotan))
			c.Write([]byte(tt.sent))
			if rest := c.AwaitClose(); len(rest) > 0 {
				t.Errorf("got %q, want the end of the connection", rest)
			}
		})
	}
}

func TestHTTP(t *testing.T) {
	addr := serve(t, ServeHTTP)
	transport := &http.Transport{}
	defer transport.CloseIdleConnections()
	client := http.Client{Transport: transport, Timeout: time.Minute}
	for _, body := range []string{"", `["x"]`, strings.Repeat("y", 1<<20)} {
		response, err := client.Post("http://"+addr+"/echo", "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(response.Body)
		response.Body.Close()
		if err != nil || string(got) != body || response.StatusCode != http.StatusOK {
			t.Errorf("got %d with %d bytes, %v; want 200 with the %d bytes sent", response.StatusCode, len(got), err, len(body))
		}
	}
}
