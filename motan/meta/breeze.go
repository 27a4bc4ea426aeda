package meta

import (
	"encoding/binary"
	"errors"
	"maps"
	"slices"
)

// The types of breeze that a map of texts is made of.
const (
	typeString    = 0x3f // below it the type is the length of a short text
	typeNull      = 0x99
	typeMap       = 0xd9 // each value with its type
	typePackedMap = 0xdb // the types once
)

var errShort = errors.New("meta: the answer ends in the middle of the map")

// appendBreeze appends values as a packed map of texts, sorted, as breeze-go writes it but for the order.
func appendBreeze(dst []byte, values map[string]string) []byte {
	dst = append(dst, typePackedMap)
	dst = binary.AppendUvarint(dst, uint64(len(values)))
	if len(values) == 0 {
		return dst
	}
	dst = append(dst, typeString, typeString)
	text := func(s string) {
		dst = binary.AppendUvarint(dst, uint64(len(s)))
		dst = append(dst, s...)
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		text(key)
		text(values[key])
	}
	return dst
}

// readBreeze reads a map of texts, packed or not. Nothing is an empty map.
func readBreeze(b []byte) (map[string]string, error) {
	if len(b) == 0 || b[0] == typeNull {
		return map[string]string{}, nil
	}
	if b[0] != typePackedMap && b[0] != typeMap {
		return nil, errNoMap
	}
	r := breezeReader{left: b[1:]}
	size := r.number()
	if size > maxPairs {
		return nil, errNoMap
	}
	packed := b[0] == typePackedMap
	if packed && size > 0 {
		if key, value := r.octet(), r.octet(); key != typeString || value != typeString {
			return nil, errNoMap
		}
	}
	values := make(map[string]string)
	for range size {
		key := r.text(!packed)
		values[key] = r.text(!packed)
		if r.err != nil {
			break
		}
	}
	if r.err != nil {
		return nil, r.err
	}
	return values, nil
}

// breezeReader reads until the first error.
type breezeReader struct {
	left []byte
	err  error
}

func (r *breezeReader) octet() byte {
	if len(r.left) == 0 {
		r.err = errShort
		return 0
	}
	b := r.left[0]
	r.left = r.left[1:]
	return b
}

func (r *breezeReader) number() uint64 {
	n, used := binary.Uvarint(r.left)
	if used <= 0 {
		r.err = errShort
		return 0
	}
	r.left = r.left[used:]
	return n
}

// text reads a text, which its type is before in a map that is not packed.
func (r *breezeReader) text(typed bool) string {
	var n uint64
	if typed {
		switch t := r.octet(); {
		case t < typeString:
			n = uint64(t)
		case t == typeString:
			n = r.number()
		default:
			r.err = errNoMap
		}
	} else {
		n = r.number()
	}
	if r.err == nil && n > uint64(len(r.left)) {
		r.err = errShort
	}
	if r.err != nil {
		return ""
	}
	s := string(r.left[:n])
	r.left = r.left[n:]
	return s
}
