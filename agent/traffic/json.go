package traffic

import (
	"bytes"
	"encoding/json"
)

// maxDepth is how deep brackets may be nested in a body that is looked at.
const maxDepth = 64

// inJSON is of for a body in JSON: a list of the arguments, or the only one.
func (p *place) inJSON(body []byte) ([]byte, bool) {
	r := jsonReader{rest: body}
	if r.next() == '[' {
		if !r.step("", p.argument) {
			return nil, false
		}
	} else if p.argument != 0 {
		return nil, false
	}
	for _, x := range p.path {
		if !r.step(x.key, x.number) {
			return nil, false
		}
	}
	switch r.next() {
	case '"':
		return r.text()
	case '{', '[', 0:
		return nil, false
	}
	from := r.rest
	if !r.skip() {
		return nil, false
	}
	if text := from[:len(from)-len(r.rest)]; string(text) != "null" {
		return text, true
	}
	return nil, false
}

// jsonReader steps through a text that may be anything. It believes what it need not look into.
type jsonReader struct{ rest []byte }

// next is the byte that the next token begins with, 0 at the end.
func (r *jsonReader) next() byte {
	r.rest = bytes.TrimLeft(r.rest, " \t\r\n")
	if len(r.rest) == 0 {
		return 0
	}
	return r.rest[0]
}

// step goes into the object or list that is next: to the value of key, or to the n-th.
func (r *jsonReader) step(key string, n int) bool {
	switch r.next() {
	case '[':
		r.rest = r.rest[1:]
		for ; n > 0; n-- {
			if !r.skip() || r.next() != ',' {
				return false
			}
			r.rest = r.rest[1:]
		}
		return n == 0 && r.next() != ']'
	case '{':
		for {
			r.rest = r.rest[1:] // the bracket or a comma
			if r.next() != '"' {
				return false
			}
			name, ok := r.text()
			if !ok || r.next() != ':' {
				return false
			}
			r.rest = r.rest[1:]
			if string(name) == key {
				return true
			}
			if !r.skip() || r.next() != ',' {
				return false
			}
		}
	}
	return false
}

// text takes the string that is next. Only one with a backslash in it is copied.
func (r *jsonReader) text() ([]byte, bool) {
	end, escaped := r.stringEnd()
	if end < 0 {
		return nil, false
	}
	raw := r.rest[:end+1]
	r.rest = r.rest[end+1:]
	if !escaped {
		return raw[1:end], true
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return nil, false
	}
	return []byte(s), true
}

// stringEnd is where the string that is next ends; negative where it does not.
func (r *jsonReader) stringEnd() (end int, escaped bool) {
	for i := 1; i < len(r.rest); i++ {
		switch r.rest[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return -1, false
}

// skip takes the value that is next.
func (r *jsonReader) skip() bool {
	depth := 0
	for {
		switch r.next() {
		case 0:
			return false
		case '"':
			end, _ := r.stringEnd()
			if end < 0 {
				return false
			}
			r.rest = r.rest[end+1:]
		case '{', '[':
			if depth++; depth > maxDepth {
				return false
			}
			r.rest = r.rest[1:]
		case '}', ']':
			if depth--; depth < 0 {
				return false
			}
			r.rest = r.rest[1:]
		case ',', ':':
			if depth == 0 {
				return false
			}
			r.rest = r.rest[1:]
		default:
			end := bytes.IndexAny(r.rest, ",:]}[{\" \t\r\n")
			if end < 0 {
				end = len(r.rest)
			}
			r.rest = r.rest[end:]
		}
		if depth == 0 {
			return true
		}
	}
}
