package motantest

import (
	"bufio"
	"errors"
	"net"
	"slices"
	"sync"
	"testing"

	"github.com/motand/motand/motan"
)

// Handler answers a request. It runs on a goroutine of its own for each request and may
// block. The reply's id is set by the server; nil means that the request is never answered.
type Handler func(request *motan.Frame) *motan.Frame

// Echo answers with the body and the metadata of the request, as openresty's provider does.
func Echo(request *motan.Frame) *motan.Frame {
	reply := new(motan.Frame)
	reply.CopyFrom(request)
	return reply
}

// Reply answers every request with the body and metadata given as key, value …
func Reply(body []byte, pairs ...string) Handler {
	return func(request *motan.Frame) *motan.Frame {
		reply := new(motan.Frame)
		reply.Serialize = request.Serialize
		setPairs(reply, pairs)
		reply.SetBody(body)
		return reply
	}
}

// Exception answers every request with an exception reply.
func Exception(code, errtype int, message string) Handler {
	return func(*motan.Frame) *motan.Frame {
		reply := new(motan.Frame)
		reply.SetException(motan.Exception{Code: code, Type: errtype, Message: message})
		return reply
	}
}

// Silent answers nothing.
func Silent(*motan.Frame) *motan.Frame { return nil }

// Server is a provider on a port of 127.0.0.1. Heartbeats are answered by itself, with the
// bytes that motan-go answers.
type Server struct {
	t       testing.TB
	network string
	addr    string

	mu       sync.Mutex
	handler  Handler               // guarded by mu
	listener net.Listener          // guarded by mu; nil while stopped
	conns    map[net.Conn]struct{} // guarded by mu
	frames   [][]byte              // guarded by mu; requests in the order in which they came
	beats    int                   // guarded by mu
	accepted int                   // guarded by mu
	wait     sync.WaitGroup
}

// NewServer starts a provider that answers by h until the test ends.
func NewServer(t testing.TB, h Handler) *Server {
	t.Helper()
	return start(t, "tcp", "127.0.0.1:0", h)
}

// NewUnixServer starts a provider on the unix socket path.
func NewUnixServer(t testing.TB, path string, h Handler) *Server {
	t.Helper()
	return start(t, "unix", path, h)
}

func start(t testing.TB, network, addr string, h Handler) *Server {
	t.Helper()
	s := &Server{t: t, network: network, addr: addr, handler: h, conns: make(map[net.Conn]struct{})}
	s.Start()
	t.Cleanup(s.Stop)
	return s
}

// Addr is host:port, or unix:///path, also while the server is stopped.
func (s *Server) Addr() string {
	if s.network == "unix" {
		return "unix://" + s.addr
	}
	return s.addr
}

// Start listens on the server's address again after Stop.
func (s *Server) Start() {
	s.t.Helper()
	l, err := net.Listen(s.network, s.addr)
	if err != nil {
		s.t.Fatalf("motantest: listen: %v", err)
	}
	s.mu.Lock()
	s.listener, s.addr = l, l.Addr().String()
	s.mu.Unlock()
	s.wait.Add(1)
	go s.accept(l) // ends when Stop closes l
}

// Stop closes the listener and every connection and waits for their goroutines. What a
// handler still works on is not answered any more.
func (s *Server) Stop() {
	s.mu.Lock()
	if s.listener != nil {
		_ = s.listener.Close()
		s.listener = nil
	}
	s.mu.Unlock()
	s.Break()
	s.wait.Wait()
}

// Break closes every connection but goes on listening.
func (s *Server) Break() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for conn := range s.conns {
		_ = conn.Close()
	}
}

// SetHandler makes h answer from now on.
func (s *Server) SetHandler(h Handler) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.handler = h
}

// Frames returns the requests so far, each with exactly the bytes that came.
func (s *Server) Frames() [][]byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.frames)
}

// Await returns the first n requests, once there are that many.
func (s *Server) Await(n int) [][]byte {
	s.t.Helper()
	Await(s.t, "requests at the provider", func() bool { return len(s.Frames()) >= n })
	return s.Frames()[:n]
}

// Accepted is how many connections were ever accepted.
func (s *Server) Accepted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.accepted
}

// Open is how many connections there are.
func (s *Server) Open() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.conns)
}

// Heartbeats is how many heartbeats were answered.
func (s *Server) Heartbeats() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.beats
}

func (s *Server) accept(l net.Listener) {
	defer s.wait.Done()
	for {
		conn, err := l.Accept()
		if err != nil {
			return
		}
		s.mu.Lock()
		if s.listener != l {
			s.mu.Unlock()
			_ = conn.Close()
			return
		}
		s.conns[conn] = struct{}{}
		s.accepted++
		s.wait.Add(1)
		s.mu.Unlock()
		go s.serve(conn) // ends when the connection does, at the latest by Stop
	}
}

func (s *Server) serve(conn net.Conn) {
	defer s.wait.Done()
	defer func() {
		_ = conn.Close()
		s.mu.Lock()
		delete(s.conns, conn)
		s.mu.Unlock()
	}()
	in := bufio.NewReader(conn)
	var out sync.Mutex
	for {
		raw, err := ReadFrame(in)
		if err != nil {
			if errors.Is(err, ErrNotMotan2) {
				s.t.Errorf("motantest: provider got % x", raw)
			}
			return
		}
		if raw[2]&motan.FlagHeartbeat != 0 {
			s.beat(conn, &out, raw)
			continue
		}
		s.mu.Lock()
		s.frames = append(s.frames, raw)
		h := s.handler
		s.mu.Unlock()
		s.wait.Add(1)
		go s.answer(conn, &out, h, raw) // ends when h returns and the answer is written or the connection closed
	}
}

func (s *Server) beat(conn net.Conn, out *sync.Mutex, raw []byte) {
	s.mu.Lock()
	s.beats++
	s.mu.Unlock()
	answer := make([]byte, 21)
	copy(answer, []byte{0xf1, 0xf1, 0x13, 0x08, 0x30})
	copy(answer[5:13], raw[5:13])
	out.Lock()
	defer out.Unlock()
	_, _ = conn.Write(answer)
}

func (s *Server) answer(conn net.Conn, out *sync.Mutex, h Handler, raw []byte) {
	defer s.wait.Done()
	request := new(motan.Frame)
	if _, err := request.Decode(raw, len(raw)); err != nil {
		s.t.Errorf("motantest: decode % x: %v", raw[:min(len(raw), 64)], err)
		return
	}
	reply := h(request)
	if reply == nil {
		return
	}
	data := reply.AppendTo(nil, request.ID, reply.Type&^motan.FlagProxy|motan.FlagResponse)
	out.Lock()
	defer out.Unlock()
	_, _ = conn.Write(data) // a caller that has gone needs no answer
}
