package simple

import "bytes"

// parameter is what a signature says of an argument.
type parameter struct {
	name  []byte // as it was written, for messages
	tag   Tag    // the type; TagNull leaves it to the JSON
	null  bool   // null is allowed
	signs bool   // of a byte: it is Java's, with a sign
}

// AppendJSONArgsAs is AppendJSONArgs for a method whose parameters have the types of signature, as Motan Java writes them
// in M_md: names with commas between, none or "void" for no parameter.
//
//	boolean, byte, short, int, long, float, double     the number or bool as 05, 06, 07, 08, 09, 0A, 0B
//	java.lang.Boolean … java.lang.Double               the same, or null
//	java.lang.String                                   a string, or null
//	byte[]                                             base64 in a string, {"$bytes":…}, or null
//	java.lang.String[]                                 an array of strings as 04, or null
//	java.util.List, Collection, Set, …List, …Set, x[]  an array, or null
//	java.util.Map, …Map                                an object, or null
//	every other name                                   as AppendJSON has it
//	bool, int16, int32, int64, float32, float64, string, bytes   the types of this package by name; none is null
//
// A byte may be written with Java's sign or without. {"$type":…} is allowed everywhere and must name the same type. An
// argument that does not fit, and a number of arguments that is not the signature's, are errors: peers in Java
// take no other type than the one declared.
func AppendJSONArgsAs(dst, src, signature []byte) ([]byte, error) {
	return readJSON(dst, src, func(r *jsonReader, dst []byte) ([]byte, *JSONError) { return r.argsAs(dst, signature) })
}

func (r *jsonReader) argsAs(dst, signature []byte) ([]byte, *JSONError) {
	rest := bytes.TrimSpace(signature)
	if string(rest) == "void" {
		rest = nil
	}
	wanted := countNames(rest)
	r.space()
	if r.pos == len(r.src) {
		if wanted > 0 {
			return dst, r.counted(0, wanted, signature)
		}
		return dst, nil
	}
	list := r.at('[')
	more := true
	var err *JSONError
	if list {
		more, err = r.first(']')
	}
	n := 0
	for ; more; n++ {
		if n == wanted {
			return dst, r.counted(n+1, wanted, signature)
		}
		var name []byte
		name, rest, _ = bytes.Cut(rest, []byte(","))
		if dst, err = r.argument(dst, parameterOf(bytes.TrimSpace(name))); err != nil {
			if list {
				err = err.inIndex(n)
			}
			return dst, err
		}
		if !list {
			more = false
		} else if more, err = r.next(']'); err != nil {
			return dst, err
		}
	}
	if err == nil && n != wanted {
		err = r.counted(n, wanted, signature)
	}
	return dst, err
}

// countNames returns how many names stand in a signature that is not void.
func countNames(names []byte) int {
	if len(names) == 0 {
		return 0
	}
	return 1 + bytes.Count(names, []byte(","))
}

// counted says that there are n arguments, or more if n is more than wanted.
func (r *jsonReader) counted(n, wanted int, signature []byte) *JSONError {
	if n > wanted {
		return r.fail(r.pos, "more arguments than the %d of the signature %.200q; an only argument that is a list is written [[…]]", wanted, signature)
	}
	return r.fail(r.pos, "arguments: %d, but the signature %.200q has %d", n, signature, wanted)
}

// argument reads the value at r.pos as the type of p.
func (r *jsonReader) argument(dst []byte, p parameter) ([]byte, *JSONError) {
	at, from := r.pos, len(dst)
	var err *JSONError
	switch {
	case p.tag == TagNull:
		return r.value(dst, 0)
	case r.at('n'):
		if !p.null {
			return dst, r.fail(at, "null does not fit %.60s", p.name)
		}
		return r.value(dst, 0)
	case r.atNumber() && (p.tag == TagFloat32 || p.tag == TagFloat64):
		dst, err = r.float(dst, p.tag)
	case r.atNumber() && p.signs && r.at('-'):
		return r.signedByte(dst, p)
	case r.atNumber() && p.tag >= TagByte && p.tag <= TagInt64:
		dst, err = r.integer(dst, p.tag)
	case r.at('"') && p.tag == TagBytes:
		return r.base64(dst)
	default:
		if dst, err = r.value(dst, 0); err != nil {
			return dst, err
		}
		if empty := len(dst)-from == 5; p.tag == TagStrings && Tag(dst[from]) == TagList && empty {
			dst[from] = byte(TagStrings)
		}
		if !p.takes(Tag(dst[from])) {
			return dst, r.fail(at, "the value does not fit %.60s", p.name)
		}
		return dst, nil
	}
	if err != nil && err.Offset == at {
		err.Msg = "the number does not fit " + string(cut(p.name, 60))
	}
	return dst, err
}

// signedByte reads a negative number as a byte.
func (r *jsonReader) signedByte(dst []byte, p parameter) ([]byte, *JSONError) {
	at := r.pos
	text, whole, err := r.literal()
	if err != nil {
		return dst, err
	}
	n, ok := parseInt(text)
	if !whole || !ok || n != int64(int8(n)) {
		return dst, r.fail(at, "the number does not fit %.60s", p.name)
	}
	return append(dst, byte(TagByte), byte(n)), nil
}

// takes tells whether a value that was written with the tag fits.
func (p parameter) takes(tag Tag) bool {
	switch p.tag {
	case TagList:
		return tag == TagList || tag == TagStrings
	case TagMap:
		return tag == TagMap || tag == TagStringMap
	}
	return tag == p.tag
}

// parameterOf reads a name of a signature.
func parameterOf(name []byte) parameter {
	p := parameter{name: name}
	short, boxed := bytes.CutPrefix(name, []byte("java.lang."))
	switch string(short) {
	case "Boolean", "Byte", "Short", "Integer", "Long", "Float", "Double", "String", "String[]":
		p.null = true
	default:
		if boxed {
			return p
		}
	}
	switch string(short) {
	case "boolean", "Boolean", "bool":
		p.tag = TagBool
	case "byte", "Byte":
		p.tag, p.signs = TagByte, true
	case "short", "Short", "int16":
		p.tag = TagInt16
	case "int", "Integer", "int32":
		p.tag = TagInt32
	case "long", "Long", "int64":
		p.tag = TagInt64
	case "float", "Float", "float32":
		p.tag = TagFloat32
	case "double", "Double", "float64":
		p.tag = TagFloat64
	case "String", "string":
		p.tag = TagString
	case "bytes":
		p.tag = TagBytes
	case "byte[]", "[B":
		p.tag, p.null = TagBytes, true
	case "String[]", "[Ljava.lang.String;":
		p.tag, p.null = TagStrings, true
	default:
		p.container()
	}
	return p
}

// container tells lists and maps by their names.
func (p *parameter) container() {
	collection := bytes.HasPrefix(p.name, []byte("java.util."))
	switch {
	case bytes.HasSuffix(p.name, []byte("[]")),
		collection && (bytes.HasSuffix(p.name, []byte("List")) || bytes.HasSuffix(p.name, []byte("Set")) || bytes.HasSuffix(p.name, []byte("Collection"))):
		p.tag, p.null = TagList, true
	case collection && bytes.HasSuffix(p.name, []byte("Map")):
		p.tag, p.null = TagMap, true
	}
}
