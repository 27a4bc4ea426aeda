package fastcgi

import (
	"bufio"
	"encoding/binary"
	"fmt"
)

// recordType says what a record is.
type recordType byte

const (
	typeBegin        recordType = 1
	typeAbort        recordType = 2
	typeEnd          recordType = 3
	typeParams       recordType = 4
	typeStdin        recordType = 5
	typeStdout       recordType = 6
	typeStderr       recordType = 7
	typeValues       recordType = 9
	typeValuesResult recordType = 10
)

const (
	version     = 1
	headerBytes = 8
	requestID   = 1 // of every request: a connection has one at a time
	noRequest   = 0 // the id of records that belong to none
	responder   = 1 // the role that is asked for
	keepConn    = 1 // the flag that asks the server to leave the connection open

	// chunkBytes is the content of a record of ours, the most that fits and needs no padding.
	chunkBytes = 65528
	// endBytes is the content of an end record: the script's exit code, how the request ended, three reserved.
	endBytes = 8
)

// appendRecord appends a record with its content, at most chunkBytes, padded to a multiple of eight bytes.
func appendRecord(dst []byte, typ recordType, id uint16, content []byte) []byte {
	padding := -len(content) & 7
	dst = append(dst, version, byte(typ))
	dst = binary.BigEndian.AppendUint16(dst, id)
	dst = binary.BigEndian.AppendUint16(dst, uint16(len(content)))
	dst = append(dst, byte(padding), 0)
	dst = append(dst, content...)
	return append(dst, "\x00\x00\x00\x00\x00\x00\x00"[:padding]...)
}

// appendBegin appends the record that begins a request.
func appendBegin(dst []byte, keep bool) []byte {
	content := [8]byte{1: responder}
	if keep {
		content[2] = keepConn
	}
	return appendRecord(dst, typeBegin, requestID, content[:])
}

// record is the header of one that was received.
type record struct {
	typ             recordType
	id              uint16
	length, padding int
}

// readRecord reads the header of the next record. The error is that of in, or says that this is no record.
func readRecord(in *bufio.Reader) (record, error) {
	h, err := in.Peek(headerBytes)
	if err != nil {
		return record{}, err
	}
	r := record{
		typ: recordType(h[1]), id: binary.BigEndian.Uint16(h[2:]),
		length: int(binary.BigEndian.Uint16(h[4:])), padding: int(h[6]),
	}
	if h[0] != version {
		return record{}, malformed("a record of version %d instead of 1: is this a FastCGI server?", h[0])
	}
	_, err = in.Discard(headerBytes)
	return r, err
}

// MalformedError is an answer that is not one of the protocol, or not of the script interface. Its connection is closed.
type MalformedError struct{ Msg string }

// Error says what is wrong.
func (e *MalformedError) Error() string { return "fastcgi: malformed answer: " + e.Msg }

func malformed(format string, args ...any) *MalformedError {
	return &MalformedError{Msg: fmt.Sprintf(format, args...)}
}
