package httpbridge

import (
	"bytes"
	"encoding/binary"
	"slices"
)

// Bounds of the head of a request beside headBytes.
const (
	lineBytes  = 8 << 10 // of the request line
	headFields = 256     // headers
	fieldHost  = 261     // the longest name, and a port
)

// head is what the check of a head has found out.
type head struct {
	size     int   // of the head, with the empty line behind it
	length   int64 // of the body
	chunked  bool
	http10   bool
	connect  bool
	absolute []byte // the authority of a target that has one
	host     []byte
	hosts    int
	lengths  int
	codings  int
}

// checkHead reads the head of a request at the start of b by the letter of RFC 9112, and stricter where readers are known to
// differ: what it lets pass has one meaning to all of them. The size is 0 as long as b has only a part of the head and
// nothing in it is wrong.
//
// One empty line before the request is passed over (section 2.2).
func checkHead(b []byte) (h head, err *refusal) {
	at := 0
	if b[0] == '\r' {
		if len(b) == 1 {
			return h, nil
		}
		if b[1] != '\n' {
			return h, errLineEnd
		}
		at = 2
	}
	line, more, err := cutLine(b[at:])
	if err != nil || more {
		if err == nil && len(line) > lineBytes {
			err = errLineSize
		}
		if err == nil && len(line) > 0 && !isMethodByte(line[0]) { // such as TLS, or noise
			err = errMethod
		}
		return h, err
	}
	if err := h.requestLine(line); err != nil {
		return h, err
	}
	at += len(line) + 2
	for fields := 0; ; fields++ {
		line, more, err := cutLine(b[at:])
		if err != nil || more {
			return h, err
		}
		at += len(line) + 2
		if len(line) == 0 {
			break
		}
		if fields == headFields {
			return h, errHeadSize
		}
		if err := h.field(line); err != nil {
			return h, err
		}
	}
	if err := h.whole(); err != nil {
		return h, err
	}
	h.size = at
	return h, nil
}

// cutLine returns the line at the start of b without its end. more is true when b has not all of it.
func cutLine(b []byte) (line []byte, more bool, err *refusal) {
	end := bytes.IndexByte(b, '\n')
	switch {
	case end < 0:
		return b, true, nil
	case end == 0 || b[end-1] != '\r':
		return nil, false, errLineEnd
	}
	return b[:end-1], false, nil
}

// requestLine reads the first line.
func (h *head) requestLine(line []byte) *refusal {
	if len(line) > lineBytes {
		return errLineSize
	}
	space := bytes.IndexByte(line, ' ')
	if len(line) > 0 && !isMethodByte(line[0]) {
		return errMethod
	}
	if space <= 0 {
		return errRequestLine
	}
	method := line[:space]
	for _, b := range method {
		if !isMethodByte(b) {
			return errMethod
		}
	}
	target := line[space+1:]
	if space = bytes.IndexByte(target, ' '); space <= 0 {
		return errRequestLine
	}
	switch version := target[space+1:]; string(version) {
	case "HTTP/1.1":
	case "HTTP/1.0":
		h.http10 = true
	default:
		if bytes.HasPrefix(version, []byte("HTTP/")) && bytes.IndexByte(version, ' ') < 0 {
			return errVersion
		}
		return errRequestLine
	}
	return h.target(string(method), target[:space])
}

// isMethodByte tells whether b may be in a method. Those in lower case are not HTTP's, and not every reader takes them for what
// they are.
func isMethodByte(b byte) bool { return b >= 'A' && b <= 'Z' || b == '-' || b == '_' }

// target reads where the request goes to.
func (h *head) target(method string, target []byte) *refusal {
	for _, b := range target {
		if b <= ' ' || b == 0x7f || b == '#' {
			return errTarget
		}
	}
	if target[0] == '/' {
		if len(target) > 1 && target[1] == '/' || method == "CONNECT" { // two slashes begin a host, to some
			return errTarget
		}
		return nil
	}
	if method == "CONNECT" { // whose Host clients write as they like
		h.connect = true
		if !isAuthority(target) {
			return errTarget
		}
		return nil
	}
	if string(target) == "*" && method == "OPTIONS" {
		return nil
	}
	const scheme = "http://"
	if !hasPrefixFold(target, []byte(scheme)) {
		return errTarget
	}
	rest := target[len(scheme):]
	h.absolute = rest
	if end := bytes.IndexAny(rest, "/?"); end >= 0 {
		h.absolute = rest[:end]
	}
	if len(h.absolute) == 0 {
		return errTarget
	}
	return nil
}

