package fastcgi

import (
	"bytes"
	"strconv"
)

// Response is what a script has answered.
type Response struct {
	Status int    // 200 where the script says nothing, 302 where it says only Location
	Reason string // what follows the status, "" for none
	Header []Header
	Body   []byte
}

// Header is a line of the answer's head, without Status. Names are as the script writes them, and are tokens; values
// have no control characters.
type Header struct{ Name, Value []byte }

const (
	defaultStatus  = 200
	redirectStatus = 302
	// maxHeaders bounds the lines of a head: more than any script sets.
	maxHeaders = 1000
)

// parseResponse takes what a script wrote apart (RFC 3875, section 6). The response refers to out.
func parseResponse(out []byte, maxHead int) (*Response, error) {
	r := &Response{}
	for read := 0; ; {
		line, rest, ended := bytes.Cut(out[read:], []byte("\n"))
		next := len(out) - len(rest)
		if next > maxHead || !ended && len(out) > maxHead {
			return nil, malformed("the head of the response takes more than %d bytes", maxHead)
		}
		if !ended {
			return nil, malformed("the head of the response has no end; it begins with %.60q", out)
		}
		line = bytes.TrimSuffix(line, []byte("\r"))
		read = next
		if len(line) == 0 {
			r.Body = rest
			break
		}
		if err := r.addLine(line); err != nil {
			return nil, err
		}
	}
	if r.Status == 0 {
		r.Status = defaultStatus
		if len(r.Get("Location")) > 0 {
			r.Status = redirectStatus
		}
	}
	return r, r.checkLength()
}

// addLine reads a line of the head.
func (r *Response) addLine(line []byte) error {
	name, value, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) {
		return malformed("%.60q is not a line of a head", line)
	}
	value = bytes.Trim(value, " \t")
	if bytes.ContainsFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }) {
		return malformed("the header %.60s has a control character", name)
	}
	if bytes.EqualFold(name, []byte("Status")) {
		return r.setStatus(value)
	}
	if len(r.Header) == maxHeaders {
		return malformed("the head of the response has more than %d lines", maxHeaders)
	}
	r.Header = append(r.Header, Header{name, value})
	return nil
}

func (r *Response) setStatus(value []byte) error {
	digits, reason, _ := bytes.Cut(value, []byte(" "))
	status, err := strconv.ParseUint(string(digits), 10, 16)
	// What begins with 1 is no final answer.
	if err != nil || len(digits) != 3 || status < 200 || status > 599 {
		return malformed("the status %.40q is none from 200 to 599", value)
	}
	if r.Status != 0 {
		return malformed("the head of the response has two statuses")
	}
	r.Status, r.Reason = int(status), string(bytes.Trim(reason, " \t"))
	return nil
}

// checkLength holds the body to the length that the head announces: a difference is a script that was cut off, or two
// readers that would see different ends. An empty body may announce the length that it would have had (HEAD, 304).
func (r *Response) checkLength() error {
	seen := false
	for _, h := range r.Header {
		if !bytes.EqualFold(h.Name, []byte("Content-Length")) {
			continue
		}
		n, err := strconv.ParseUint(string(h.Value), 10, 63)
		if err != nil || seen {
			return malformed("the length of the body is %.40q, not one number", h.Value)
		}
		seen = true
		if len(r.Body) > 0 && n != uint64(len(r.Body)) {
			return malformed("the body has %d bytes, Content-Length says %d", len(r.Body), n)
		}
	}
	return nil
}

// Get returns the value of the first header of that name, whatever its case; nil for none.
func (r *Response) Get(name string) []byte {
	for _, h := range r.Header {
		if bytes.EqualFold(h.Name, []byte(name)) {
			return h.Value
		}
	}
	return nil
}

// isToken tells whether name can be the name of a header (RFC 9110, section 5.6.2).
func isToken(name []byte) bool {
	for _, b := range name {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
		if !letter && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) < 0 {
			return false
		}
	}
	return len(name) > 0
}
