package simple

import (
	"encoding/binary"
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// text reads the JSON string at r.pos and writes it as a length and UTF-8, without a tag.
func (r *jsonReader) text(dst []byte) ([]byte, *JSONError) {
	start := r.pos
	dst = append(dst, 0, 0, 0, 0)
	from := len(dst)
	r.pos++
	for {
		n := plainText(r.src[r.pos:])
		dst = append(dst, r.src[r.pos:r.pos+n]...)
		r.pos += n
		if r.pos == len(r.src) {
			return dst, r.fail(start, "the string has no end")
		}
		switch c := r.src[r.pos]; {
		case c == '"':
			r.pos++
			if !seal(dst, from) {
				return dst, r.fail(start, "%d bytes in one string; the protocol carries %d", len(dst)-from, maxLength)
			}
			return dst, nil
		case c == '\\':
			var err *JSONError
			if dst, err = r.escape(dst); err != nil {
				return dst, err
			}
		case c < ' ':
			return dst, r.fail(r.pos, "control character 0x%02x in a string; write it as \\u%04x", c, c)
		default:
			char, size := utf8.DecodeRune(r.src[r.pos:])
			if char == utf8.RuneError && size == 1 {
				return dst, r.fail(r.pos, "the text is not UTF-8: byte 0x%02x", c)
			}
			dst = append(dst, r.src[r.pos:r.pos+size]...)
			r.pos += size
		}
	}
}

// escape reads the escape at r.pos.
func (r *jsonReader) escape(dst []byte) ([]byte, *JSONError) {
	if r.pos+1 == len(r.src) {
		return dst, r.fail(r.pos, "the string has no end")
	}
	c := r.src[r.pos+1]
	switch c {
	case '"', '\\', '/':
	case 'b':
		c = '\b'
	case 'f':
		c = '\f'
	case 'n':
		c = '\n'
	case 'r':
		c = '\r'
	case 't':
		c = '\t'
	case 'u':
		return r.unicode(dst)
	default:
		return dst, r.fail(r.pos, "%q is not an escape of JSON", r.src[r.pos:r.pos+2])
	}
	r.pos += 2
	return append(dst, c), nil
}

// unicode reads the \u escape at r.pos, or two that are a surrogate pair.
func (r *jsonReader) unicode(dst []byte) ([]byte, *JSONError) {
	char, ok := hex4(r.src[r.pos:])
	if !ok {
		return dst, r.fail(r.pos, "\\u without four hexadecimal digits")
	}
	size := 6
	if utf16.IsSurrogate(char) {
		low, _ := hex4(r.src[r.pos+6:])
		if char = utf16.DecodeRune(char, low); char == utf8.RuneError {
			return dst, r.fail(r.pos, "half of a surrogate pair is not a character")
		}
		size = 12
	}
	r.pos += size
	return utf8.AppendRune(dst, char), nil
}

// hex4 returns the number of the escape that s starts with.
func hex4(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var n rune
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			n = n<<4 | rune(c-'0')
		case c|0x20 >= 'a' && c|0x20 <= 'f':
			n = n<<4 | rune(c|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return n, true
}

// plainText returns how many bytes at the start of s stand for themselves in a JSON string: ASCII, no control character,
// quote or backslash. It looks at eight bytes at once. A byte is marked in its highest bit: it is not ASCII, or
// subtracting makes it borrow. A borrow can mark bytes above it wrongly, never below, and the lowest mark counts.
func plainText(s []byte) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	i := 0
	for ; i+8 <= len(s); i += 8 {
		w := binary.LittleEndian.Uint64(s[i:])
		marks := (w | (w - ones*' ') | (w ^ ones*'"' - ones) | (w ^ ones*'\\' - ones)) & highs
		if marks != 0 {
			return i + bits.TrailingZeros64(marks)/8
		}
	}
	for i < len(s) && s[i] >= ' ' && s[i] < utf8.RuneSelf && s[i] != '"' && s[i] != '\\' {
		i++
	}
	return i
}

// appendJSONText writes s as a JSON string. bad is the index of the first byte that is not UTF-8, or -1.
func appendJSONText(dst, s []byte) (out []byte, bad int) {
	const digits = "0123456789abcdef"
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		n := plainText(s[i:])
		dst = append(dst, s[i:i+n]...)
		if i += n; i == len(s) {
			break
		}
		switch c := s[i]; {
		case c == '"' || c == '\\':
			dst = append(dst, '\\', c)
		case c == '\n':
			dst = append(dst, '\\', 'n')
		case c == '\r':
			dst = append(dst, '\\', 'r')
		case c == '\t':
			dst = append(dst, '\\', 't')
		case c < ' ':
			dst = append(dst, '\\', 'u', '0', '0', digits[c>>4], digits[c&15])
		default:
			char, size := utf8.DecodeRune(s[i:])
			if char == utf8.RuneError && size == 1 {
				return dst, i
			}
			dst = append(dst, s[i:i+size]...)
			i += size - 1
		}
		i++
	}
	return append(dst, '"'), -1
}
