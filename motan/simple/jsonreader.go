package simple

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"fmt"
	"sync"
)

// jsonReader reads JSON text and writes simple bytes as it goes. Containers are first written with tagged members (14,
// 15) and lose the tags at their end if all members were strings (02, 04), so that no look ahead is needed.
type jsonReader struct {
	src   []byte
	pos   int
	names names
}

var jsonReaders = sync.Pool{New: func() any { return new(jsonReader) }}

// readJSON runs one of a reader's entry points over src. dst keeps its contents on error.
func readJSON(dst, src []byte, read func(*jsonReader, []byte) ([]byte, *JSONError)) ([]byte, error) {
	r := jsonReaders.Get().(*jsonReader)
	r.src, r.pos = src, 0
	out, err := read(r, dst)
	if err == nil {
		if r.space(); r.pos < len(src) {
			err = r.unexpected("the end of the text")
		}
	}
	r.src = nil
	r.names.reset()
	jsonReaders.Put(r)
	if err != nil {
		return dst, err.inside("$")
	}
	return out, nil
}

func (r *jsonReader) document(dst []byte) ([]byte, *JSONError) {
	r.space()
	return r.value(dst, 0)
}

func (r *jsonReader) args(dst []byte) ([]byte, *JSONError) {
	r.space()
	if r.pos == len(r.src) {
		return dst, nil
	}
	if !r.at('[') {
		return r.value(dst, 0)
	}
	more, err := r.first(']')
	for i := 0; more; i++ {
		if dst, err = r.value(dst, 0); err != nil {
			return dst, err.inIndex(i)
		}
		more, err = r.next(']')
	}
	return dst, err
}

// value reads the value at r.pos, which lies inside depth containers.
func (r *jsonReader) value(dst []byte, depth int) ([]byte, *JSONError) {
	if r.pos == len(r.src) {
		return dst, r.unexpected("a value")
	}
	switch c := r.src[r.pos]; c {
	case '"':
		return r.text(append(dst, byte(TagString)))
	case '{':
		return r.object(dst, depth+1, false)
	case '[':
		return r.array(dst, depth+1)
	case 't':
		return append(dst, byte(TagBool), 1), r.word("true")
	case 'f':
		return append(dst, byte(TagBool), 0), r.word("false")
	case 'n':
		return append(dst, byte(TagNull)), r.word("null")
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return r.number(dst)
	default:
		return dst, r.unexpected("a value")
	}
}

func (r *jsonReader) array(dst []byte, depth int) ([]byte, *JSONError) {
	start := r.pos
	if depth > MaxDepth {
		return dst, r.deep(start)
	}
	dst, from := open(dst, TagList)
	texts := true
	more, err := r.first(']')
	for i := 0; more; i++ {
		texts = texts && r.at('"')
		if dst, err = r.value(dst, depth); err != nil {
			return dst, err.inIndex(i)
		}
		more, err = r.next(']')
	}
	if err != nil {
		return dst, err
	}
	if texts && len(dst) > from {
		dst[from-5] = byte(TagStrings)
		dst = untag(dst, from)
	}
	return r.sealed(dst, from, start)
}

// object reads an object. In a literal one, which is inside {"$object": ...}, the names at its own level mean nothing.
func (r *jsonReader) object(dst []byte, depth int, literal bool) ([]byte, *JSONError) {
	start, mark := r.pos, len(r.names)
	defer func() { r.names = r.names[:mark] }()
	if depth > MaxDepth+1 { // one deeper may yet be a scalar such as {"$bytes": ...}, known at its end
		return dst, r.deep(start)
	}
	var valueAt [2]int
	var late *JSONError // a number that is an error unless the object turns out to be {"$type": ..., "value": ...}
	dst, from := open(dst, TagMap)
	texts := true
	more, err := r.first('}')
	for i := 0; more; i++ {
		nameAt, nameFrom := r.pos, len(dst)+5
		if dst, err = r.name(dst); err != nil {
			return dst, err
		}
		name := dst[nameFrom:]
		if !literal && string(name) == "$object" {
			return r.wrapped(dst[:from-5], nameAt, depth, i)
		}
		r.names.add(nameFrom, len(dst), nameAt)
		if i < len(valueAt) {
			valueAt[i] = r.pos
		}
		texts = texts && r.at('"')
		nameTo := len(dst)
		if dst, err = r.value(dst, depth); err != nil {
			err = err.inName(dst[nameFrom:nameTo])
			if !err.wide || err.Path != ".value" {
				return dst, err
			}
			late = cmp.Or(late, err)
		}
		more, err = r.next('}')
	}
	if err != nil {
		return dst, err
	}
	if !literal {
		tag, at, err := r.directive(dst, mark, valueAt)
		if err != nil {
			return dst, err
		}
		if at > 0 {
			name := "value"
			if len(r.names) == mark+1 {
				name = "$bytes"
			}
			if dst, err = r.typed(dst[:from-5], tag, at); err != nil {
				return dst, err.inName([]byte(name))
			}
			return dst, nil
		}
	}
	if late != nil {
		return dst, late
	}
	if twice, found := r.names.repeated(dst, mark); found {
		return dst, r.fail(twice.at, "the name occurs twice in its object").inName(twice.text(dst))
	}
	if depth > MaxDepth {
		return dst, r.deep(start)
	}
	if texts && len(dst) > from {
		dst[from-5] = byte(TagStringMap)
		dst = untag(dst, from)
	}
	return r.sealed(dst, from, start)
}

