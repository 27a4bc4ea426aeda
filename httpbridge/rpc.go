package httpbridge

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// nameBytes bounds the names of service and method.
const nameBytes = 1024

// serveRPC answers POST /rpc/{service}/{method}; rest is what follows /rpc/, as it was sent.
func (s *Server) serveRPC(ctx *fasthttp.RequestCtx, rest []byte) {
	if !ctx.IsPost() {
		ctx.Response.Header.Set("Allow", "POST")
		answerInvalid(ctx, fasthttp.StatusMethodNotAllowed, "a call is made with POST")
		return
	}
	x := s.newExchange()
	if status, err := x.fill(ctx, rest); err != nil {
		x.release()
		answerInvalid(ctx, status, "%v", err)
		return
	}
	if !x.run() {
		answerInvalid(ctx, fasthttp.StatusGatewayTimeout, "the call has not ended within %v", s.DefaultTimeout)
		return
	}
	x.answer(ctx)
	x.release()
}

// fill makes the call of the request. On an error it returns the HTTP status to answer with.
func (x *exchange) fill(ctx *fasthttp.RequestCtx, rest []byte) (status int, err error) {
	service, method, _ := bytes.Cut(rest, []byte("/"))
	if len(service) == 0 || len(method) == 0 || bytes.IndexByte(method, '/') >= 0 {
		return fasthttp.StatusNotFound, errors.New("the path of a call is /rpc/{service}/{method}; a slash within a name is written %2F")
	}
	f := &x.call.Request
	if err := x.setName(f, "M_p", service); err != nil {
		return fasthttp.StatusBadRequest, fmt.Errorf("service: %w", err)
	}
	if err := x.setName(f, "M_m", method); err != nil {
		return fasthttp.StatusBadRequest, fmt.Errorf("method: %w", err)
	}
	f.Set("M_pp", "motan2")
	h := &ctx.Request.Header
	if kind := h.ContentType(); len(kind) > 0 && !isJSON(kind) && !isDefaultForm(kind, ctx.Request.Body()) {
		return fasthttp.StatusUnsupportedMediaType, fmt.Errorf(
			"the body must be JSON: send Content-Type: application/json, text/json or another that ends in +json, not %.100q", kind)
	}
	for name, value := range h.All() {
		if fromPage(name, value) {
			return fasthttp.StatusForbidden, errors.New("calls from web pages, ours and those of other sites, are refused")
		}
		if err := setMetadata(f, name, value); err != nil {
			status := fasthttp.StatusBadRequest
			if errors.Is(err, errEncoded) {
				status = fasthttp.StatusUnsupportedMediaType
			}
			return status, err
		}
	}
	if x.server.RequestID != nil && f.RequestID() == nil {
		f.SetInt("M_rid", x.server.RequestID())
	}
	x.call.Remote = remoteIP(ctx.RemoteAddr())
	x.body, err = simple.AppendJSONArgs(x.body[:0], ctx.Request.Body())
	if err != nil {
		return fasthttp.StatusBadRequest, fmt.Errorf("arguments: %w", err)
	}
	if limit := x.server.MaxBodySize; len(x.body) > limit {
		return fasthttp.StatusRequestEntityTooLarge, fmt.Errorf("the arguments take %d bytes in Motan's serialization, %d are allowed", len(x.body), limit)
	}
	return 0, nil
}

// setName sets a key to a segment of the path with its percent escapes decoded.
func (x *exchange) setName(f *motan.Frame, key string, segment []byte) error {
	if len(segment) > nameBytes {
		return fmt.Errorf("the name takes more than %d bytes", nameBytes)
	}
	name := x.name[:0]
	for i := 0; i < len(segment); i++ {
		b := segment[i]
		if b == '%' {
			if i+2 >= len(segment) || !isHex(segment[i+1]) || !isHex(segment[i+2]) {
				return errors.New("a % must be followed by two hexadecimal digits")
			}
			b = unhex(segment[i+1])<<4 | unhex(segment[i+2])
			i += 2
		}
		if isControl(b) {
			return errors.New("control characters are not allowed in a name")
		}
		name = append(name, b)
	}
	x.name = name
	if !utf8.Valid(name) {
		return errors.New("the name is not UTF-8")
	}
	f.SetBytes(key, name)
	return nil
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'f'
}

func unhex(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b | 0x20 - 'a' + 10
}

// isControl tells whether b is an ASCII control character.
func isControl(b byte) bool { return b < 0x20 || b == 0x7f }

// isJSON tells whether a Content-Type is one of JSON.
func isJSON(contentType []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	media = bytes.TrimSpace(media)
	return bytes.EqualFold(media, typeJSON) || bytes.EqualFold(media, []byte("text/json")) ||
		len(media) > 5 && bytes.EqualFold(media[len(media)-5:], []byte("+json"))
}

// isDefaultForm tells whether a body that is called a form is JSON nevertheless: curl -d and PHP's streams say so unless
// they are told otherwise. A form never begins like a JSON array, object or string.
func isDefaultForm(contentType, body []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	if !bytes.EqualFold(bytes.TrimSpace(media), []byte("application/x-www-form-urlencoded")) {
		return false
	}
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) == 0 || bytes.IndexByte([]byte("[{\""), body[0]) >= 0
}

// fromPage tells whether a header says that a web page makes the request. Browsers say so for every request that a page
// could make without being asked for permission; the page's own idea of the host proves nothing, as its name may be
// made to mean this host.
func fromPage(name, value []byte) bool {
	if bytes.EqualFold(name, []byte("Sec-Fetch-Site")) {
		return string(value) != "none"
	}
	return bytes.EqualFold(name, []byte("Origin"))
}

// remoteIP is the IP of a client, empty if it came by a unix socket.
func remoteIP(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	if ip := tcp.IP.To4(); ip != nil && [4]byte(ip) == [4]byte{127, 0, 0, 1} {
		return "127.0.0.1" // nearly all clients, without an allocation
	}
	return tcp.IP.String()
}

// answer writes what the call has ended with.
func (x *exchange) answer(ctx *fasthttp.RequestCtx) {
	c := x.call
	if x.server.RequestID != nil {
		ctx.Response.Header.SetBytesV("MOTAN-rid", c.Request.RequestID())
	}
	if c.Err != nil {
		e := c.Err.Exception()
		answerError(ctx, errorStatus(c.Err), e.Code, e.Type, e.Message)
		return
	}
	x.name = appendAttachments(&ctx.Response.Header, &c.Reply, x.name)
	if e, failed := c.Reply.Exception(); failed {
		answerError(ctx, exceptionStatus(e), e.Code, e.Type, e.Message)
		return
	}
	if err := c.Reply.Inflate(x.server.MaxBodySize); err != nil {
		answerInvalid(ctx, fasthttp.StatusBadGateway, "reply: %v", err)
		return
	}
	body := c.Reply.Body()
	if n := c.Reply.Serialization(); len(body) > 0 && n != motan.SerializeSimple {
		answerInvalid(ctx, fasthttp.StatusBadGateway,
			"the provider answered in serialization %d; only simple (%d) can be written as JSON", n, motan.SerializeSimple)
		return
	}
	text, err := simple.AppendJSONValue(ctx.Response.SwapBody(nil)[:0], body)
	if err != nil {
		ctx.Response.SwapBody(text)
		answerInvalid(ctx, fasthttp.StatusBadGateway, "the reply cannot be written as JSON: %v", err)
		return
	}
	ctx.Response.SwapBody(text)
	ctx.Response.Header.SetContentTypeBytes(typeJSON)
}
