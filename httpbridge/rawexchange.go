package httpbridge

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// serveDomain makes a call of a request to host, which belongs to d: the raw exchange of HTTP over Motan (motan protocol, section 7.3 b). The method
// is the path, the arguments are the head and the body as bytes, and so are the two elements of the list that comes back.
//
// It returns false, with nothing answered, when no location matches or nobody serves the location's service.
func (s *Server) serveDomain(ctx *fasthttp.RequestCtx, d *Domain, host []byte) bool {
	path := ctx.URI().Path()
	service, ok := d.Locations.Pick(string(path))
	if !ok {
		return false
	}
	if !isVisible(path) || bytes.IndexByte(path, '\t') >= 0 || climbs(string(path)) {
		s.Stats.invalid(ReasonTarget)
		answerInvalid(ctx, fasthttp.StatusBadRequest, "the path has a control character, or leads up with .. in one way or another")
		return true
	}
	x := s.newExchange()
	f := &x.call.Request
	f.Set("HTTP_PROXY", "true")
	f.Set("M_p", service)
	f.SetBytes("M_m", path)
	f.Set("M_g", d.Group)
	f.Set("M_pp", "motan2")
	f.Set("M_s", d.Application)
	if s.RequestID != nil {
		f.SetInt("M_rid", s.RequestID())
	}
	x.call.Remote = remoteIP(ctx.RemoteAddr())
	body := ctx.Request.Body()
	x.name = appendRawHead(x.name[:0], ctx, host, len(body))
	x.body = appendValue(x.body[:0], simple.TagBytes, x.name)
	x.body = appendValue(x.body, simple.TagBytes, body)
	if !x.runBy(d.Handler) {
		answerRaw(ctx, fasthttp.StatusBadGateway, fmt.Sprintf("the call has not ended within %v", s.DefaultTimeout))
		return true
	}
	served := x.answerRawExchange(ctx)
	if !x.lent {
		x.release()
	}
	return served
}

// appendRawHead appends the head of the request as the motan-go agent sends it: the target without scheme and host, names in
// canonical case, the cookies last. Headers of the client's own connection stay here (RFC 9110, section 7.6.1).
func appendRawHead(dst []byte, ctx *fasthttp.RequestCtx, host []byte, bodyBytes int) []byte {
	h := &ctx.Request.Header
	dst = append(append(dst, h.Method()...), ' ')
	dst = append(append(dst, ctx.URI().RequestURI()...), " HTTP/1.1\r\n"...)
	if agent := h.UserAgent(); len(agent) > 0 {
		dst = appendHeader(dst, []byte("User-Agent"), agent)
	}
	dst = appendHeader(dst, []byte("Host"), host)
	if kind := h.ContentType(); len(kind) > 0 {
		dst = appendHeader(dst, []byte("Content-Type"), kind)
	}
	if bodyBytes > 0 || h.ContentLength() == 0 && !h.IsGet() && !h.IsHead() {
		dst = append(strconv.AppendInt(append(dst, "Content-Length: "...), int64(bodyBytes), 10), "\r\n"...)
	}
	var name [64]byte
	named := connectionNames(h.PeekAll("Connection"))
	for key, value := range h.All() {
		canonical := fasthttp.AppendNormalizedHeaderKeyBytes(name[:0], key)
		switch string(canonical) {
		case "User-Agent", "Host", "Content-Type", "Content-Length", "Cookie":
			continue
		}
		if !isHopByHop(canonical) && !named.has(canonical) {
			dst = appendHeader(dst, canonical, value)
		}
	}
	if cookies := h.Peek("Cookie"); len(cookies) > 0 {
		dst = appendHeader(dst, []byte("Cookie"), cookies)
	}
	return append(dst, "\r\n"...)
}

// nameList is the names in the lists of Connection headers: those headers belong to the connection, too.
type nameList [][]byte

func connectionNames(lists [][]byte) nameList {
	var names nameList
	for _, list := range lists {
		for name := range bytes.SplitSeq(list, []byte(",")) {
			if name = bytes.TrimSpace(name); len(name) > 0 && !bytes.EqualFold(name, []byte("Host")) {
				names = append(names, name)
			}
		}
	}
	return names
}

func (l nameList) has(name []byte) bool {
	for _, x := range l {
		if bytes.EqualFold(x, name) {
			return true
		}
	}
	return false
}

// answerRaw answers with an error as the motan-go agent does.
func answerRaw(ctx *fasthttp.RequestCtx, status int, message string) {
	ctx.Response.Reset()
	ctx.Response.Header.DisableNormalizing()
	ctx.Response.Header.SetServer("motan")
	ctx.SetStatusCode(status)
	ctx.SetBodyString("err_msg: " + message)
}

