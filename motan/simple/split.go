package simple

import (
	"encoding/binary"
	"fmt"
)

// DecodeError says why bytes are not a value of the serialization.
type DecodeError struct {
	// Offset is where, in bytes from the start of the slice that was given.
	Offset int
	Msg    string
}

// Error returns the message with its offset.
func (e *DecodeError) Error() string {
	return fmt.Sprintf("simple: decode at byte %d: %s", e.Offset, e.Msg)
}

func malformed(at int, format string, args ...any) *DecodeError {
	return &DecodeError{Offset: at, Msg: fmt.Sprintf(format, args...)}
}

// item is the place of one value in a buffer: its payload is [from, to), and the next value starts at to.
type item struct {
	tag      Tag
	from, to int
}

// Split takes the first value off b without building it: its tag, its payload and the bytes that follow it. Nothing is
// copied or allocated.
//
// The payload of a string or of bytes is the content without its length; that of a container is what is inside,
// to be stepped through with Split (map, list) or SplitText (map of strings, list of strings); that of any other type
// is its bytes as they stand. The inside of a container is not checked; Valid does that. Errors are *DecodeError.
func Split(b []byte) (tag Tag, payload, rest []byte, err error) {
	v, bad := split(b, 0, len(b))
	if bad != nil {
		return 0, nil, b, bad
	}
	return v.tag, b[v.from:v.to:v.to], b[v.to:], nil
}

// SplitText takes the first untagged string off b, which is the payload of a map of strings (key and value in turn) or
// of a list of strings, or the rest of one. Errors are *DecodeError.
func SplitText(b []byte) (text, rest []byte, err error) {
	from, to, bad := splitText(b, 0, len(b))
	if bad != nil {
		return nil, b, bad
	}
	return b[from:to:to], b[to:], nil
}

// split finds the value that starts at b[at] and must end before b[end].
func split(b []byte, at, end int) (item, *DecodeError) {
	if at >= end {
		return item{}, malformed(at, "a value is missing")
	}
	tag, from := Tag(b[at]), at+1
	size := 0
	switch tag {
	case TagNull:
	case TagBool, TagByte:
		size = 1
	case TagInt16:
		size = 2
	case TagFloat32:
		size = 4
	case TagFloat64:
		size = 8
	case TagInt32, TagInt64:
		return splitVarint(b, tag, from, end)
	case TagString, TagBytes, TagStringMap, TagStrings, TagMap, TagList:
		from, to, err := splitText(b, from, end)
		return item{tag, from, to}, err
	default:
		return item{}, malformed(at, "0x%02x is not a tag of this serialization", byte(tag))
	}
	if size > end-from {
		return item{}, malformed(from, "%s of %d bytes, but %d are left", tag, size, end-from)
	}
	if tag == TagBool && b[from] > 1 {
		return item{}, malformed(from, "bool is 0x%02x, not 00 or 01", b[from])
	}
	return item{tag, from, from + size}, nil
}

// splitVarint finds a varint of at most 64 bits. Tag 08 has as many as tag 09: Java writes an int32 outside
// [-2^30, 2^30) with its sign extended to 64 bits, in ten bytes.
func splitVarint(b []byte, tag Tag, from, end int) (item, *DecodeError) {
	for i := from; i < end; i++ {
		if i-from == 9 && b[i] > 1 {
			return item{}, malformed(from, "%s is longer than 64 bits", tag)
		}
		if b[i] < 0x80 {
			return item{tag, from, i + 1}, nil
		}
	}
	return item{}, malformed(from, "%s is cut off", tag)
}

// splitText finds the bytes after a length field at b[at].
func splitText(b []byte, at, end int) (from, to int, err *DecodeError) {
	if end-at < 4 {
		return 0, 0, malformed(at, "a length of 4 bytes, but %d are left", end-at)
	}
	n := int64(binary.BigEndian.Uint32(b[at:]))
	from = at + 4
	if n > int64(end-from) {
		return 0, 0, malformed(at, "a length of %d, but %d bytes are left", n, end-from)
	}
	return from, from + int(n), nil
}

// countTexts returns how many untagged strings fill b[at:end].
func countTexts(b []byte, at, end int) (int, *DecodeError) {
	n := 0
	for ; at < end; n++ {
		_, to, err := splitText(b, at, end)
		if err != nil {
			return 0, err
		}
		at = to
	}
	return n, nil
}

// varint returns the bits of the varint that is the payload b.
func varint(b []byte) uint64 {
	var u uint64
	for i, c := range b {
		u |= uint64(c&0x7f) << (7 * i)
	}
	return u
}

// int32Of truncates to 32 bits first, for the sake of Java's form, and then undoes the zigzag.
func int32Of(b []byte) int32 {
	u := uint32(varint(b))
	return int32(u>>1) ^ -int32(u&1)
}

func int64Of(b []byte) int64 {
	u := varint(b)
	return int64(u>>1) ^ -int64(u&1)
}
