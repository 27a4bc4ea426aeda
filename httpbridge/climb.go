package httpbridge

import "strings"

// mostDecodings is how often a path may be percent-encoded one time over the other. No program decodes more often.
const mostDecodings = 4

// climbs tells whether a path has a segment that leads up, as anybody on the way may read it: percent-encoded, once or several
// times, behind a backslash, with parameters or spaces behind the dots, or with an ASCII character in two bytes. Such a path would
// lead out of what a location, or a place in a rewrite rule, stands for.
func climbs(path string) bool {
	for range mostDecodings {
		if hasDotDot(path) {
			return true
		}
		next := decodeOnce(path)
		if next == path {
			return false
		}
		path = next
	}
	return true
}

func hasDotDot(path string) bool {
	if !strings.Contains(path, "..") {
		return false
	}
	for segment := range strings.FieldsFuncSeq(path, func(r rune) bool { return r == '/' || r == '\\' }) {
		if end := strings.IndexAny(segment, ";\x00"); end >= 0 {
			segment = segment[:end]
		}
		if strings.TrimRight(segment, " \t\r\n") == ".." {
			return true
		}
	}
	return false
}

// decodeOnce undoes one percent-encoding, as far as it is one, and writes ASCII in two bytes (RFC 3629, section 10) in one.
func decodeOnce(path string) string {
	if strings.IndexByte(path, '%') < 0 && strings.IndexByte(path, 0xc0) < 0 && strings.IndexByte(path, 0xc1) < 0 {
		return path
	}
	out := make([]byte, 0, len(path))
	for i := 0; i < len(path); i++ {
		b := path[i]
		switch {
		case b == '%' && i+2 < len(path) && isHex(path[i+1]) && isHex(path[i+2]):
			b = unhex(path[i+1])<<4 | unhex(path[i+2])
			i += 2
		case (b == 0xc0 || b == 0xc1) && i+1 < len(path) && path[i+1]&0xc0 == 0x80:
			b = b<<6 | path[i+1]&0x3f
			i++
		}
		out = append(out, b)
	}
	return string(out)
}