// answerRawExchange writes the response that the call has brought. It returns false when nobody serves the service.
func (x *exchange) answerRawExchange(ctx *fasthttp.RequestCtx) bool {
	c := x.call
	switch {
	case c.Unreached():
		return false
	case c.Err != nil && c.Err.Kind == motan.KindOversize:
		answerRaw(ctx, fasthttp.StatusRequestEntityTooLarge, c.Err.Message)
		return true
	case c.Err != nil:
		answerRaw(ctx, fasthttp.StatusBadGateway, c.Err.Message)
		return true
	}
	if e, failed := c.Reply.Exception(); failed {
		answerRaw(ctx, fasthttp.StatusBadGateway, e.Message)
		return true
	}
	switch err := x.writeRawResponse(ctx); {
	case errors.Is(err, errNoRoom):
		answerRaw(ctx, fasthttp.StatusServiceUnavailable, "the provider's response "+err.Error())
		ctx.Response.Header.SetBytesV("Retry-After", soon)
	case err != nil:
		answerRaw(ctx, fasthttp.StatusBadGateway, "the provider's response: "+err.Error())
	}
	return true
}

// errNoRoom is why a response is not handed on that has come.
var errNoRoom = errors.New("is there, but there is no room for it (httpMaxBytesInFlight)")

// holdResponse has the connection hold what is there of the exchange: the client's body, which is not given back before the end, and
// the reply. The copy of the request is let go.
func (x *exchange) holdResponse(ctx *fasthttp.RequestCtx) error {
	size, conn := len(x.call.Reply.Body()), connOf(ctx)
	if x.call.Reply.Gzipped() {
		size = x.server.MaxBodySize
	}
	if size <= keptBytes || conn == nil {
		return nil
	}
	x.call.Request.SetBody(nil)
	x.body = kept(x.body)
	if conn.awaitRoom(int64(len(ctx.Request.Body())+size), orDefault(x.server.WriteTimeout, defaultTransfer)) {
		return nil
	}
	x.server.Stats.invalid(ReasonCrowded)
	return errNoRoom
}

// lentBody is the body of a response that is written from the reply itself. The exchange is released behind it.
type lentBody struct {
	bytes.Reader
	exchange *exchange
}

// Close releases the exchange.
func (b *lentBody) Close() error {
	b.exchange.lent = false
	b.exchange.release()
	return nil
}

var errNoResponse = errors.New("is not the head and the body of an HTTP response, as bytes")

// writeRawResponse answers with the two elements of the reply.
func (x *exchange) writeRawResponse(ctx *fasthttp.RequestCtx) error {
	reply := &x.call.Reply
	if err := x.holdResponse(ctx); err != nil {
		return err
	}
	if err := reply.Inflate(x.server.MaxBodySize + headBytes); err != nil {
		return err
	}
	if n := reply.Serialization(); n != motan.SerializeSimple {
		return fmt.Errorf("is in serialization %d", n)
	}
	tag, list, rest, err := simple.Split(reply.Body())
	if err != nil || tag != simple.TagList || len(rest) > 0 {
		return errNoResponse
	}
	head, list, err := rawPart(list)
	if err != nil {
		return err
	}
	body, list, err := rawPart(list)
	if err != nil || len(list) > 0 {
		return errNoResponse
	}
	if len(head) > 0 {
		if err := readRawResponse(&ctx.Response, head); err != nil {
			return err
		}
	}
	if ctx.Response.StatusCode() == fasthttp.StatusResetContent { // has none, and some readers look for none
		body = nil
	}
	if status := ctx.Response.StatusCode(); status != fasthttp.StatusNoContent && status != fasthttp.StatusNotModified && !ctx.IsHead() {
		ctx.Response.Header.SetContentLength(len(body))
		if len(body) > keptBytes {
			lent := &lentBody{exchange: x}
			lent.Reset(body)
			x.lent = true
			ctx.Response.SetBodyStream(lent, len(body))
			return nil
		}
		ctx.Response.SwapBody(append(ctx.Response.SwapBody(nil)[:0], body...))
	}
	return nil
}

// rawPart takes bytes, or null, which counts as none, from the start of a list.
func rawPart(list []byte) (part, rest []byte, err error) {
	tag, payload, rest, err := simple.Split(list)
	if err != nil || tag != simple.TagBytes && tag != simple.TagNull {
		return nil, nil, errNoResponse
	}
	return payload, rest, nil
}
