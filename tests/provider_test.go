package tests

import (
	"bufio"
	"io"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// provider is a Motan server for loads: it remembers nothing, and answers on the goroutine that reads. For few calls, and to see what came, there is motantest.Server.
type provider struct {
	t      testing.TB
	port   int
	answer answerer
	calls  atomic.Int64

	listener net.Listener
	mu       sync.Mutex
	conns    map[net.Conn]struct{} // guarded by mu; nil after stop
	wait     sync.WaitGroup
}

// answerer fills reply, an empty frame, for a request that came in on the address local ("host:port"). The
// reply is sent after the time returned; 0 is at once and a negative one never. It must not block.
type answerer func(local string, request, reply *motan.Frame) time.Duration

// echo answers with what is in the request, and nothing of its metadata.
func echo(_ string, request, reply *motan.Frame) time.Duration {
	reply.Serialize = request.Serialize
	reply.Type = request.Type & motan.FlagGzip
	reply.SetBody(request.Body())
	return 0
}

// newProvider listens on host, "0.0.0.0" for all, until the test ends.
func newProvider(t testing.TB, host string, answer answerer) *provider {
	t.Helper()
	l, err := net.Listen("tcp", host+":0")
	if err != nil {
		t.Fatal(err)
	}
	p := &provider{t: t, port: l.Addr().(*net.TCPAddr).Port, answer: answer, listener: l, conns: make(map[net.Conn]struct{})}
	p.wait.Go(p.accept) // ends when stop closes the listener
	t.Cleanup(p.stop)
	return p
}

func (p *provider) stop() {
	p.listener.Close()
	p.mu.Lock()
	for conn := range p.conns {
		conn.Close()
	}
	p.conns = nil
	p.mu.Unlock()
	p.wait.Wait()
}

func (p *provider) accept() {
	for {
		conn, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.mu.Lock()
		if p.conns == nil {
			p.mu.Unlock()
			conn.Close()
			return
		}
		p.conns[conn] = struct{}{}
		p.mu.Unlock()
		p.wait.Go(func() { // ends with the connection, at the latest by stop
			p.serve(conn)
			conn.Close()
			p.mu.Lock()
			delete(p.conns, conn)
			p.mu.Unlock()
		})
	}
}

func (p *provider) serve(conn net.Conn) {
	in, out := bufio.NewReaderSize(conn, 64<<10), &replies{conn: conn, wake: make(chan struct{}, 1)}
	var writer sync.WaitGroup
	writer.Go(out.write) // ends by end
	defer writer.Wait()
	defer out.end()
	local := conn.LocalAddr().String()
	for {
		raw, err := motantest.ReadFrame(in)
		if err != nil {
			return
		}
		p.take(local, raw, out)
	}
}

// take answers one request, or a heartbeat.
func (p *provider) take(local string, raw []byte, out *replies) {
	request, reply := new(motan.Frame), new(motan.Frame)
	if _, err := request.Decode(raw, len(raw)); err != nil {
		p.t.Errorf("provider: decode % x: %v", raw[:min(len(raw), 64)], err)
		return
	}
	if request.Type&motan.FlagHeartbeat != 0 {
		out.add(reply.AppendTo(nil, request.ID, motan.FlagHeartbeat|motan.FlagResponse))
		return
	}
	p.calls.Add(1)
	switch wait := p.answer(local, request, reply); {
	case wait == 0:
		out.add(reply.AppendTo(nil, request.ID, reply.Type|motan.FlagResponse))
	case wait > 0:
		p.wait.Add(1)
		time.AfterFunc(wait, func() {
			defer p.wait.Done()
			out.add(reply.AppendTo(nil, request.ID, reply.Type|motan.FlagResponse))
		})
	}
}

// replies are written by a goroutine of their own, so that a caller that is slow to read its answers is still
// read from. What cannot be written is forgotten: the peer has gone, and its test will notice.
type replies struct {
	conn net.Conn
	wake chan struct{} // holds a token while there is something to write

	mu    sync.Mutex
	queue []byte // guarded by mu
	ended bool   // guarded by mu
}

func (o *replies) add(data []byte) {
	o.mu.Lock()
	o.queue = append(o.queue, data...)
	o.mu.Unlock()
	o.tell()
}

// end lets write return once everything is written.
func (o *replies) end() {
	o.mu.Lock()
	o.ended = true
	o.mu.Unlock()
	o.tell()
}

func (o *replies) tell() {
	select {
	case o.wake <- struct{}{}:
	default: // it has been told already
	}
}

// write writes what is added until end.
func (o *replies) write() {
	for range o.wake {
		o.mu.Lock()
		data, ended := o.queue, o.ended
		o.queue = nil
		o.mu.Unlock()
		_, _ = o.conn.Write(data)
		if ended {
			return
		}
	}
}

// pipe is a caller's connection on which calls are sent without waiting for the answers. One goroutine may
// send while another receives. Unlike motantest.Client it returns errors, and so fits any goroutine.
type pipe struct {
	conn net.Conn
	in   *bufio.Reader
	out  []byte
}

func newPipe(t testing.TB, addr string) *pipe {
	t.Helper()
	conn, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return pipeOn(conn)
}

func pipeOn(conn net.Conn) *pipe { return &pipe{conn: conn, in: bufio.NewReaderSize(conn, 64<<10)} }

// queue adds a request, which the next flush sends.
func (p *pipe) queue(f *motan.Frame, id uint64) { p.out = f.AppendTo(p.out, id, f.Type) }

func (p *pipe) flush() error {
	if err := p.conn.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return err
	}
	_, err := p.conn.Write(p.out)
	p.out = p.out[:0]
	return err
}

// receive reads the next frame; io.EOF where the peer has closed between two frames.
func (p *pipe) receive() (*motan.Frame, error) {
	if err := p.conn.SetReadDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if _, err := p.in.Peek(1); err != nil {
		return nil, err
	}
	raw, err := motantest.ReadFrame(p.in)
	if err == io.EOF { //nolint:errorlint // ReadFrame passes it on as it is: none of the frame is there
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return nil, err
	}
	f := new(motan.Frame)
	_, err = f.Decode(raw, len(raw))
	return f, err
}
