package httpbridge

import (
	"errors"
	"fmt"
	"slices"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

var typeRaw = []byte("application/octet-stream")

// answer writes what the call has ended with.
func (x *exchange) answer(ctx *fasthttp.RequestCtx, h *headers, takes accepted) {
	c := x.call
	head := &ctx.Response.Header
	if x.server.RequestID != nil {
		head.SetBytesV("MOTAN-rid", c.Request.RequestID())
	}
	if len(h.requestID) > 0 {
		head.SetBytesV("X-Request-Id", h.requestID)
	}
	if c.Err == nil {
		x.name = appendAttachments(head, &c.Reply, x.name)
	}
	status, failure, failed := outcome(c)
	if failed {
		if wait := retryAfter(c, status); len(wait) > 0 {
			head.SetBytesV("Retry-After", wait)
		}
		answerError(ctx, status, failure.Code, failure.Type, failure.Message)
		return
	}
	x.server.learned.note(c, x.body)
	if !x.holdReply(ctx) {
		head.SetBytesV("Retry-After", soon)
		answerInvalid(ctx, errCrowded.status, "the call was made, but for its answer of %d bytes there is no room: %s", len(c.Reply.Body()), errCrowded.message)
		return
	}
	text, kind, err := x.value(ctx.Response.SwapBody(nil)[:0], takes)
	ctx.Response.SwapBody(kept(text))
	switch {
	case err != nil:
		answerInvalid(ctx, fasthttp.StatusBadGateway, "%v", err)
		return
	case kind == formNone:
		answerInvalid(ctx, fasthttp.StatusNotAcceptable, "Accept %.100q: the answer is of another kind; ask for application/json", h.accept)
		return
	case kind == formText:
		head.SetContentType("text/plain; charset=utf-8")
		head.Set("X-Content-Type-Options", "nosniff")
	case kind == formRaw:
		head.SetContentTypeBytes(typeRaw)
		head.Set("X-Content-Type-Options", "nosniff")
	default:
		head.SetContentTypeBytes(typeJSON)
	}
	x.server.setBody(ctx, h, text)
}

// holdReply makes room for a reply and the text that is made of it, in place of the request. It is false if there is none.
func (x *exchange) holdReply(ctx *fasthttp.RequestCtx) bool {
	size, conn := len(x.call.Reply.Body()), connOf(ctx)
	if size <= keptBytes && !x.call.Reply.Gzipped() || conn == nil {
		return true
	}
	x.call.Request.SetBody(nil)
	x.body = kept(x.body)
	conn.hold(0)
	s := x.server
	if x.call.Reply.Gzipped() {
		size = s.MaxBodySize
	}
	if conn.awaitRoom(2*int64(size), orDefault(s.WriteTimeout, defaultTransfer)) {
		return true
	}
	s.Stats.invalid(ReasonCrowded)
	return false
}

// connOf is the connection of a request; nil in tests that have none of the server's.
func connOf(ctx *fasthttp.RequestCtx) *serverConn {
	c, _ := ctx.Conn().(*serverConn)
	return c
}

// outcome is the status of a call's end, and the exception that it ended with if it has failed.
func outcome(c *motan.Call) (status int, failure motan.Exception, failed bool) {
	if c.Err != nil {
		return errorStatus(c.Err), c.Err.Exception(), true
	}
	if failure, failed = c.Reply.Exception(); failed {
		return exceptionStatus(failure), failure, true
	}
	return fasthttp.StatusOK, failure, false
}

// value writes the value that the call was answered with behind dst, in a form that the client takes.
func (x *exchange) value(dst []byte, takes accepted) ([]byte, form, error) {
	reply := &x.call.Reply
	if err := reply.Inflate(x.server.MaxBodySize); err != nil {
		return dst, 0, fmt.Errorf("reply: %w", err)
	}
	body := reply.Body()
	if n := reply.Serialization(); len(body) > 0 && n != motan.SerializeSimple {
		return dst, 0, fmt.Errorf("the provider answered in serialization %d; only simple (%d) can be written as JSON", n, motan.SerializeSimple)
	}
	if len(body) > keptBytes {
		dst = slices.Grow(dst, len(body)+len(body)/16+64)
	}
	kind := formJSON
	if takes != anyForm {
		tag, payload, rest := simple.TagNull, body, body
		if len(body) > 0 {
			var err error
			if tag, payload, rest, err = simple.Split(body); err != nil {
				return dst, 0, fmt.Errorf("the reply cannot be read: %w", err)
			}
		}
		if kind = takes.choose(tag); kind != formJSON {
			if kind != formNone && len(rest) > 0 {
				return dst, 0, errors.New("the reply has more than one value")
			}
			return append(dst, payload...), kind, nil
		}
	}
	text, err := simple.AppendJSONValue(dst, body)
	if err != nil {
		return dst, 0, fmt.Errorf("the reply cannot be written as JSON: %w", err)
	}
	return text, kind, nil
}

// setBody makes text the body of the answer, compressed where the client takes that and it is large enough. What is
// large is let go with the answer: the buffer of a connection is kept as long as the connection.
func (s *Server) setBody(ctx *fasthttp.RequestCtx, h *headers, text []byte) {
	if size := s.policy.Load().GzipSize; size > 0 && len(text) >= size {
		ctx.Response.Header.Add("Vary", "Accept-Encoding")
		if takesGzip(h.acceptEncoding) {
			var f motan.Frame
			f.SetBody(text)
			if f.Deflate(1) == nil && len(f.Body()) < len(text) {
				text = f.Body()
				ctx.Response.Header.Set("Content-Encoding", "gzip")
			}
		}
	}
	if cap(text) > keptBytes {
		ctx.Response.SetBodyRaw(text)
		if conn := connOf(ctx); conn != nil {
			conn.hold(int64(cap(text)))
		}
		return
	}
	ctx.Response.SwapBody(text)
}
