package fastcgi

import "encoding/binary"

// Params are the variables that a script is told, in the form in which they are sent. The zero value is empty.
type Params struct{ encoded []byte }

// Add appends a variable. Names are not looked at: what two of one name mean is the server's decision.
func (p *Params) Add(name, value string) {
	p.encoded = appendLength(p.encoded, len(name))
	p.encoded = appendLength(p.encoded, len(value))
	p.encoded = append(p.encoded, name...)
	p.encoded = append(p.encoded, value...)
}

// Reset empties p and keeps its memory, unless that is a lot.
func (p *Params) Reset() {
	if cap(p.encoded) > chunkBytes {
		p.encoded = nil
	}
	p.encoded = p.encoded[:0]
}

// longLength marks a length of four bytes; shorter ones than 128 take one.
const longLength = 1 << 31

func appendLength(dst []byte, n int) []byte {
	if n < 128 {
		return append(dst, byte(n))
	}
	return binary.BigEndian.AppendUint32(dst, uint32(n)|longLength)
}

// cutPair takes the first variable off b; ok is false where b is none.
func cutPair(b []byte) (name, value, rest []byte, ok bool) {
	var lengths [2]int
	for i := range lengths {
		switch {
		case len(b) >= 1 && b[0] < 128:
			lengths[i], b = int(b[0]), b[1:]
		case len(b) >= 4:
			lengths[i], b = int(binary.BigEndian.Uint32(b)&^longLength), b[4:]
		default:
			return nil, nil, nil, false
		}
	}
	if lengths[0] > len(b) || lengths[1] > len(b)-lengths[0] {
		return nil, nil, nil, false
	}
	name, b = b[:lengths[0]], b[lengths[0]:]
	return name, b[:lengths[1]], b[lengths[1]:], true
}
