package registry

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// TextForm is how the text of a registry node is stored (motan protocol, section 5.2).
type TextForm string

const (
	// TextJava is a serialized Java string, which every reader understands; it is what "" means.
	TextJava TextForm = "java"
	// TextPlain is UTF-8, which Motan Java with registry protocol "zookeeper" cannot read.
	TextPlain TextForm = "plain"
)

// What java.io.ObjectOutputStream writes before a string: a magic number and version, then the kind.
const (
	javaMagic      = "\xac\xed\x00\x05"
	javaNull       = 0x70
	javaString     = 0x74 // u16 length
	javaLongString = 0x7c // u64 length
)

// Check reports whether f is a form that exists.
func (f TextForm) Check() error {
	switch f {
	case "", TextJava, TextPlain:
		return nil
	}
	return fmt.Errorf("registry: text form %q: use %q or %q", f, TextJava, TextPlain)
}

// Encode returns text as it is stored.
func (f TextForm) Encode(text string) []byte {
	if f == TextPlain {
		return []byte(text)
	}
	body := appendModifiedUTF8(nil, text)
	out := append(make([]byte, 0, len(javaMagic)+9+len(body)), javaMagic...)
	if len(body) <= 0xffff {
		out = binary.BigEndian.AppendUint16(append(out, javaString), uint16(len(body)))
	} else {
		out = binary.BigEndian.AppendUint64(append(out, javaLongString), uint64(len(body)))
	}
	return append(out, body...)
}

// DecodeText returns the text of a registry node, whichever form it is stored in; a serialized null is empty text.
func DecodeText(data []byte) (string, error) {
	return decodeText(string(data))
}

func decodeText(s string) (string, error) {
	rest, ok := strings.CutPrefix(s, javaMagic)
	if !ok {
		return s, nil
	}
	if rest == "" {
		return "", errors.New("registry: read Java string: cut off after the magic number")
	}
	kind, rest := rest[0], rest[1:]
	var size uint64
	switch {
	case kind == javaNull:
		return "", nil
	case kind == javaString && len(rest) >= 2:
		size, rest = uint64(binary.BigEndian.Uint16([]byte(rest[:2]))), rest[2:]
	case kind == javaLongString && len(rest) >= 8:
		size, rest = binary.BigEndian.Uint64([]byte(rest[:8])), rest[8:]
	default:
		return "", fmt.Errorf("registry: read Java object: type %#02x is not a whole string", kind)
	}
	if size > uint64(len(rest)) {
		return "", fmt.Errorf("registry: read Java string: %d bytes announced, %d there", size, len(rest))
	}
	return fromModifiedUTF8(rest[:size]), nil
}

// appendModifiedUTF8 writes s as Java does: NUL as C0 80, and what is beyond U+FFFF as two surrogates of 3 bytes each.
func appendModifiedUTF8(dst []byte, s string) []byte {
	for _, r := range s {
		switch {
		case r == 0:
			dst = append(dst, 0xc0, 0x80)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			dst = appendSurrogate(appendSurrogate(dst, high), low)
		default:
			dst = utf8.AppendRune(dst, r)
		}
	}
	return dst
}

func appendSurrogate(dst []byte, r rune) []byte {
	return append(dst, 0xe0|byte(r>>12), 0x80|byte(r>>6)&0x3f, 0x80|byte(r)&0x3f)
}

// fromModifiedUTF8 undoes appendModifiedUTF8. Lone surrogates and other invalid bytes are left for the reader of the text
// to refuse.
func fromModifiedUTF8(s string) string {
	if utf8.ValidString(s) { // neither C0 80 nor a surrogate is
		return s
	}
	out := make([]byte, 0, len(s))
	for i := 0; i < len(s); {
		if strings.HasPrefix(s[i:], "\xc0\x80") {
			out = append(out, 0)
			i += 2
			continue
		}
		if high, ok := surrogateAt(s, i); ok {
			if low, ok := surrogateAt(s, i+3); ok {
				if r := utf16.DecodeRune(high, low); r != utf8.RuneError {
					out = utf8.AppendRune(out, r)
					i += 6
					continue
				}
			}
		}
		out = append(out, s[i])
		i++
	}
	return string(out)
}

func surrogateAt(s string, i int) (rune, bool) {
	if i+3 > len(s) || s[i] != 0xed || s[i+1]&0xe0 != 0xa0 || s[i+2]&0xc0 != 0x80 {
		return 0, false
	}
	return 0xd000 | rune(s[i+1]&0x3f)<<6 | rune(s[i+2]&0x3f), true
}
