package simple

import (
	"encoding/binary"
	"math"
)

// Decode reads the first value of b and returns what follows it. Types are those of the table in the package comment;
// an empty container is not nil. The value shares no memory with b. Strings are not checked to be UTF-8: PHP
// sends what it has.
//
// An int32 of up to ten bytes is accepted and truncated to 32 bits, because Java writes those. Memory is at most about
// sixteen times len(b), reached by a list of nulls. Errors are *DecodeError, and then rest is b.
func Decode(b []byte) (v any, rest []byte, err error) {
	v, next, bad := decode(b, 0, len(b), 0)
	if bad != nil {
		return nil, b, bad
	}
	return v, b[next:], nil
}

// DecodeAll reads the values that stand one after the other in b, as the arguments of a call do. No bytes are no
// values. Errors are *DecodeError.
func DecodeAll(b []byte) ([]any, error) {
	values, err := decodeList(b, 0, len(b), 0)
	if err != nil {
		return nil, err
	}
	return values, nil
}

// Valid tells whether b is a run of whole values, to the innermost, and so whether DecodeAll would succeed. It
// allocates nothing. Errors are *DecodeError.
func Valid(b []byte) error {
	if err := check(b, 0, len(b), 0); err != nil {
		return err
	}
	return nil
}

// decode reads the value at b[at], which lies inside depth containers, and returns where the next one starts.
func decode(b []byte, at, end, depth int) (any, int, *DecodeError) {
	it, err := split(b, at, end)
	if err != nil {
		return nil, 0, err
	}
	p := b[it.from:it.to]
	var v any
	switch it.tag {
	case TagString:
		v = string(p)
	case TagBytes:
		v = append(make([]byte, 0, len(p)), p...)
	case TagBool:
		v = p[0] == 1
	case TagByte:
		v = p[0]
	case TagInt16:
		v = int16(binary.BigEndian.Uint16(p))
	case TagInt32:
		v = int32Of(p)
	case TagInt64:
		v = int64Of(p)
	case TagFloat32:
		v = math.Float32frombits(binary.BigEndian.Uint32(p))
	case TagFloat64:
		v = math.Float64frombits(binary.BigEndian.Uint64(p))
	case TagStringMap, TagStrings, TagMap, TagList:
		v, err = decodeContainer(b, at, it, depth+1)
	}
	return v, it.to, err
}

func decodeContainer(b []byte, at int, it item, depth int) (any, *DecodeError) {
	if depth > MaxDepth {
		return nil, tooDeep(at)
	}
	switch it.tag {
	case TagStringMap:
		return decodeStringMap(b, it)
	case TagStrings:
		return decodeStrings(b, it)
	case TagMap:
		return decodeMap(b, it, depth)
	default:
		return decodeList(b, it.from, it.to, depth)
	}
}

func decodeStrings(b []byte, it item) ([]string, *DecodeError) {
	n, err := countTexts(b, it.from, it.to)
	if err != nil {
		return nil, err
	}
	texts := make([]string, n)
	at := it.from
	for i := range texts {
		texts[i], at = textAt(b, at)
	}
	return texts, nil
}

func decodeStringMap(b []byte, it item) (StringMap, *DecodeError) {
	n, err := countTexts(b, it.from, it.to)
	if err != nil {
		return nil, err
	}
	if n%2 != 0 {
		return nil, malformed(it.to, "the last key of a map of strings has no value")
	}
	m := make(StringMap, n/2)
	at := it.from
	for i := range m {
		m[i].Key, at = textAt(b, at)
		m[i].Value, at = textAt(b, at)
	}
	return m, nil
}

// textAt reads a string that countTexts has checked.
func textAt(b []byte, at int) (string, int) {
	to := at + 4 + int(binary.BigEndian.Uint32(b[at:]))
	return string(b[at+4 : to]), to
}

func decodeMap(b []byte, it item, depth int) (Map, *DecodeError) {
	n, err := count(b, it.from, it.to)
	if err != nil {
		return nil, err
	}
	if n%2 != 0 {
		return nil, malformed(it.to, "the last key of a map has no value")
	}
	m := make(Map, n/2)
	at := it.from
	for i := range m {
		if m[i].Key, at, err = decode(b, at, it.to, depth); err != nil {
			return nil, err
		}
		if m[i].Value, at, err = decode(b, at, it.to, depth); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func decodeList(b []byte, at, end, depth int) ([]any, *DecodeError) {
	n, err := count(b, at, end)
	if err != nil {
		return nil, err
	}
	values := make([]any, n)
	for i := range values {
		if values[i], at, err = decode(b, at, end, depth); err != nil {
			return nil, err
		}
	}
	return values, nil
}

// count returns how many values fill b[at:end]. It steps over containers, so that counting before reading costs the same
// at every depth.
func count(b []byte, at, end int) (int, *DecodeError) {
	n := 0
	for ; at < end; n++ {
		it, err := split(b, at, end)
		if err != nil {
			return 0, err
		}
		at = it.to
	}
	return n, nil
}

// check goes through the values of b[at:end], which lie inside depth containers.
func check(b []byte, at, end, depth int) *DecodeError {
	for at < end {
		it, err := split(b, at, end)
		if err != nil {
			return err
		}
		if err := checkInside(b, at, it, depth+1); err != nil {
			return err
		}
		at = it.to
	}
	return nil
}

func checkInside(b []byte, at int, it item, depth int) *DecodeError {
	switch it.tag {
	case TagStringMap, TagStrings, TagMap, TagList:
	default:
		return nil
	}
	if depth > MaxDepth {
		return tooDeep(at)
	}
	var n int
	var err *DecodeError
	switch it.tag {
	case TagStringMap, TagStrings:
		n, err = countTexts(b, it.from, it.to)
	default:
		if n, err = count(b, it.from, it.to); err == nil {
			err = check(b, it.from, it.to, depth)
		}
	}
	if err == nil && n%2 != 0 && (it.tag == TagStringMap || it.tag == TagMap) {
		err = malformed(it.to, "the last key of a %s has no value", it.tag)
	}
	return err
}

func tooDeep(at int) *DecodeError {
	return malformed(at, "more than %d containers inside each other", MaxDepth)
}
