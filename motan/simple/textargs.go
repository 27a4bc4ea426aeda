package simple

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"unicode/utf8"
)

// AppendTextArgs writes arguments that came as texts, as queries and forms have them, as simple bytes behind dst. Without
// a signature each is a string. Under one, as AppendJSONArgsAs has it, each is read as its type asks: numbers and bools
// as they are written in JSON, bytes as base64, lists and maps as JSON, everything else as a string.
//
// Errors are *JSONError whose Offset is that within the text, and then the result is dst as it was given.
func AppendTextArgs(dst []byte, texts [][]byte, signature []byte) ([]byte, error) {
	rest := bytes.TrimSpace(signature)
	typed := len(rest) > 0
	if string(rest) == "void" {
		rest = nil
	}
	if wanted := countNames(rest); typed && wanted != len(texts) {
		return dst, &JSONError{Path: "$", Msg: fmt.Sprintf("arguments: %d, but the signature %.200q has %d", len(texts), signature, wanted)}
	}
	out := dst
	for i, text := range texts {
		var name []byte
		name, rest, _ = bytes.Cut(rest, []byte(","))
		var err *JSONError
		if out, err = appendTextArg(out, text, parameterOf(bytes.TrimSpace(name))); err != nil {
			return dst, err.inIndex(i).inside("$")
		}
	}
	return out, nil
}

func appendTextArg(dst, text []byte, p parameter) ([]byte, *JSONError) {
	switch p.tag {
	case TagNull, TagString:
		return appendPlain(dst, text)
	case TagBytes:
		out, from := open(dst, TagBytes)
		out, err := strictBase64.AppendDecode(out, text)
		if err != nil || bytes.ContainsAny(text, "\r\n") || !seal(out, from) {
			return dst, &JSONError{Msg: "the text is not standard base64 with padding"}
		}
		return out, nil
	}
	out, err := readJSON(dst, text, func(r *jsonReader, dst []byte) ([]byte, *JSONError) {
		if r.space(); r.pos == len(text) {
			return dst, r.fail(0, "an empty text does not fit %.60s", p.name)
		}
		return r.argument(dst, p)
	})
	if bad, ok := err.(*JSONError); ok { //nolint:errorlint // it is what readJSON returns
		bad.Path = bad.Path[1:] // the $
		return dst, bad
	}
	return out, nil
}

// appendPlain writes text as a string.
func appendPlain(dst, text []byte) ([]byte, *JSONError) {
	switch {
	case !utf8.Valid(text):
		return dst, &JSONError{Msg: "the text is not UTF-8"}
	case len(text) > maxLength:
		return dst, &JSONError{Msg: fmt.Sprintf("%d bytes in one string; the protocol carries %d", len(text), maxLength)}
	}
	dst = binary.BigEndian.AppendUint32(append(dst, byte(TagString)), uint32(len(text)))
	return append(dst, text...), nil
}
