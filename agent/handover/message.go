package handover

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
)

// Version is the version of the protocol. Two programs that differ in it refuse each other.
const Version = 1

// Kind is what a message says.
type Kind uint16

// The messages, in the order in which they are sent.
const (
	KindHello      Kind = iota + 1 // new: it has started; Hello
	KindState                      // old: what it knows, in a form of its own
	KindSocket                     // old: a listening socket or a lock, with its descriptor; Socket
	KindPrepare                    // old: that was all of it
	KindReady                      // new: it can serve
	KindRefused                    // new: it cannot take over; Refusal
	KindServe                      // old: begin to serve
	KindServing                    // new: it accepts connections and is announced
	KindConnection                 // old: an established connection, with its descriptor; Connection
	KindReceived                   // new: a connection has arrived
	KindLast                       // old: there are no more
	KindDone                       // new: it has all of it
)

// Hello is the first word of the new process.
type Hello struct {
	Program string `json:"program"` // its version
	PID     int    `json:"pid"`
}

// Socket names a descriptor.
type Socket struct {
	Name    string `json:"name"`
	Network string `json:"network,omitempty"`
	Addr    string `json:"addr,omitempty"`    // as it was configured
	Foreign bool   `json:"foreign,omitempty"` // who made it also removes its file
}

// Connection is an established connection between two requests.
type Connection struct {
	Server string `json:"server"`           // which has accepted it
	Unread []byte `json:"unread,omitempty"` // bytes that were read from it and not used
}

// Refusal says why the new process cannot take over.
type Refusal struct {
	Reason string `json:"reason"`
}

// Message is one message as it arrives.
type Message struct {
	Kind Kind
	Body []byte
	File *os.File // nil: no descriptor came with it; else the receiver closes it
}

// Read reads the body into value.
func (m *Message) Read(value any) error {
	if err := json.Unmarshal(m.Body, value); err != nil {
		return fmt.Errorf("handover: message %d: %w", m.Kind, err)
	}
	return nil
}

// The header: magic, version, kind, length of the body, checksum of all before and of the body.
const (
	magic      = 0x4d744864
	headerSize = 16
	sumAt      = 12
	// maxBody holds the largest frame of which the end is not there yet, as JSON, and what programs may have asked for.
	maxBody = 64 << 20
)

var (
	castagnoli = crc32.MakeTable(crc32.Castagnoli)

	// ErrVersion is returned for a message of another version of the protocol.
	ErrVersion = errors.New("handover: the other program speaks another version of the hand-over; restart instead of upgrading")

	errGarbage = errors.New("handover: what arrives is no message")
)

// encode makes the bytes of a message.
func encode(kind Kind, body []byte) ([]byte, error) {
	if len(body) > maxBody {
		return nil, fmt.Errorf("handover: message %d of %d bytes, %d are allowed", kind, len(body), maxBody)
	}
	b := make([]byte, headerSize, headerSize+len(body))
	binary.BigEndian.PutUint32(b, magic)
	binary.BigEndian.PutUint16(b[4:], Version)
	binary.BigEndian.PutUint16(b[6:], uint16(kind))
	binary.BigEndian.PutUint32(b[8:], uint32(len(body)))
	binary.BigEndian.PutUint32(b[sumAt:], checksum(b[:sumAt], body))
	return append(b, body...), nil
}

// decode reads a header.
func decode(header []byte) (kind Kind, size int, err error) {
	if binary.BigEndian.Uint32(header) != magic {
		return 0, 0, errGarbage
	}
	if v := binary.BigEndian.Uint16(header[4:]); v != Version {
		return 0, 0, fmt.Errorf("%w (%d, ours is %d)", ErrVersion, v, Version)
	}
	length := binary.BigEndian.Uint32(header[8:])
	if length > maxBody {
		return 0, 0, fmt.Errorf("%w: a body of %d bytes, %d are allowed", errGarbage, length, maxBody)
	}
	return Kind(binary.BigEndian.Uint16(header[6:])), int(length), nil
}

// checksum is that of a message.
func checksum(header, body []byte) uint32 {
	return crc32.Update(crc32.Checksum(header, castagnoli), castagnoli, body)
}
