// Package echo is the providers of the bench: a Motan server and an HTTP server that answer with the body that they
// were sent, at as little cost as Go allows, so that they are not what is measured.
package echo

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"
)

const (
	headBytes = 17       // a Motan2 head up to and including the size of the metadata (motan protocol, section 1.1)
	readBytes = 64 << 10 // what one read takes
	mostBytes = 32 << 20 // of one frame
)

var errFrame = errors.New("echo: not a Motan2 frame, or one of over 32 MiB")

// ServeMotan answers the Motan2 requests on the connections of l: same id, serialization and body, no metadata. All
// requests that one read brings are answered by one write. It returns the error of l once l is closed and every
// connection has ended.
func ServeMotan(l net.Listener) error {
	var wait sync.WaitGroup
	defer wait.Wait()
	for {
		conn, err := l.Accept()
		if err != nil {
			return fmt.Errorf("echo: accept: %w", err)
		}
		wait.Go(func() { // ends with the connection
			defer conn.Close()
			echoMotan(conn)
		})
	}
}

// echoMotan serves one connection until it ends or what it sends is no frame.
func echoMotan(conn net.Conn) {
	in := make([]byte, 4<<10) // grows with what comes, so that idle connections stay small
	var out []byte
	to := 0
	for {
		n, err := conn.Read(in[to:])
		if err != nil {
			return
		}
		to += n
		from := 0
		out = out[:0]
		need := 0
		for {
			size, err := frameSize(in[from:to])
			if err != nil {
				return
			}
			if need = size; size > to-from {
				break
			}
			out = appendReply(out, in[from:from+size])
			from += size
		}
		if len(out) > 0 {
			if _, err := conn.Write(out); err != nil {
				return
			}
		}
		to = copy(in, in[from:to])
		if want := max(need, 2*to); n == len(in) || want > len(in) {
			in = append(make([]byte, 0, max(want, readBytes)), in[:to]...)
			in = in[:cap(in)]
		}
	}
}

// frameSize is how long the frame is that data begins with, as far as is known: more than len(data) while it is not
// all there.
func frameSize(data []byte) (int, error) {
	if len(data) < headBytes {
		return headBytes, nil
	}
	if data[0] != 0xf1 || data[1] != 0xf1 {
		return 0, errFrame
	}
	size := headBytes + 4 + uint64(binary.BigEndian.Uint32(data[13:]))
	if size <= uint64(len(data)) {
		size += uint64(binary.BigEndian.Uint32(data[size-4:]))
	}
	if size > mostBytes {
		return 0, errFrame
	}
	return int(size), nil
}

// appendReply appends the answer to a whole request. A heartbeat is answered with a heartbeat.
func appendReply(out, frame []byte) []byte {
	const response, gzip, heartbeat = 0x01, 0x08, 0x10
	meta := int(binary.BigEndian.Uint32(frame[13:]))
	out = append(out, 0xf1, 0xf1, frame[2]&(gzip|heartbeat)|response, 0x08)
	out = append(out, frame[4:13]...)
	out = append(out, 0, 0, 0, 0)
	return append(out, frame[headBytes+meta:]...) // the size of the body and the body
}
