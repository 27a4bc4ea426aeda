package traffic

import (
	"strconv"
	"strings"
	"sync"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// maxScan is how much of a body in JSON is looked at for an argument: there, what lies before it must be read.
const maxScan = 64 << 10

// serializeGrpcJSON is the number of the other serialization whose bodies are JSON (motan protocol, section 3.1).
const serializeGrpcJSON = 7

// place is where a value lies in a body: the number of the argument, then keys of maps and numbers of lists.
type place struct {
	argument int
	path     []part
}

type part struct {
	key    string
	number int // that the key is; -1 for another text
}

// parsePlace reads a place whose first part is a number.
func parsePlace(text string) place {
	var p place
	for i, key := range strings.Split(text, ".") {
		n, err := strconv.ParseUint(key, 10, 16)
		switch {
		case i == 0:
			p.argument = int(n)
		case err != nil:
			p.path = append(p.path, part{key, -1})
		default:
			p.path = append(p.path, part{key, int(n)})
		}
	}
	return p
}

// scratch is room for the text of a number.
type scratch [40]byte

// desk is the room that a call needs whose body is looked into: the text by which rules are found stays while the rules look at
// others. It is pooled, because regular expressions let what they look at escape.
type desk struct{ index, rule scratch }

var desks = sync.Pool{New: func() any { return new(desk) }}

// forIndex is nil where no body is looked into.
func (d *desk) forIndex() *scratch {
	if d == nil {
		return nil
	}
	return &d.index
}

func (d *desk) forRule() *scratch {
	if d == nil {
		return nil
	}
	return &d.rule
}

// of returns the text of the value at p, which is valid until the call or room changes; ok is false where there is none, or
// where the body is compressed or of a serialization that does not say what it holds. Nothing is built: what lies before the
// value is skipped by its length or its brackets.
func (p *place) of(q *motan.Frame, room *scratch) (text []byte, ok bool) {
	body := q.Body()
	if q.Gzipped() || len(body) == 0 {
		return nil, false
	}
	switch q.Serialization() {
	case motan.SerializeSimple:
		return p.inSimple(body, room)
	case motan.SerializeJSON, serializeGrpcJSON:
		return p.inJSON(body[:min(len(body), maxScan)])
	}
	return nil, false
}

func (p *place) inSimple(body []byte, room *scratch) ([]byte, bool) {
	value, ok := element(body, p.argument)
	if !ok {
		return nil, false
	}
	for i, x := range p.path {
		tag, payload, _, err := simple.Split(value)
		if err != nil {
			return nil, false
		}
		last := i == len(p.path)-1
		switch tag {
		case simple.TagStringMap, simple.TagStrings:
			if !last {
				return nil, false
			}
			if tag == simple.TagStrings {
				return textElement(payload, x.number)
			}
			return textOf(payload, x.key)
		case simple.TagMap:
			value, ok = valueOf(payload, x.key)
		case simple.TagList:
			value, ok = element(payload, x.number)
		default:
			return nil, false
		}
		if !ok {
			return nil, false
		}
	}
	tag, payload, _, err := simple.Split(value)
	if err != nil {
		return nil, false
	}
	if tag == simple.TagString || tag == simple.TagBytes {
		return payload, true
	}
	return simple.AppendText(room[:0], tag, payload)
}

// element returns what begins with the n-th value of b.
func element(b []byte, n int) ([]byte, bool) {
	for i := n; i > 0 && len(b) > 0; i-- {
		_, _, rest, err := simple.Split(b)
		if err != nil {
			return nil, false
		}
		b = rest
	}
	return b, n >= 0 && len(b) > 0
}

// maxKeys is how many entries of a map are looked at.
const maxKeys = 10_000

// valueOf returns what begins with the value of a key in a map.
func valueOf(b []byte, key string) ([]byte, bool) {
	for n := 0; n < maxKeys && len(b) > 0; n++ {
		tag, payload, rest, err := simple.Split(b)
		if err != nil {
			return nil, false
		}
		if (tag == simple.TagString || tag == simple.TagBytes) && string(payload) == key {
			return rest, true
		}
		if _, _, b, err = simple.Split(rest); err != nil {
			return nil, false
		}
	}
	return nil, false
}

// textOf returns the value of a key in a map of strings.
func textOf(b []byte, key string) ([]byte, bool) {
	for n := 0; n < maxKeys && len(b) > 0; n++ {
		name, rest, err := simple.SplitText(b)
		if err != nil {
			return nil, false
		}
		value, rest, err := simple.SplitText(rest)
		if err != nil {
			return nil, false
		}
		if string(name) == key {
			return value, true
		}
		b = rest
	}
	return nil, false
}

// textElement returns one of a list of strings.
func textElement(b []byte, n int) ([]byte, bool) {
	for ; n >= 0 && len(b) > 0; n-- {
		text, rest, err := simple.SplitText(b)
		if err != nil {
			return nil, false
		}
		if n == 0 {
			return text, true
		}
		b = rest
	}
	return nil, false
}
