package tests

import (
	"encoding/binary"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// zkProxy stands between agents and a ZooKeeper, and lets happen what happens on networks and to servers. It knows as much
// of ZooKeeper's protocol as that takes: packets are a length of 4 bytes and that much; a request begins with its id and
// operation, an answer with the id, and a notice with -1 in its place.
type zkProxy struct {
	addr, target string
	listener     net.Listener
	wait         sync.WaitGroup

	mu       sync.Mutex
	changed  *sync.Cond        // of what follows; its lock is mu
	frozen   bool              // guarded by mu: nothing passes, connections stay
	refusing bool              // guarded by mu: connections are closed at once
	delay    time.Duration     // guarded by mu: of each answer
	losing   bool              // guarded by mu: notices do not pass
	lost     int               // guarded by mu: notices that did not
	accepted int               // guarded by mu
	asked    map[int32]int     // guarded by mu: requests by operation
	conns    map[net.Conn]bool // guarded by mu; nil once closed
}

// Operations of ZooKeeper's protocol.
const (
	opGetData     = 4
	opGetChildren = 12 // with the folder's state
	opPing        = 11
)

// newZKProxy passes everything on to target until the test ends, and until told otherwise.
func newZKProxy(t testing.TB, target string) *zkProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &zkProxy{addr: l.Addr().String(), target: target, listener: l, asked: make(map[int32]int), conns: make(map[net.Conn]bool)}
	p.changed = sync.NewCond(&p.mu)
	p.wait.Go(p.accept) // ends when close closes the listener
	t.Cleanup(p.close)
	return p
}

// change changes what happens to packets from now on.
func (p *zkProxy) change(f func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	f()
	p.changed.Broadcast()
}

// freeze has nothing pass any more, or all of it again.
func (p *zkProxy) freeze(on bool) { p.change(func() { p.frozen = on }) }

// refuse ends all connections and those that come, or lets them come again.
func (p *zkProxy) refuse(on bool) {
	p.change(func() {
		if p.refusing = on; on {
			for conn := range p.conns {
				conn.Close()
			}
		}
	})
}

// requests is how often operations were asked for; with none given all but pings count.
func (p *zkProxy) requests(operations ...int32) int {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := 0
	for _, op := range operations {
		n += p.asked[op]
	}
	if len(operations) == 0 {
		for op, times := range p.asked {
			if op != opPing {
				n += times
			}
		}
	}
	return n
}

// attempts is how many connections were made.
func (p *zkProxy) attempts() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.accepted
}

func (p *zkProxy) close() {
	p.listener.Close()
	p.change(func() {
		for conn := range p.conns {
			conn.Close()
		}
		p.conns, p.frozen = nil, false
	})
	p.wait.Wait()
}

func (p *zkProxy) accept() {
	for {
		in, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.wait.Go(func() { // ends with either connection, at the latest by close
			defer in.Close()
			out, err := net.DialTimeout("tcp", p.target, patience)
			if err != nil {
				p.change(func() { p.accepted++ })
				return
			}
			defer out.Close()
			if p.join(in, out) {
				p.pass(in, out)
				p.change(func() {
					delete(p.conns, in)
					delete(p.conns, out)
				})
			}
		})
	}
}

// join takes the connections into account; false where there are to be none.
func (p *zkProxy) join(in, out net.Conn) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.accepted++
	if p.conns == nil || p.refusing {
		return false
	}
	p.conns[in], p.conns[out] = true, true
	return true
}

// pass passes packets both ways until one side ends.
func (p *zkProxy) pass(in, out net.Conn) {
	type packet struct {
		at   time.Time
		data []byte
	}
	answers := make(chan packet, 1<<16) // more than a client has under way
	var both sync.WaitGroup
	both.Go(func() { // ends with the client's connection
		p.pump(in, func(data []byte) bool {
			_, err := out.Write(data)
			return err == nil
		}, p.request)
		out.Close()
	})
	both.Go(func() { // ends with answers
		for x := range answers {
			if wait := time.Until(x.at); wait > 0 { // timers of nothing cost a millisecond each on some systems
				timer := time.NewTimer(wait)
				<-timer.C
			}
			if _, err := in.Write(x.data); err != nil {
				in.Close()
			}
		}
		in.Close()
	})
	p.pump(out, func(data []byte) bool { // ends with the server's connection
		p.mu.Lock()
		delay := p.delay
		p.mu.Unlock()
		answers <- packet{time.Now().Add(delay), data}
		return true
	}, p.answer)
	close(answers)
	both.Wait()
}

// pump reads packets and hands them to write where look lets them pass. The first one is part of the greeting: it is not
// looked at.
func (p *zkProxy) pump(from net.Conn, write func([]byte) bool, look func([]byte) bool) {
	for first := true; ; first = false {
		head := make([]byte, 4)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		n := int(binary.BigEndian.Uint32(head))
		if n > 64<<20 {
			return
		}
		data := append(head, make([]byte, n)...)
		if _, err := io.ReadFull(from, data[4:]); err != nil {
			return
		}
		p.mu.Lock()
		for p.frozen {
			p.changed.Wait()
		}
		passes := first || len(data) < 12 || look(data[4:])
		p.mu.Unlock()
		if passes && !write(data) {
			return
		}
	}
}

// request counts; caller holds mu.
func (p *zkProxy) request(data []byte) bool {
	p.asked[int32(binary.BigEndian.Uint32(data[4:]))]++
	return true
}

// answer loses notices where it is to; caller holds mu.
func (p *zkProxy) answer(data []byte) bool {
	if notice := int32(binary.BigEndian.Uint32(data)) == -1; !notice || !p.losing {
		return true
	}
	p.lost++
	return false
}
