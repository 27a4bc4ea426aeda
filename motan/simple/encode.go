package simple

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
)

// EncodeError says why a Go value cannot be written.
type EncodeError struct {
	Msg string
}

// Error returns the message.
func (e *EncodeError) Error() string { return "simple: encode: " + e.Msg }

func unwritable(format string, args ...any) *EncodeError {
	return &EncodeError{Msg: fmt.Sprintf(format, args...)}
}

// Append writes v behind dst and returns the longer slice.
//
// It takes the types that Decode returns, and beyond them int (as int64), maps and slices of strings (TagStringMap,
// TagStrings), every other Go map (TagMap) and slice (TagList), and named types of all these. The type decides the tag,
// not the content: a Map of strings is written with TagMap. Go maps are written in the order of their keys, so that equal maps
// give equal bytes. A nil container is an empty one; nil alone, also inside a container, is null. Structs, pointers and
// the other integer types are refused, as motan-go refuses them.
//
// A consumer in PHP 8 never returns from an empty StringMap (motan protocol, section 9.3): send nil or an empty Map
// where it may be one. Errors are *EncodeError, and then the result is dst as it was given.
func Append(dst []byte, v any) ([]byte, error) {
	out, err := appendValue(dst, v, 0)
	if err != nil {
		return dst, err
	}
	return out, nil
}

// AppendAll writes values one after the other, as the arguments of a call are. It fails as Append does.
func AppendAll(dst []byte, values ...any) ([]byte, error) {
	out := dst
	for _, v := range values {
		var err *EncodeError
		if out, err = appendValue(out, v, 0); err != nil {
			return dst, err
		}
	}
	return out, nil
}

// appendValue writes a value that lies inside depth containers.
func appendValue(dst []byte, v any, depth int) ([]byte, *EncodeError) {
	switch v := v.(type) {
	case nil:
		return append(dst, byte(TagNull)), nil
	case string:
		return appendText(append(dst, byte(TagString)), v)
	case []byte:
		return appendText(append(dst, byte(TagBytes)), v)
	case bool:
		return appendBool(dst, v), nil
	case byte:
		return append(dst, byte(TagByte), v), nil
	case int16:
		return binary.BigEndian.AppendUint16(append(dst, byte(TagInt16)), uint16(v)), nil
	case int32:
		return appendInt32(dst, v), nil
	case int64:
		return appendInt64(dst, v), nil
	case int:
		return appendInt64(dst, int64(v)), nil
	case float32:
		return appendFloat32(dst, v), nil
	case float64:
		return appendFloat64(dst, v), nil
	}
	if depth == MaxDepth && isContainer(v) {
		return dst, unwritable("more than %d containers inside each other", MaxDepth)
	}
	depth++
	switch v := v.(type) {
	case StringMap:
		return appendStringMap(dst, v)
	case []string:
		return appendStrings(dst, v)
	case Map:
		return appendMap(dst, v, depth)
	case []any:
		return appendList(dst, v, depth)
	case map[string]string:
		return appendStringMap(dst, sorted(v))
	case map[string]any:
		m := make(Map, 0, len(v))
		for _, k := range slices.Sorted(maps.Keys(v)) {
			m = append(m, Pair{k, v[k]})
		}
		return appendMap(dst, m, depth)
	}
	return appendReflected(dst, v, depth)
}

func appendBool(dst []byte, v bool) []byte {
	if v {
		return append(dst, byte(TagBool), 1)
	}
	return append(dst, byte(TagBool), 0)
}

// appendInt32 writes at most five bytes, as motan-go does: PHP reads garbage from Java's ten.
func appendInt32(dst []byte, v int32) []byte {
	return binary.AppendUvarint(append(dst, byte(TagInt32)), uint64(uint32(v<<1)^uint32(v>>31)))
}

func appendInt64(dst []byte, v int64) []byte {
	return binary.AppendVarint(append(dst, byte(TagInt64)), v)
}

func appendFloat32(dst []byte, v float32) []byte {
	return binary.BigEndian.AppendUint32(append(dst, byte(TagFloat32)), math.Float32bits(v))
}

func appendFloat64(dst []byte, v float64) []byte {
	return binary.BigEndian.AppendUint64(append(dst, byte(TagFloat64)), math.Float64bits(v))
}

// appendText writes a length and the bytes, without a tag.
func appendText[T string | []byte](dst []byte, s T) ([]byte, *EncodeError) {
	if len(s) > maxLength {
		return dst, unwritable("%d bytes in one value; the protocol carries %d", len(s), maxLength)
	}
	return append(binary.BigEndian.AppendUint32(dst, uint32(len(s))), s...), nil
}

// open writes the head of a container whose length is not known yet and returns where its inside starts.
func open(dst []byte, tag Tag) ([]byte, int) {
	return append(dst, byte(tag), 0, 0, 0, 0), len(dst) + 5
}

// seal fills in the length of the container whose inside is dst[from:]. It is false if the length is too large.
func seal(dst []byte, from int) bool {
	n := len(dst) - from
	if n > maxLength {
		return false
	}
	binary.BigEndian.PutUint32(dst[from-4:], uint32(n))
	return true
}

func sealed(dst []byte, from int) ([]byte, *EncodeError) {
	if !seal(dst, from) {
		return dst, unwritable("%d bytes in one container; the protocol carries %d", len(dst)-from, maxLength)
	}
	return dst, nil
}

func appendStrings(dst []byte, texts []string) ([]byte, *EncodeError) {
	dst, from := open(dst, TagStrings)
	for _, s := range texts {
		var err *EncodeError
		if dst, err = appendText(dst, s); err != nil {
			return dst, err
		}
	}
	return sealed(dst, from)
}

func appendStringMap(dst []byte, m StringMap) ([]byte, *EncodeError) {
	dst, from := open(dst, TagStringMap)
	for _, p := range m {
		var err *EncodeError
		if dst, err = appendText(dst, p.Key); err != nil {
			return dst, err
		}
		if dst, err = appendText(dst, p.Value); err != nil {
			return dst, err
		}
	}
	return sealed(dst, from)
}

func appendMap(dst []byte, m Map, depth int) ([]byte, *EncodeError) {
	dst, from := open(dst, TagMap)
	for _, p := range m {
		var err *EncodeError
		if dst, err = appendValue(dst, p.Key, depth); err != nil {
			return dst, err
		}
		if dst, err = appendValue(dst, p.Value, depth); err != nil {
			return dst, err
		}
	}
	return sealed(dst, from)
}

func appendList(dst []byte, values []any, depth int) ([]byte, *EncodeError) {
	dst, from := open(dst, TagList)
	for _, v := range values {
		var err *EncodeError
		if dst, err = appendValue(dst, v, depth); err != nil {
			return dst, err
		}
	}
	return sealed(dst, from)
}

func sorted(v map[string]string) StringMap {
	m := make(StringMap, 0, len(v))
	for _, k := range slices.Sorted(maps.Keys(v)) {
		m = append(m, StringPair{k, v[k]})
	}
	return m
}
