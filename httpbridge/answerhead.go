package httpbridge

import (
	"bytes"
	"fmt"
)

// answerFault says why the head of a web service's answer is refused.
type answerFault struct{ msg string }

func (e *answerFault) Error() string { return e.msg }

func badAnswer(format string, args ...any) error { return &answerFault{fmt.Sprintf(format, args...)} }

// answerHead follows the bytes of an answer to the end of its head and refuses what readers are known to understand in
// different ways: the rest is parsed by fasthttp, which is more generous, and is written anew for the caller.
type answerHead struct {
	part    []byte // of a line that has not ended yet
	first   bool   // the status line has been read
	interim bool   // this head is that of a 1xx, another follows
	length  bool   // there is a Content-Length
	coding  bool   // there is a Transfer-Encoding
	done    bool
}

// begin makes h ready for the answer to another request.
func (h *answerHead) begin() { *h = answerHead{part: h.part[:0]} }

// read takes what has come of the answer. Its error is an *answerFault.
func (h *answerHead) read(b []byte) error {
	for !h.done && len(b) > 0 {
		line, rest, ended := bytes.Cut(b, []byte("\n"))
		whole := line
		if len(h.part) > 0 || !ended {
			h.part = append(h.part, line...)
			whole = h.part
		}
		switch {
		case !h.first && !bytes.HasPrefix(whole, []byte("HTTP/")[:min(len(whole), len("HTTP/"))]):
			return badAnswer("it begins with %.40q, not with HTTP/1.1", whole)
		case len(whole) > headBytes:
			return badAnswer("a line of its head takes more than %d bytes", headBytes)
		case !ended:
			return nil
		case len(whole) == 0 || whole[len(whole)-1] != '\r':
			return badAnswer("a line of its head ends with a line feed alone: %.60q", whole)
		}
		if err := h.line(whole[:len(whole)-1]); err != nil {
			return err
		}
		h.part = h.part[:0]
		b = rest
	}
	return nil
}

// line takes a line without its end.
func (h *answerHead) line(line []byte) error {
	switch {
	case !isVisible(line):
		return badAnswer("its head has a control character: %.60q", line)
	case !h.first:
		return h.status(line)
	case len(line) == 0:
		if h.length && h.coding {
			return badAnswer("it has Content-Length and Transfer-Encoding")
		}
		if h.interim {
			h.first, h.interim, h.length, h.coding = false, false, false, false
			return nil
		}
		h.done = true
		return nil
	case line[0] == ' ' || line[0] == '\t':
		return badAnswer("its head has a folded line: %.60q", line)
	}
	name, _, ok := bytes.Cut(line, []byte(":"))
	if !ok || !isToken(name) {
		return badAnswer("%.60q is not a line of a head", line)
	}
	seen := (*bool)(nil)
	switch {
	case bytes.EqualFold(name, []byte("Content-Length")):
		seen = &h.length
	case bytes.EqualFold(name, []byte("Transfer-Encoding")):
		seen = &h.coding
	default:
		return nil
	}
	if *seen {
		return badAnswer("it has %s twice", name)
	}
	*seen = true
	return nil
}

// status takes the first line.
func (h *answerHead) status(line []byte) error {
	const digits = len("HTTP/1.1 ")
	if len(line) < digits+3 || string(line[:7]) != "HTTP/1." || line[7] != '0' && line[7] != '1' || line[8] != ' ' ||
		len(line) > digits+3 && line[digits+3] != ' ' {
		return badAnswer("%.40q is not the first line of an answer", line)
	}
	for _, b := range line[digits : digits+3] {
		if b < '0' || b > '9' {
			return badAnswer("%.40q has no status", line)
		}
	}
	class := line[digits]
	if class < '1' || class > '5' {
		return badAnswer("its status is none from 100 to 599: %.40q", line)
	}
	if string(line[digits:digits+3]) == "101" {
		return badAnswer("it changes the protocol, which nobody asked for")
	}
	h.first, h.interim = true, class == '1'
	return nil
}
