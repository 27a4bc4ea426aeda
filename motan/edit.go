package motan

import (
	"bytes"
	"slices"
	"strconv"
	"strings"
)

// maxCuts is how many pairs may be taken out of the metadata before it is rewritten.
const maxCuts = 4

// Set gives name the value, in place of what it had. An empty value removes it; newlines,
// which the format cannot carry, become spaces.
func (f *Frame) Set(name, value string) { set(f, name, value) }

// SetBytes is [Frame.Set] with the value as bytes, which are copied. Where it is inlined in another package the value
// has to be on the heap: the compiler loses sight of it in the generic set.
//
//go:noinline
func (f *Frame) SetBytes(name string, value []byte) { set(f, name, value) }

// SetInt is [Frame.Set] with a decimal number.
func (f *Frame) SetInt(name string, value int64) {
	var scratch [20]byte
	set(f, name, strconv.AppendInt(scratch[:0], value, 10))
}

// Del removes name.
func (f *Frame) Del(name string) { set(f, name, "") }

func set[T string | []byte](f *Frame, name string, value T) {
	k := knownKey(name)
	if k == keyNone {
		name = strings.ReplaceAll(name, "\n", " ")
	}
	if name == "" {
		return
	}
	inMeta := k == keyNone || f.known[k].to != 0
	if inMeta && len(value) > 0 && string(f.get(k, name)) == string(value) {
		return
	}
	size := len(f.extra)
	if len(value) > 0 { // added first: the value may lie in what is moved below
		addPair(f, name, value)
	}
	if inMeta {
		f.cutAll(name)
		f.known[k] = span{}
	}
	if f.added.may(k) {
		f.dropExtra(name, size)
	}
	switch {
	case len(value) > 0:
		f.added |= 1 << k
		f.set[k] = span{uint32(len(f.extra) - len(value)), uint32(len(f.extra))}
	case k != keyNone:
		f.added &^= 1 << k
	}
}

// addPair appends a pair to what was set.
func addPair[T string | []byte](f *Frame, name string, value T) {
	if f.extra == nil {
		f.extra = f.smallMore[:0]
	}
	at := len(f.extra)
	pair := slices.Grow(f.extra, len(name)+len(value)+2)[:at+len(name)+len(value)+2]
	f.extra = pair
	pair = pair[at:]
	pair[0] = '\n'
	pair[copy(pair[1:], name)+1] = '\n'
	clean(pair[len(pair)-copy(pair[len(name)+2:], value):])
}

// dropExtra removes the pair of that name from the first size bytes of what was set.
func (f *Frame) dropExtra(name string, size int) {
	if size == 0 {
		return
	}
	at, found, end := find(f.extra[1:size], name)
	if found == nil {
		return
	}
	if end == size-1 { // it was the last: no newline of a next pair to keep
		end++
	}
	f.extra = append(f.extra[:at], f.extra[end:]...)
	for k := range f.set { // what stood behind it has moved
		if s := &f.set[k]; s.from > uint32(at) && f.added.may(key(k)) {
			s.from -= uint32(end - at)
			s.to -= uint32(end - at)
		}
	}
}

// clean makes spaces of newlines.
func clean(text []byte) {
	for {
		i := bytes.IndexByte(text, '\n')
		if i < 0 {
			return
		}
		text[i] = ' '
		text = text[i+1:]
	}
}

// cutAll takes every pair of that name out of the metadata as it came.
func (f *Frame) cutAll(name string) {
	for at := 0; at < len(f.meta); {
		key, _, end := pair(f.meta, at)
		if string(key) == name {
			if f.ncuts == maxCuts {
				f.compact(name)
				return
			}
			f.cut(span{uint32(at), uint32(end)})
		}
		at = end
	}
}

// cut notes s, keeping the cuts in order and apart.
func (f *Frame) cut(s span) {
	i := f.ncuts
	for i > 0 && f.cuts[i-1].from >= s.from {
		i--
	}
	if f.cuts[i] == s && i < f.ncuts {
		return
	}
	copy(f.cuts[i+1:], f.cuts[i:f.ncuts])
	f.cuts[i] = s
	f.ncuts++
}

// compact moves together what the cuts left, but for the pairs of that name: however many
// there are, one pass takes them out.
func (f *Frame) compact(name string) {
	to, cut := f.meta[:0], 0
	for at := 0; at < len(f.meta); {
		if cut < f.ncuts && uint32(at) == f.cuts[cut].from {
			at = int(f.cuts[cut].to)
			cut++
			continue
		}
		key, _, end := pair(f.meta, at)
		if string(key) != name {
			to = append(to, f.meta[at:end]...)
		}
		at = end
	}
	if n := len(to); n > 0 && to[n-1] == '\n' {
		to = to[:n-1]
	}
	f.meta, f.ncuts = to, 0
	clear(f.known[:])
	f.index()
}

// metaSize is the number of bytes that appendMetadata writes.
func (f *Frame) metaSize() int {
	n := len(f.meta)
	for _, c := range f.cuts[:f.ncuts] {
		n -= int(c.to - c.from)
	}
	if f.ncuts > 0 && n > 0 && int(f.cuts[f.ncuts-1].to) == len(f.meta) {
		n-- // the newline that the last pair left behind
	}
	if n == 0 && len(f.extra) > 0 {
		return len(f.extra) - 1
	}
	return n + len(f.extra)
}

func (f *Frame) appendMetadata(dst []byte) []byte {
	from := len(dst)
	at := uint32(0)
	for _, c := range f.cuts[:f.ncuts] {
		dst = append(dst, f.meta[at:c.from]...)
		at = c.to
	}
	dst = append(dst, f.meta[at:]...)
	if len(dst) > from && dst[len(dst)-1] == '\n' {
		dst = dst[:len(dst)-1]
	}
	if len(dst) == from && len(f.extra) > 0 {
		return append(dst, f.extra[1:]...)
	}
	return append(dst, f.extra...)
}
