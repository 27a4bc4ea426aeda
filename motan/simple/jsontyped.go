package simple

import (
	"bytes"
	"encoding/base64"
	"math"
	"strconv"
)

// strictBase64 refuses padding bits that are not zero.
var strictBase64 = base64.StdEncoding.Strict()

// directive tells whether the object whose names are those from mark on is {"$bytes": string} or {"$type": string,
// "value": any}. If so it returns the type and the offset of the value in the JSON text, which is never 0.
func (r *jsonReader) directive(dst []byte, mark int, valueAt [2]int) (tag Tag, at int, err *JSONError) {
	own := r.names[mark:]
	switch {
	case len(own) == 1 && own[0].is(dst, "$bytes") && r.src[valueAt[0]] == '"':
		return TagBytes, valueAt[0], nil
	case len(own) != 2:
		return 0, 0, nil
	}
	kind, value := 0, 1
	if own[0].is(dst, "value") {
		kind, value = 1, 0
	}
	if !own[kind].is(dst, "$type") || !own[value].is(dst, "value") || r.src[valueAt[kind]] != '"' {
		return 0, 0, nil
	}
	_, text, _, bad := Split(dst[own[kind].to:])
	if tag, ok := tagOf(text); ok && bad == nil {
		return tag, valueAt[value], nil
	}
	return 0, 0, r.fail(valueAt[kind], "%.40q is not a type: write byte, int16, int32, int64, float32, float64, string or "+
		"bytes, or put an object that is meant as it stands into %s", text, `{"$object":{...}}`).inName([]byte("$type"))
}

func tagOf(name []byte) (Tag, bool) {
	switch string(name) {
	case "byte":
		return TagByte, true
	case "int16":
		return TagInt16, true
	case "int32":
		return TagInt32, true
	case "int64":
		return TagInt64, true
	case "float32":
		return TagFloat32, true
	case "float64":
		return TagFloat64, true
	case "string":
		return TagString, true
	case "bytes":
		return TagBytes, true
	default:
		return TagNull, false
	}
}

// typed reads the value at offset at again, now as the type asked for, and leaves r.pos where it was: behind the object
// whose only member, or whose member "value", it is.
func (r *jsonReader) typed(dst []byte, tag Tag, at int) ([]byte, *JSONError) {
	end := r.pos
	r.pos = at
	var err *JSONError
	switch isText := r.at('"'); {
	case isText && tag == TagString:
		dst, err = r.text(append(dst, byte(TagString)))
	case isText && tag == TagBytes:
		dst, err = r.base64(dst)
	case isText || tag == TagString || tag == TagBytes || !r.atNumber():
		err = r.fail(at, "the value does not fit $type %s", tag)
	case tag == TagFloat32 || tag == TagFloat64:
		dst, err = r.float(dst, tag)
	default:
		dst, err = r.integer(dst, tag)
	}
	if err != nil {
		return dst, err
	}
	r.pos = end
	return dst, nil
}

// base64 reads the string at r.pos. Line breaks, which the decoder would step over, are refused.
func (r *jsonReader) base64(dst []byte) ([]byte, *JSONError) {
	at := r.pos
	dst, from := open(dst, TagBytes)
	dst, err := r.text(dst)
	if err != nil {
		return dst, err
	}
	encoded := dst[from+4:]
	end := len(dst)
	dst, bad := strictBase64.AppendDecode(dst, encoded)
	if bad != nil || bytes.ContainsAny(encoded, "\r\n") {
		return dst, r.fail(at, "the string is not standard base64 with padding")
	}
	n := copy(dst[from:], dst[end:])
	return r.sealed(dst[:from+n], from, at)
}

func (r *jsonReader) atNumber() bool {
	return r.at('-') || r.pos < len(r.src) && isDigit(r.src[r.pos])
}

func isDigit(c byte) bool { return c >= '0' && c <= '9' }

// number reads the number at r.pos as the type that its literal has.
func (r *jsonReader) number(dst []byte) ([]byte, *JSONError) {
	at := r.pos
	text, whole, err := r.literal()
	if err != nil {
		return dst, err
	}
	if !whole {
		r.pos = at
		return r.float(dst, TagFloat64)
	}
	n, ok := parseInt(text)
	if !ok {
		err = r.fail(at, "the integer does not fit 64 bits; send it as a string, or with .0 as a float64")
		err.wide = true
		return dst, err
	}
	return appendInt64(dst, n), nil
}

// integer reads the number at r.pos as an integer type.
func (r *jsonReader) integer(dst []byte, tag Tag) ([]byte, *JSONError) {
	at := r.pos
	text, whole, err := r.literal()
	if err != nil {
		return dst, err
	}
	n, ok := parseInt(text)
	switch {
	case !whole || !ok:
	case tag == TagByte && n == int64(byte(n)):
		return append(dst, byte(TagByte), byte(n)), nil
	case tag == TagInt16 && n == int64(int16(n)):
		return append(dst, byte(TagInt16), byte(n>>8), byte(n)), nil
	case tag == TagInt32 && n == int64(int32(n)):
		return appendInt32(dst, int32(n)), nil
	case tag == TagInt64:
		return appendInt64(dst, n), nil
	}
	return dst, r.fail(at, "the number does not fit $type %s", tag)
}

// float reads the number at r.pos as a float type.
func (r *jsonReader) float(dst []byte, tag Tag) ([]byte, *JSONError) {
	at := r.pos
	text, _, err := r.literal()
	if err != nil {
		return dst, err
	}
	size := 64
	if tag == TagFloat32 {
		size = 32
	}
	f, bad := strconv.ParseFloat(string(text), size)
	if bad != nil || math.IsInf(f, 0) {
		return dst, r.fail(at, "the number is too large for a %s", tag)
	}
	if tag == TagFloat32 {
		return appendFloat32(dst, float32(f)), nil
	}
	return appendFloat64(dst, f), nil
}

// literal steps over the number at r.pos. whole says that it has neither a point nor an exponent.
func (r *jsonReader) literal() (text []byte, whole bool, err *JSONError) {
	start := r.pos
	if r.at('-') {
		r.pos++
	}
	zero := r.at('0')
	if n := r.digits(); n == 0 {
		return nil, false, r.unexpected("a digit")
	} else if zero && n > 1 {
		return nil, false, r.fail(start, "a number starts with a needless 0")
	}
	whole = true
	if r.at('.') {
		whole = false
		if r.pos++; r.digits() == 0 {
			return nil, false, r.unexpected("a digit")
		}
	}
	if r.at('e') || r.at('E') {
		whole = false
		if r.pos++; r.at('+') || r.at('-') {
			r.pos++
		}
		if r.digits() == 0 {
			return nil, false, r.unexpected("a digit")
		}
	}
	return r.src[start:r.pos], whole, nil
}

func (r *jsonReader) digits() int {
	start := r.pos
	for r.pos < len(r.src) && isDigit(r.src[r.pos]) {
		r.pos++
	}
	return r.pos - start
}

// parseInt returns the value of a whole literal, false if it needs more than 64 bits.
func parseInt(text []byte) (int64, bool) {
	negative := text[0] == '-'
	if negative {
		text = text[1:]
	}
	if len(text) > len("9223372036854775808") {
		return 0, false
	}
	var n uint64 // nineteen digits fit
	for _, c := range text {
		n = n*10 + uint64(c-'0')
	}
	if negative {
		return -int64(n), n <= 1<<63
	}
	return int64(n), n < 1<<63
}