// splitField takes a line that is a header apart.
func splitField(line []byte) (name, value []byte, err *refusal) {
	if line[0] == ' ' || line[0] == '\t' {
		return nil, nil, errFold
	}
	colon := bytes.IndexByte(line, ':')
	if colon <= 0 {
		return nil, nil, errName
	}
	name, value = line[:colon], line[colon+1:]
	for _, b := range name {
		if !tokenBytes[b] {
			return nil, nil, errName
		}
	}
	if !isVisible(value) {
		return nil, nil, errValue
	}
	return name, value, nil
}

// field reads one header.
func (h *head) field(line []byte) *refusal {
	name, value, err := splitField(line)
	if err != nil {
		return err
	}
	switch len(name) {
	case len("Host"):
		if bytes.EqualFold(name, []byte("Host")) {
			h.hosts++
			h.host = bytes.Trim(value, " \t")
		}
	case len("Expect"):
		if bytes.EqualFold(name, []byte("Expect")) && !bytes.EqualFold(bytes.Trim(value, " \t"), []byte("100-continue")) {
			return errExpect
		}
	case len("Content-Length"):
		if bytes.EqualFold(name, []byte("Content-Length")) {
			return h.contentLength(bytes.Trim(value, " \t"))
		}
	case len("Transfer-Encoding"):
		if bytes.EqualFold(name, []byte("Transfer-Encoding")) {
			h.codings++
			h.chunked = bytes.EqualFold(bytes.Trim(value, " \t"), []byte("chunked"))
		}
	}
	return nil
}

// hasControl tells whether b has a byte below the space, or DEL: eight bytes at a time, as most of a head are values.
func hasControl(b []byte) bool {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		low, del := x-ones*' ', (x^ones*0x7f)-ones
		if (low&^x|del&^(x^ones*0x7f))&highs != 0 {
			return true
		}
	}
	return slices.ContainsFunc(b, isControl)
}

// contentLength reads a Content-Length. More than 18 digits could overflow, and no body is that long.
func (h *head) contentLength(value []byte) *refusal {
	h.lengths++
	if len(value) == 0 || len(value) > 18 {
		return errLength
	}
	for _, b := range value {
		if b < '0' || b > '9' {
			return errLength
		}
		h.length = 10*h.length + int64(b-'0')
	}
	return nil
}

// whole checks what no line tells by itself.
func (h *head) whole() *refusal {
	switch {
	case h.lengths > 1:
		return errLength
	case h.codings > 0 && h.lengths > 0:
		return errBothFrames
	case h.connect && (h.length > 0 || h.codings > 0):
		return errTunnelBody
	case h.codings > 1, h.codings == 1 && (!h.chunked || h.http10):
		return errCoding
	case h.hosts > 1:
		return errTwoHosts
	case h.hosts == 0 && !h.http10:
		return errNoHost
	case !isAuthority(h.host) || !isAuthority(h.absolute):
		return errHost
	case h.absolute != nil && h.hosts == 1 && !sameHost(h.absolute, h.host):
		return errOtherHost
	}
	return nil
}

// isAuthority tells whether host can be a name or an address with a port. An empty one is HTTP.
func isAuthority(host []byte) bool {
	for _, b := range host {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
		if !letter && bytes.IndexByte([]byte(".-_:[]%"), b) < 0 {
			return false
		}
	}
	return len(host) <= fieldHost
}

// sameHost compares what names a host, without regard to case and to the port of HTTP.
func sameHost(a, b []byte) bool {
	return bytes.EqualFold(bytes.TrimSuffix(a, []byte(":80")), bytes.TrimSuffix(b, []byte(":80")))
}
