package httpbridge

import (
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// Conversion turns a serialization into JSON and back, for the methods that are served by an HTTP/JSON service.
type Conversion interface {
	// AppendArguments appends the arguments of a call as a JSON array.
	AppendArguments(dst, body []byte) ([]byte, error)
	// AppendResult appends the value that a JSON text is, as the type of that name; "" leaves the type to the JSON.
	AppendResult(dst, json []byte, typ string) ([]byte, error)
}

// conversions are there by the number of the serialization.
var conversions = map[int]Conversion{motan.SerializeSimple: simpleConversion{}}

type simpleConversion struct{}

// AppendArguments writes what stands in body.
func (simpleConversion) AppendArguments(dst, body []byte) ([]byte, error) {
	return simple.JSONWriter{}.AppendValues(dst, body)
}

// AppendResult knows the types of [simple.AppendJSONArgsAs].
func (simpleConversion) AppendResult(dst, json []byte, typ string) ([]byte, error) {
	if typ == "" {
		return simple.AppendJSON(dst, json)
	}
	list := make([]byte, 0, len(json)+2)
	list = append(append(append(list, '['), json...), ']')
	return simple.AppendJSONArgsAs(dst, list, []byte(typ))
}
