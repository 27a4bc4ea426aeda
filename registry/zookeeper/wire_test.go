package zookeeper

import (
	"context"
	"encoding/binary"
	"io"
	"net"
	"sync/atomic"
)

// Operation codes and the request number of a notice, from ZooKeeper's protocol.
const (
	opGetData = 4
	opList    = 12
	xidNotice = -1
)

// wire is a dialer that looks at what goes over its connections.
type wire struct {
	reads atomic.Int64 // requests for the data of a node
	lists atomic.Int64 // requests for the names below one
	armed atomic.Int64 // those of both that set a watch
	deaf  atomic.Bool  // notices are swallowed
}

func (w *wire) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &wireConn{Conn: c, w: w}, nil
}

// wireConn hands on whole packets.
type wireConn struct {
	net.Conn
	w      *wire
	packet []byte // what the reader has not taken yet
	later  bool   // the welcome is over
}

func (c *wireConn) Read(p []byte) (int, error) {
	for len(c.packet) == 0 {
		var head [4]byte
		if _, err := io.ReadFull(c.Conn, head[:]); err != nil {
			return 0, err
		}
		body := make([]byte, binary.BigEndian.Uint32(head[:]))
		if _, err := io.ReadFull(c.Conn, body); err != nil {
			return 0, err
		}
		notice := c.later && int32(binary.BigEndian.Uint32(body)) == xidNotice
		c.later = true
		if !notice || !c.w.deaf.Load() {
			c.packet = append(head[:], body...)
		}
	}
	n := copy(p, c.packet)
	c.packet = c.packet[n:]
	return n, nil
}

func (c *wireConn) Write(p []byte) (int, error) {
	if len(p) >= 12 {
		op := binary.BigEndian.Uint32(p[8:])
		switch op {
		case opGetData:
			c.w.reads.Add(1)
		case opList:
			c.w.lists.Add(1)
		}
		if (op == opGetData || op == opList) && p[len(p)-1] == 1 { // the watch flag comes last
			c.w.armed.Add(1)
		}
	}
	return c.Conn.Write(p)
}
