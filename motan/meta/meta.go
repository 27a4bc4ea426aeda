// Package meta is the framework service by which hosts tell each other their metadata, of which the weight is what callers
// use: com.weibo.api.motan.runtime.meta.MetaService, method getDynamicMeta, called with M_fws. It makes the request, makes
// the answer, and reads it, in either serialization that motan-go answers in: that of the request, breeze or simple.
//
// It neither calls nor listens. It prevents that a peer's metadata is believed without bounds.
package meta

import (
	"errors"
	"fmt"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// Service is the name of the service, and Method that of its one method.
const (
	Service = "com.weibo.api.motan.runtime.meta.MetaService"
	Method  = "getDynamicMeta"
)

// Weight is what stands behind the prefix (usually META_) in the name of a node's weight.
const Weight = "WEIGHT"

const (
	maxPairs = 1024
	maxBytes = 64 << 10 // of a whole answer
)

// NotSupported is the message of the exception of an agent that knows the framework services, but not this one.
const NotSupported = "service not support"

// Request makes f the question, in breeze.
func Request(f *motan.Frame) {
	f.Set("M_p", Service)
	f.Set("M_m", Method)
	f.Set("M_fws", "y")
	f.SetSerialization(motan.SerializeBreeze)
}

// Asked tells whether q is the question.
func Asked(q *motan.Frame) bool { return q.Framework() && string(q.Service()) == Service }

// Answer makes reply the answer to request: values, in the serialization of the request.
func Answer(reply, request *motan.Frame, values map[string]string) error {
	switch n := request.Serialization(); n {
	case motan.SerializeBreeze:
		reply.SetBody(appendBreeze(nil, values))
	case motan.SerializeSimple:
		body, err := simple.Append(nil, values)
		if err != nil {
			return fmt.Errorf("meta: %w", err)
		}
		reply.SetBody(body)
	default:
		return fmt.Errorf("meta: serialization %d is not known here, ask in breeze (8) or simple (6)", n)
	}
	reply.SetSerialization(request.Serialization())
	return nil
}

// Read reads an answer.
func Read(reply *motan.Frame) (map[string]string, error) {
	body := reply.Body()
	if len(body) > maxBytes || reply.Type&motan.FlagGzip != 0 {
		return nil, fmt.Errorf("meta: an answer of %d bytes, or a compressed one, is not read", len(body))
	}
	switch n := reply.Serialization(); n {
	case motan.SerializeBreeze:
		return readBreeze(body)
	case motan.SerializeSimple:
		v, _, err := simple.Decode(body)
		if err != nil {
			return nil, fmt.Errorf("meta: %w", err)
		}
		pairs, ok := v.(simple.StringMap)
		if !ok {
			return nil, errNoMap
		}
		values := make(map[string]string, len(pairs))
		for _, p := range pairs {
			values[p.Key] = p.Value
		}
		return values, nil
	default:
		return nil, fmt.Errorf("meta: an answer in serialization %d is not read", n)
	}
}

var errNoMap = errors.New("meta: the answer is no map of texts")
