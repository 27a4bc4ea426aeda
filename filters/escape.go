package filters

import "unicode/utf8"

// The bytes that need no thought in a column, in a string of JSON, and in the JSON of an
// exception, where motan-go writes HTML's special characters as \uNNNN too.
var (
	columnPlain    = plain(`|\`)
	jsonPlain      = plain(`"\`)
	exceptionPlain = plain(`"\|<>&`)
)

func plain(except string) (table [256]bool) {
	for b := ' '; b < 0x7f; b++ {
		table[b] = true
	}
	for _, b := range []byte(except) {
		table[b] = false
	}
	return table
}

const hex = "0123456789abcdef"

// cut shortens text to at most limit bytes.
func cut[T string | []byte](text T, limit int) T {
	if len(text) > limit {
		return text[:limit]
	}
	return text
}

// appendColumn appends text so that it neither ends a column nor a line: "|", "\", control
// characters, line separators and what is not UTF-8 as \xNN, byte for byte, so that nothing is lost.
func appendColumn[T string | []byte](dst []byte, text T) []byte {
	return appendEscaped(dst, cut(text, maxName))
}

// appendEscaped is appendColumn for text of any length.
func appendEscaped[T string | []byte](dst []byte, text T) []byte {
	from := 0
	for i := plainWords(text); i < len(text); {
		if columnPlain[text[i]] {
			i++
			continue
		}
		r, size := decodeRune(text[i:])
		if printable(r, size) {
			i += size
			continue
		}
		dst = append(dst, text[from:i]...)
		for _, b := range []byte(text[i : i+size]) {
			dst = append(dst, '\\', 'x', hex[b>>4], hex[b&0xf])
		}
		i += size
		from = i
	}
	return append(dst, text[from:]...)
}

// plainWords is how many bytes text begins with that a column takes as they are, in whole words of eight.
func plainWords[T string | []byte](text T) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	at := 0
	for ; at+8 <= len(text); at += 8 {
		w := text[at : at+8]
		word := uint64(w[0]) | uint64(w[1])<<8 | uint64(w[2])<<16 | uint64(w[3])<<24 |
			uint64(w[4])<<32 | uint64(w[5])<<40 | uint64(w[6])<<48 | uint64(w[7])<<56
		// The highest bit of a byte says: it is below the blank, is "|", is "\", is DEL, or is not ASCII. A byte after
		// one that is meant may be taken for one as well, which costs time only.
		odd := word | (word - ones*' ') | ((word ^ ones*'|') - ones) | ((word ^ ones*'\\') - ones) | ((word ^ ones*0x7f) - ones)
		if odd&highs != 0 {
			break
		}
	}
	return at
}

// appendText appends text as a string of JSON, in quotes; what is not UTF-8 becomes U+FFFD.
func appendText[T string | []byte](dst []byte, text T, plain *[256]bool) []byte {
	dst = append(dst, '"')
	from := 0
	for i := 0; i < len(text); {
		if plain[text[i]] {
			i++
			continue
		}
		r, size := decodeRune(text[i:])
		if printable(r, size) {
			i += size
			continue
		}
		dst = append(dst, text[from:i]...)
		switch r {
		case '"', '\\':
			dst = append(dst, '\\', byte(r))
		case '\n':
			dst = append(dst, `\n`...)
		case '\r':
			dst = append(dst, `\r`...)
		case '\t':
			dst = append(dst, `\t`...)
		default:
			dst = append(dst, '\\', 'u', hex[r>>12&0xf], hex[r>>8&0xf], hex[r>>4&0xf], hex[r&0xf])
		}
		i += size
		from = i
	}
	return append(append(dst, text[from:]...), '"')
}

// decodeRune is utf8.DecodeRune for both kinds of text.
func decodeRune[T string | []byte](text T) (rune, int) {
	return utf8.DecodeRuneInString(string(text[:min(len(text), utf8.UTFMax)])) // short: no allocation
}

// printable tells whether a character beyond ASCII can be written as it is: no control
// character (U+0080 to U+009F), no line separator, and UTF-8.
func printable(r rune, size int) bool {
	return r >= 0xa0 && r != 0x2028 && r != 0x2029 && (r != utf8.RuneError || size > 1)
}
