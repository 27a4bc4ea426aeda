package motan

import (
	"bytes"
	"encoding/binary"
	"iter"
	"math/bits"
)

// The keys found by one scan when a frame comes in (Motan protocol, section 1.9).
type key uint8

const (
	keyNone key = iota
	keyService
	keyMethod
	keyDesc
	keyGroup
	keyVersion
	keyProtocol
	keySource
	keyRequestID
	keyTimeout
	keyFramework
	keyHost
	keyForwarded
	keyProcessTime
	keyException
	keyApplication
	keyUpstream
	keyRequestName
	knownKeys
)

// keySet remembers which keys were set, so that an absent one is not searched for. Keys that
// are not known share a bit.
type keySet uint32

func (s keySet) may(k key) bool { return s&(1<<k) != 0 }

// letters are the keys M_x by their last letter.
var letters = [256]key{
	'p': keyService, 'm': keyMethod, 'g': keyGroup, 'v': keyVersion, 's': keySource, 'e': keyException,
}

func knownKey[T string | []byte](name T) key {
	if len(name) == 3 && name[0] == 'M' && name[1] == '_' {
		return letters[name[2]]
	}
	switch string(name) {
	case "M_md":
		return keyDesc
	case "M_pp":
		return keyProtocol
	case "M_rid":
		return keyRequestID
	case "M_tmo":
		return keyTimeout
	case "M_fws":
		return keyFramework
	case "host":
		return keyHost
	case "x-forwarded-for":
		return keyForwarded
	case "M_pt":
		return keyProcessTime
	case "application":
		return keyApplication
	case "upstreamCode":
		return keyUpstream
	case "X-Request-Id":
		return keyRequestName
	}
	return keyNone
}

// Service is M_p. Like all values it belongs to the frame.
func (f *Frame) Service() []byte { return f.get(keyService, "M_p") }

// Method is M_m.
func (f *Frame) Method() []byte { return f.get(keyMethod, "M_m") }

// MethodDesc is M_md: Java's parameter types.
func (f *Frame) MethodDesc() []byte { return f.get(keyDesc, "M_md") }

// Group is M_g.
func (f *Frame) Group() []byte { return f.get(keyGroup, "M_g") }

// Version is M_v: the service's version.
func (f *Frame) Version() []byte { return f.get(keyVersion, "M_v") }

// Protocol is M_pp: the protocol wanted behind the agent.
func (f *Frame) Protocol() []byte { return f.get(keyProtocol, "M_pp") }

// Source is M_s: the calling application.
func (f *Frame) Source() []byte { return f.get(keySource, "M_s") }

// RequestID is M_rid, the logical id in decimal; empty where only the header has one.
func (f *Frame) RequestID() []byte { return f.get(keyRequestID, "M_rid") }

// ProcessTime is M_pt of a reply: how long the provider took, in milliseconds, decimal.
func (f *Frame) ProcessTime() []byte { return f.get(keyProcessTime, "M_pt") }

// UpstreamCode is upstreamCode of a reply: the status with which a web service answered, decimal.
func (f *Frame) UpstreamCode() []byte { return f.get(keyUpstream, "upstreamCode") }

// RequestName is X-Request-Id, the id that an HTTP caller has given to the call where it is no number and so not M_rid.
func (f *Frame) RequestName() []byte { return f.get(keyRequestName, "X-Request-Id") }

// Framework tells whether a framework service is called (M_fws is y).
func (f *Frame) Framework() bool { return string(f.get(keyFramework, "M_fws")) == "y" }

// TimeoutMillis is M_tmo in milliseconds; 0 where it is absent or not a positive number.
func (f *Frame) TimeoutMillis() int {
	text := f.get(keyTimeout, "M_tmo")
	if len(text) == 0 || len(text) > 9 {
		return 0
	}
	n := 0
	for _, b := range text {
		if b < '0' || b > '9' {
			return 0
		}
		n = n*10 + int(b-'0')
	}
	return n
}

// Get returns the value of name; nil where it is absent.
func (f *Frame) Get(name string) []byte { return f.get(knownKey(name), name) }

