package httpbridge

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// rawHeadBytes bounds the head of a request that is passed through.
const rawHeadBytes = 64 << 10

// transparent passes a whole HTTP request through, the mode of HTTP_PROXY: the arguments are its head and its body
// as bytes, and so are the two elements of the list that comes back (motan protocol, section 7.4, 1).
//
// The head is read and written anew, so that nothing of it reaches the web service which another parser could take for
// a second request: framing is that of the body, headers of the caller's own connection are dropped.
func (x *webExchange) transparent(args []argument) *motan.Error {
	p := x.provider
	if p.proxy == nil {
		return refused(motan.KindUnavailable, motan.CodeUnavailable, "http provider: proxyAddress is not set, so that no HTTP request can be passed on")
	}
	if len(args) != 2 || args[0].tag != simple.TagBytes || args[1].tag != simple.TagBytes {
		return badRequest("the arguments of an HTTP request are its head and its body, both as bytes")
	}
	if err := readHead(x.req, args[0].payload); err != nil {
		return badRequest("%v", err)
	}
	path, failed := x.path(string(x.req.URI().QueryString()))
	switch {
	case failed != nil && errors.Is(failed.Cause, errClimb): // the caller's client is to see the status
		x.resp.SetStatusCode(fasthttp.StatusBadRequest)
		x.resp.Header.SetContentTypeBytes(typeText)
		x.resp.SetBodyString(failed.Message)
		x.setReply(x.rawResponse())
		return nil
	case failed != nil:
		return failed
	}
	x.req.URI().SetScheme(p.settings.ProxySchema)
	x.req.URI().SetPath(path)
	for key, value := range x.call.Request.All() {
		x.setMotanHeader(key, value)
	}
	x.setRequestID()
	x.forwardedFor()
	x.setDefaultType()
	if body := args[1].payload; len(body) > 0 {
		x.req.SetBodyRaw(body)
	}
	if err := x.do(p.proxy); err != nil || x.refusedByStatus() {
		return err
	}
	x.setReply(x.rawResponse())
	return nil
}

// readHead reads the head of an HTTP request, which must be whole, and drops what belongs to the connection that it
// came by.
func readHead(req *fasthttp.Request, head []byte) error {
	if len(head) > rawHeadBytes {
		return fmt.Errorf("the head of the HTTP request takes more than %d bytes", rawHeadBytes)
	}
	if err := req.Header.Read(bufio.NewReaderSize(bytes.NewReader(head), len(head)+1)); err != nil {
		return fmt.Errorf("the head of the HTTP request: %w", err)
	}
	if err := checkVerb(req.Header.Method()); err != nil {
		return err
	}
	if len(req.Header.Host()) == 0 {
		return errors.New("the head of the HTTP request has no Host")
	}
	// Headers that Connection names are of one connection, too (RFC 9110, section 7.6.1).
	var drop [][]byte
	for _, list := range req.Header.PeekAll("Connection") {
		for name := range bytes.SplitSeq(list, []byte(",")) {
			drop = append(drop, bytes.Clone(bytes.TrimSpace(name)))
		}
	}
	for name := range req.Header.All() {
		if isHopByHop(name) || isReserved(name) {
			drop = append(drop, bytes.Clone(name))
		}
	}
	for _, name := range drop {
		if !bytes.EqualFold(name, []byte("Host")) {
			req.Header.DelBytes(name)
		}
	}
	req.Header.Del("Content-Length")
	req.Header.ResetConnectionClose()
	req.Header.SetProtocol("HTTP/1.1")
	req.UseHostHeader = true // as it was sent, and not that of the request line
	// A target with a name and a password would become a header of its own.
	req.URI().SetUsername("")
	req.URI().SetPassword("")
	return nil
}

// rawResponse is the list of head and body that a response is passed on as. The head is written as the motan-go agent
// writes it; its Content-Length is that of the body, also where the web service sent it in chunks.
func (x *webExchange) rawResponse() []byte {
	h := &x.resp.Header
	message := string(h.StatusMessage())
	if message == "" {
		message = fasthttp.StatusMessage(h.StatusCode())
	}
	head := fmt.Appendf(x.scratch[:0], "HTTP/1.1 %d %s\r\n", h.StatusCode(), message)
	for _, name := range []string{"Server", "Date", "Content-Type"} {
		if value := h.Peek(name); len(value) > 0 {
			head = appendHeader(head, []byte(name), value)
		}
	}
	body := x.resp.Body()
	if !x.req.Header.IsHead() && h.StatusCode() != fasthttp.StatusNotModified {
		h.SetContentLength(len(body))
	}
	if value := h.Peek("Content-Length"); len(value) > 0 && h.StatusCode() != fasthttp.StatusNoContent {
		head = appendHeader(head, []byte("Content-Length"), value)
	}
	if value := h.ContentEncoding(); len(value) > 0 {
		head = appendHeader(head, []byte("Content-Encoding"), value)
	}
	for _, cookies := range []bool{false, true} { // those last
		for name, value := range h.All() {
			if !isHopByHop(name) && !isOwnHeader(name) && string(name) != "Content-Encoding" && (string(name) == "Set-Cookie") == cookies {
				head = appendHeader(head, name, value)
			}
		}
	}
	head = append(head, "\r\n"...)
	x.scratch = head
	size := 2*valueBytes + len(head) + len(body)
	list := make([]byte, 0, valueBytes+size)
	list = append(list, byte(simple.TagList))
	list = binary.BigEndian.AppendUint32(list, uint32(size))
	list = appendValue(list, simple.TagBytes, head)
	return appendValue(list, simple.TagBytes, body)
}

func appendHeader(dst, name, value []byte) []byte {
	dst = append(append(dst, name...), ": "...)
	return append(append(dst, value...), "\r\n"...)
}
