package simple

import (
	"fmt"
	"unicode/utf8"
)

// JSONError says which place of a document cannot be converted.
type JSONError struct {
	// Path is the place in the JSON document, such as $[1].user.ids[3]; $ is the whole. Of a list of arguments the
	// outermost index is that of the argument.
	Path string
	// Offset is where, in bytes from the start of the input: of the JSON text, or of the simple bytes.
	Offset int
	Msg    string
	// Err is the *DecodeError if the simple bytes are malformed, else nil.
	Err error

	// wide marks a number that is too large for the type its literal has. It may yet fit the $type beside it.
	wide bool
}

// Error returns the message with path and offset.
func (e *JSONError) Error() string {
	return fmt.Sprintf("simple: json at %s (byte %d): %s", e.Path, e.Offset, e.Msg)
}

// Unwrap returns Err.
func (e *JSONError) Unwrap() error { return e.Err }

// inside puts a step in front of the path, on the way from the faulty value to the outermost.
func (e *JSONError) inside(step string) *JSONError {
	e.Path = step + e.Path
	return e
}

func (e *JSONError) inIndex(i int) *JSONError { return e.inside(fmt.Sprintf("[%d]", i)) }

// longestName is how many bytes of a name a path shows.
const longestName = 40

// inName puts an object member in front of the path.
func (e *JSONError) inName(name []byte) *JSONError {
	quoted, _ := appendJSONText(nil, cut(name, longestName+utf8.UTFMax))
	return e.inQuoted(quoted)
}

// inQuoted does so with the name as JSON text: .name, or ["name"] if it is not an identifier.
func (e *JSONError) inQuoted(quoted []byte) *JSONError {
	name := quoted[1 : len(quoted)-1]
	switch {
	case len(name) > longestName:
		return e.inside(`["` + string(cut(name, longestName)) + `…"]`)
	case isIdentifier(name):
		return e.inside("." + string(name))
	default:
		return e.inside("[" + string(quoted) + "]")
	}
}

// cut returns at most n bytes of s and no half character.
func cut(s []byte, n int) []byte {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func isIdentifier(name []byte) bool {
	for i, c := range name {
		letter := c|0x20 >= 'a' && c|0x20 <= 'z' || c == '_' || c == '$'
		if !letter && (i == 0 || c < '0' || c > '9') {
			return false
		}
	}
	return len(name) > 0
}

// AppendJSON writes the one value that the JSON text src is, as simple bytes behind dst. The text is read strictly by
// RFC 8259 and must be UTF-8; repeated names, lone surrogates and containers nested deeper than MaxDepth are errors. An
// object of a "$" shape is not counted as a container.
//
// At most 3 bytes are written for each byte of src. With enough room in dst nothing is allocated, except about 50 bytes
// for each name where the objects that are open at one time have more than a thousand, and a copy of a number of more
// than 32 characters. Errors are *JSONError, and then the result is dst as it was given.
func AppendJSON(dst, src []byte) ([]byte, error) {
	return readJSON(dst, src, (*jsonReader).document)
}

// AppendJSONArgs writes the arguments of a call from the body of an HTTP request: a JSON array is the list of the
// arguments, any other JSON value is the only argument, and an empty or blank body is no argument. A call whose only
// argument is a list therefore has the body [[...]]. Otherwise it is as AppendJSON.
func AppendJSONArgs(dst, src []byte) ([]byte, error) {
	return readJSON(dst, src, (*jsonReader).args)
}

// AppendJSONValue writes the one value in b as plain JSON behind dst. It is JSONWriter{}.AppendValue.
func AppendJSONValue(dst, b []byte) ([]byte, error) {
	return JSONWriter{}.AppendValue(dst, b)
}

// JSONWriter turns simple bytes into JSON. The zero value writes plain JSON, for applications that do not care
// for the width of numbers.
type JSONWriter struct {
	// Typed writes byte, int16, int32 and float32 as {"$type":"int32","value":7}, which AppendJSON reads back as they
	// were. Integer keys become names all the same.
	Typed bool
}

// AppendValue writes the one value in b as JSON behind dst, without spaces and without HTML escapes. No bytes at all are
// null, because motan-go answers nil so (motan protocol, section 1.3).
//
// For each byte of b at most 6 bytes are written, with Typed at most 16. With enough room in dst nothing is allocated,
// except for maps of more than a thousand entries, as in AppendJSON. Errors are *JSONError, and then the result is dst
// as it was given.
func (w JSONWriter) AppendValue(dst, b []byte) ([]byte, error) {
	return w.write(dst, b, (*jsonPrinter).document)
}

// AppendValues writes the values that stand one after the other in b as a JSON array, the reverse of AppendJSONArgs. No
// bytes are []. Otherwise it is as AppendValue.
func (w JSONWriter) AppendValues(dst, b []byte) ([]byte, error) {
	return w.write(dst, b, (*jsonPrinter).arguments)
}
