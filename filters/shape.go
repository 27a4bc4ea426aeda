package filters

import (
	"bytes"
	"encoding/json"
	"errors"
	"hash/fnv"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// shape is what of a call's end can be compared with that of another one without keeping it.
type shape struct {
	end           ending
	serialization int
	bytes         int
	structure     uint64 // of types and keys, not of values; 0 where the body does not tell
	took          time.Duration
}

// ending is how a call has ended.
type ending uint8

const (
	answered ending = iota
	raised          // an exception of the implementation's own
	excepted        // another exception
	missed          // no answer
)

// maxShaped bounds how much of a body is looked at.
const maxShaped = 64 << 10

func shapeOf(c *motan.Call) shape {
	s := shape{took: time.Duration(motan.Now() - c.Start)}
	switch x, failed := c.Reply.Exception(); {
	case c.Err != nil:
		s.end = missed
		return s
	case failed && x.Type == motan.TypeBiz:
		s.end = raised
		return s
	case failed:
		s.end = excepted
		return s
	}
	body := c.Reply.Body()
	s.serialization, s.bytes = c.Reply.Serialization(), len(body)
	if c.Reply.Gzipped() || len(body) > maxShaped {
		return s
	}
	switch s.serialization {
	case motan.SerializeSimple:
		s.structure = simpleStructure(body)
	case motan.SerializeJSON:
		d := json.NewDecoder(bytes.NewReader(body))
		s.structure, _ = jsonStructure(d, 0)
	}
	return s
}

// differs names the first thing in which s is not as other; empty where they are alike.
func (s *shape) differs(other *shape) string {
	switch {
	case s.end != other.end:
		return "other_outcome"
	case s.serialization != other.serialization:
		return "other_serialization"
	case s.structure != other.structure:
		return "other_structure"
	case s.bytes != other.bytes:
		return "other_length"
	}
	return ""
}

// simpleStructure is equal for bodies with the same types and keys of maps in the same order. Lists differ where the kinds of
// their elements do, not by how many there are. It is 0 for what is no such body.
func simpleStructure(body []byte) uint64 {
	sum := uint64(0)
	for len(body) > 0 {
		one, rest, ok := simpleValue(body, 0)
		if !ok {
			return 0
		}
		sum, body = combine(sum, one), rest
	}
	return sum
}

func simpleValue(b []byte, depth int) (sum uint64, rest []byte, ok bool) {
	tag, payload, rest, err := simple.Split(b)
	if err != nil || depth > simple.MaxDepth {
		return 0, nil, false
	}
	sum = combine(1, uint64(tag))
	switch tag {
	case simple.TagStringMap:
		for len(payload) > 0 {
			key, more, err := simple.SplitText(payload)
			if err == nil {
				_, payload, err = simple.SplitText(more)
			}
			if err != nil {
				return 0, nil, false
			}
			sum = combine(sum, hashOf(key))
		}
	case simple.TagMap:
		for len(payload) > 0 {
			_, key, more, err := simple.Split(payload)
			if err != nil {
				return 0, nil, false
			}
			value, after, ok := simpleValue(more, depth+1)
			if !ok {
				return 0, nil, false
			}
			sum, payload = combine(combine(sum, hashOf(key)), value), after
		}
	case simple.TagList:
		for last := uint64(0); len(payload) > 0; {
			value, after, ok := simpleValue(payload, depth+1)
			if !ok {
				return 0, nil, false
			}
			if value != last {
				sum = combine(sum, value)
			}
			payload, last = after, value
		}
	}
	return sum, rest, true
}

var errDeep = errors.New("nested too deeply")

// jsonStructure is simpleStructure for the value that d has next.
func jsonStructure(d *json.Decoder, depth int) (uint64, error) {
	token, err := d.Token()
	if err != nil || depth > simple.MaxDepth {
		return 0, errors.Join(err, errDeep)
	}
	switch x := token.(type) {
	case json.Delim:
		sum := combine(2, uint64(x))
		for last := uint64(0); d.More(); {
			if x == '{' {
				key, err := d.Token()
				if err != nil {
					return 0, err
				}
				sum = combine(sum, hashOf([]byte(key.(string))))
			}
			one, err := jsonStructure(d, depth+1)
			if err != nil {
				return 0, err
			}
			if x == '{' || one != last {
				sum = combine(sum, one)
			}
			last = one
		}
		_, err := d.Token() // the bracket
		return sum, err
	case string:
		return 3, nil
	case float64:
		return 4, nil
	case bool:
		return 5, nil
	}
	return 6, nil
}

func combine(sum, more uint64) uint64 { return (sum ^ more) * 0x100000001b3 } // as FNV does

func hashOf(text []byte) uint64 {
	h := fnv.New64a()
	_, _ = h.Write(text) // it cannot fail
	return h.Sum64()
}
