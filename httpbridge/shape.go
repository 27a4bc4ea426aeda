package httpbridge

import (
	"strconv"
	"unicode/utf8"

	"github.com/motand/motand/motan/simple"
)

// Bounds of a shape.
const (
	shapeDepth = 4
	shapeItems = 8 // arguments, and names of a map
	shapeName  = 40
	shapeBytes = 1500
)

// shape writes JSON that is like values without telling what is in them: each string is "text", each number 1. Names of
// maps are kept if they look like names of fields; those that look like data are not.
type shape struct {
	text  []byte
	typed bool // write {"$type":...} where JSON would be read as another type
}

// shapeOfAll is the shape of arguments, as a JSON array. With typed, types that JSON has not are written out.
func shapeOfAll(b []byte, typed bool) string {
	s := shape{typed: typed, text: []byte{'['}}
	for i := 0; len(b) > 0 && i < shapeItems; i++ {
		if i > 0 {
			s.text = append(s.text, ',')
		}
		var ok bool
		if b, ok = s.value(b, 0); !ok {
			return "[]"
		}
	}
	return s.done(append(s.text, ']'), "[]")
}

// shapeOf is the shape of one value; empty where it is none, as with an answer in another serialization.
func shapeOf(b []byte) string {
	s := shape{}
	if len(b) == 0 {
		return "null"
	}
	if _, ok := s.value(b, 0); !ok {
		return ""
	}
	return s.done(s.text, "")
}

func (s *shape) done(text []byte, otherwise string) string {
	if len(text) > shapeBytes {
		return otherwise
	}
	return string(text)
}

// value writes the first value of b and returns what follows it.
func (s *shape) value(b []byte, depth int) (rest []byte, ok bool) {
	tag, payload, rest, err := simple.Split(b)
	if err != nil || len(s.text) > shapeBytes {
		return nil, false
	}
	switch tag {
	case simple.TagString:
		s.text = append(s.text, `"text"`...)
	case simple.TagBool:
		s.text = append(s.text, "true"...)
	case simple.TagBytes:
		s.text = append(s.text, `{"$bytes":"AA=="}`...)
	case simple.TagInt64:
		s.text = append(s.text, '1')
	case simple.TagFloat64:
		s.text = append(s.text, "1.5"...)
	case simple.TagByte, simple.TagInt16, simple.TagInt32, simple.TagFloat32:
		if s.typed {
			s.text = append(append(append(s.text, `{"$type":"`...), tag.String()...), `","value":1}`...)
		} else {
			s.text = append(s.text, '1')
		}
	case simple.TagStrings, simple.TagList:
		return rest, s.list(tag, payload, depth+1)
	case simple.TagStringMap, simple.TagMap:
		return rest, s.object(tag, payload, depth+1)
	default:
		s.text = append(s.text, "null"...)
	}
	return rest, true
}

// list writes the first item of a list.
func (s *shape) list(tag simple.Tag, payload []byte, depth int) bool {
	s.text = append(s.text, '[')
	ok := true
	switch {
	case len(payload) == 0 || depth > shapeDepth:
	case tag == simple.TagStrings:
		s.text = append(s.text, `"text"`...)
	default:
		_, ok = s.value(payload, depth)
	}
	s.text = append(s.text, ']')
	return ok
}

// object writes a map with the names that look like those of fields.
func (s *shape) object(tag simple.Tag, payload []byte, depth int) bool {
	s.text = append(s.text, '{')
	ok := true
	for n := 0; ok && len(payload) > 0 && n < shapeItems && depth <= shapeDepth; {
		var name []byte
		var err error
		named := true
		if tag == simple.TagStringMap {
			if name, payload, err = simple.SplitText(payload); err == nil {
				_, payload, err = simple.SplitText(payload)
			}
		} else {
			var key simple.Tag
			key, name, payload, err = simple.Split(payload)
			named = key == simple.TagString
		}
		if err != nil {
			return false
		}
		mark := len(s.text)
		if n > 0 {
			s.text = append(s.text, ',')
		}
		s.text = append(strconv.AppendQuote(s.text, string(name[:min(len(name), shapeName)])), ':')
		if tag == simple.TagStringMap {
			s.text = append(s.text, `"text"`...)
		} else if payload, ok = s.value(payload, depth); !ok {
			return false
		}
		if !named || !isFieldName(name) {
			s.text = s.text[:mark]
			continue
		}
		n++
	}
	s.text = append(s.text, '}')
	return true
}

// isFieldName tells whether a name is one that a programmer would write, and no number with a letter before it.
func isFieldName(name []byte) bool {
	digits := 0
	for i, b := range name {
		switch {
		case b >= '0' && b <= '9' && i > 0:
			digits++
		case b|0x20 < 'a' || b|0x20 > 'z' || b >= utf8.RuneSelf:
			if b != '_' {
				return false
			}
		}
	}
	return len(name) > 0 && len(name) <= shapeName && digits <= 3
}