func (f *Frame) get(k key, name string) []byte {
	if s := f.known[k]; s.to != 0 {
		return f.meta[s.from:s.to:s.to]
	}
	if k != keyNone {
		if !f.added.may(k) {
			return nil
		}
		s := f.set[k]
		return f.extra[s.from:s.to:s.to]
	}
	if len(f.extra) > 0 && f.added.may(k) {
		if _, value, _ := find(f.extra[1:], name); value != nil {
			return value
		}
	}
	if f.ncuts == 0 {
		_, value, _ := find(f.meta, name)
		return value
	}
	var last []byte
	for key, value := range f.All() {
		if string(key) == name {
			last = value
		}
	}
	return last
}

// All yields the pairs in the order in which they are written.
func (f *Frame) All() iter.Seq2[[]byte, []byte] {
	return func(yield func(name, value []byte) bool) {
		at, cut := 0, 0
		for at < len(f.meta) {
			if cut < f.ncuts && uint32(at) >= f.cuts[cut].from {
				at = int(f.cuts[cut].to)
				cut++
				continue
			}
			name, value, end := pair(f.meta, at)
			if !yield(name, value) {
				return
			}
			at = end
		}
		for at = 1; at < len(f.extra); {
			name, value, end := pair(f.extra, at)
			if !yield(name, value) {
				return
			}
			at = end
		}
	}
}

// pair reads the regular pair at offset at; end is where the next one begins.
func pair(meta []byte, at int) (name, value []byte, end int) {
	rest := meta[at:]
	i := bytes.IndexByte(rest, '\n')
	j := bytes.IndexByte(rest[i+1:], '\n')
	if j < 0 {
		return rest[:i], rest[i+1:], len(meta)
	}
	return rest[:i], rest[i+1 : i+1+j : i+1+j], at + i + j + 2
}

// find returns the last value of name in regular metadata and where that pair begins and the next one does.
func find(meta []byte, name string) (at int, value []byte, end int) {
	for i := 0; i < len(meta); {
		k, v, next := pair(meta, i)
		if string(k) == name {
			at, value, end = i, v, next
		}
		i = next
	}
	return at, value, end
}

// index notes where the known keys are and makes irregular metadata regular: pairs with an
// empty key or value are dropped, as motan-go does, and so are an unpaired last item, which
// Java ignores, and trailing newlines, which Lua writes. Before it, known is empty.
func (f *Frame) index() {
	if !f.indexRegular() {
		f.regularise()
		clear(f.known[:])
		f.indexRegular()
	}
}

// indexRegular fills known, which is empty before, in one pass over the newlines, eight bytes at a time. It gives up
// where the metadata is not regular.
func (f *Frame) indexRegular() bool {
	meta := f.meta
	var name []byte
	from, at := 0, 0 // of the item that is read; of the next word
	for ; at+8 <= len(meta); at += 8 {
		for found := newlines(binary.LittleEndian.Uint64(meta[at:])); found != 0; found &= found - 1 {
			end := at + bits.TrailingZeros64(found)>>3
			if end == from {
				return false
			}
			if name == nil {
				name = meta[from:end]
			} else {
				f.known[knownKey(name)] = span{uint32(from), uint32(end)}
				name = nil
			}
			from = end + 1
		}
	}
	for ; at < len(meta); at++ {
		if meta[at] != '\n' {
			continue
		}
		if at == from {
			return false
		}
		if name == nil {
			name = meta[from:at]
		} else {
			f.known[knownKey(name)] = span{uint32(from), uint32(at)}
			name = nil
		}
		from = at + 1
	}
	if name != nil {
		f.known[knownKey(name)] = span{uint32(from), uint32(len(meta))}
	}
	f.known[keyNone] = span{}
	return len(meta) == 0 || name != nil && from < len(meta)
}

// newlines has the highest bit of each byte set that is a newline in word.
func newlines(word uint64) uint64 {
	const ones, lows, highs = 0x0101010101010101, 0x7f7f7f7f7f7f7f7f, 0x8080808080808080
	x := word ^ ones*'\n'
	return ^((x&lows + lows) | x) & highs
}

func (f *Frame) regularise() {
	rest, to := f.meta, f.meta[:0]
	for len(rest) > 0 {
		key, after, whole := bytes.Cut(rest, newline)
		value, next, _ := bytes.Cut(after, newline)
		if whole && len(key) > 0 && len(value) > 0 {
			if len(to) > 0 {
				to = append(to, '\n')
			}
			to = append(to, key...)
			to = append(to, '\n')
			to = append(to, value...)
		}
		rest = next
	}
	f.meta = to
}

var newline = []byte{'\n'}
