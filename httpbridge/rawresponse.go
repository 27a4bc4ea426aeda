package httpbridge

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"
)

var errResponseHead = errors.New("its head is malformed")

// readRawResponse takes over the head of a response that came as bytes. It is read line by line, and what is not HTTP by the
// letter is refused: a line that is hidden in a value must not become a header, or a second response, here. Headers of the
// provider's connection and the framing are left out; the server writes its own.
func readRawResponse(r *fasthttp.Response, head []byte) error {
	if len(head) > rawHeadBytes {
		return fmt.Errorf("its head takes more than %d bytes", rawHeadBytes)
	}
	line, rest, err := responseLine(head)
	if err != nil {
		return err
	}
	if err := readStatus(r, line); err != nil {
		return err
	}
	var fields [][2][]byte
	var lists [][]byte
	for {
		if line, rest, err = responseLine(rest); err != nil {
			return err
		}
		if len(line) == 0 {
			break
		}
		name, value, bad := splitField(line)
		if bad != nil || len(fields) == headFields {
			return errResponseHead
		}
		name = fasthttp.AppendNormalizedHeaderKeyBytes(nil, name)
		fields = append(fields, [2][]byte{name, bytes.Trim(value, " \t")})
		if string(name) == "Connection" {
			lists = append(lists, value)
		}
	}
	if len(rest) > 0 {
		return errResponseHead
	}
	setResponseFields(&r.Header, fields, connectionNames(lists))
	return nil
}

func responseLine(b []byte) (line, rest []byte, err error) {
	line, more, bad := cutLine(b)
	if bad != nil || more {
		return nil, nil, errResponseHead
	}
	return line, b[len(line)+2:], nil
}

// readStatus reads the first line. Statuses of 1xx are no answer.
func readStatus(r *fasthttp.Response, line []byte) error {
	version, rest, _ := bytes.Cut(line, []byte(" "))
	code, text, _ := bytes.Cut(rest, []byte(" "))
	status, err := strconv.Atoi(string(code))
	if !bytes.HasPrefix(version, []byte("HTTP/1.")) || err != nil || len(code) != 3 || status < fasthttp.StatusOK || hasControl(text) {
		return errResponseHead
	}
	r.SetStatusCode(status)
	if len(text) > 0 && string(text) != fasthttp.StatusMessage(status) {
		r.Header.SetStatusMessage(text)
	}
	return nil
}

// setResponseFields sets the headers in their order, repeated ones as often as they came.
func setResponseFields(h *fasthttp.ResponseHeader, fields [][2][]byte, connection nameList) {
	h.SetNoDefaultContentType(true)
	for _, field := range fields {
		name, value := field[0], field[1]
		switch {
		case isHopByHop(name) || connection.has(name):
		case string(name) == "Content-Length":
			if n, err := strconv.Atoi(string(value)); err == nil && n >= 0 {
				h.SetContentLength(n) // of HEAD and 304; else the body's own counts
			}
		case string(name) == "Content-Type":
			h.SetContentTypeBytes(value)
		case string(name) == "Server":
			h.SetServerBytes(value)
		default:
			h.AddBytesKV(name, value)
		}
	}
}