// name reads a member's name and its colon and leaves r.pos at the value.
func (r *jsonReader) name(dst []byte) ([]byte, *JSONError) {
	if !r.at('"') {
		return dst, r.unexpected("a name in quotes")
	}
	dst, err := r.text(append(dst, byte(TagString)))
	if err != nil {
		return dst, err
	}
	if r.space(); !r.at(':') {
		return dst, r.unexpected("a colon after the name")
	}
	r.pos++
	r.space()
	return dst, nil
}

// wrapped reads the value of the name "$object" and the end of the object around it, whose i-th name it is.
func (r *jsonReader) wrapped(dst []byte, nameAt, depth, i int) ([]byte, *JSONError) {
	if i > 0 || !r.at('{') {
		return dst, r.fail(nameAt, "the name $object is reserved for %s", `{"$object":{...}}`)
	}
	dst, err := r.object(dst, depth, true)
	if err != nil {
		return dst, err.inName([]byte("$object"))
	}
	more, err := r.next('}')
	if more {
		return dst, r.fail(r.pos, "the name $object is reserved for %s, with nothing beside it", `{"$object":{...}}`)
	}
	return dst, err
}

// first steps over the opening bracket and is true if a member follows, false after the closing bracket.
func (r *jsonReader) first(closing byte) (bool, *JSONError) {
	r.pos++
	r.space()
	if r.at(closing) {
		r.pos++
		return false, nil
	}
	return true, nil
}

// next steps over a comma and is true, or over the closing bracket and is false.
func (r *jsonReader) next(closing byte) (bool, *JSONError) {
	r.space()
	if r.at(closing) {
		r.pos++
		return false, nil
	}
	if !r.at(',') {
		return false, r.unexpected("a comma or " + string(closing))
	}
	r.pos++
	r.space()
	return true, nil
}

func (r *jsonReader) word(want string) *JSONError {
	if !bytes.HasPrefix(r.src[r.pos:], []byte(want)) {
		return r.unexpected("a value")
	}
	r.pos += len(want)
	return nil
}

func (r *jsonReader) at(c byte) bool { return r.pos < len(r.src) && r.src[r.pos] == c }

func (r *jsonReader) space() {
	for r.pos < len(r.src) {
		switch r.src[r.pos] {
		case ' ', '\t', '\n', '\r':
			r.pos++
		default:
			return
		}
	}
}

// untag removes the tags of the strings that fill dst[from:].
func untag(dst []byte, from int) []byte {
	to := from
	for i := from; i < len(dst); {
		n := 4 + int(binary.BigEndian.Uint32(dst[i+1:]))
		to += copy(dst[to:], dst[i+1:i+1+n])
		i += 1 + n
	}
	return dst[:to]
}

func (r *jsonReader) sealed(dst []byte, from, start int) ([]byte, *JSONError) {
	if !seal(dst, from) {
		return dst, r.fail(start, "%d bytes in one container; the protocol carries %d", len(dst)-from, maxLength)
	}
	return dst, nil
}

func (r *jsonReader) fail(at int, format string, args ...any) *JSONError {
	return &JSONError{Offset: at, Msg: fmt.Sprintf(format, args...)}
}

func (r *jsonReader) deep(at int) *JSONError {
	return r.fail(at, "more than %d containers inside each other", MaxDepth)
}

// unexpected says what is at r.pos instead of what should be.
func (r *jsonReader) unexpected(want string) *JSONError {
	if r.pos >= len(r.src) {
		return r.fail(r.pos, "%s expected, but the text ends", want)
	}
	return r.fail(r.pos, "%s expected, not %q", want, r.src[r.pos:r.pos+1])
}
