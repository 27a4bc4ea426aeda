package httpbridge

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// serveProxyToRPC answers /proxy_to_rpc as the motan-go agent does (motan protocol, section 7.3 a): the parameters
// service, method, group, arg_type and arg, in the query or a form; one string goes, a string or bytes come back.
// Errors are 400 and 502 with a text, not JSON.
//
// Every header of the request becomes an attachment of its canonical name, and every attachment of the reply a header.
// Other than there, headers of the connection (hop by hop) stay here in both directions, and of the reserved
// keys M_… only those that a caller may set are taken over. Headers that carry a trace have their lower case names, by
// which other agents know them. Requests that web pages make are refused.
func (s *Server) serveProxyToRPC(ctx *fasthttp.RequestCtx) {
	for name, value := range ctx.Request.Header.All() {
		if fromPage(name, value) {
			answerText(ctx, fasthttp.StatusForbidden, "calls from web pages are refused")
			return
		}
	}
	service, method := parameter(ctx, "service"), parameter(ctx, "method")
	if len(service) == 0 || len(method) == 0 {
		answerText(ctx, fasthttp.StatusBadRequest, fmt.Sprintf("service:%s or method:%s musn't be empty", service, method))
		return
	}
	if kind := parameter(ctx, "arg_type"); string(kind) != "string" {
		answerText(ctx, fasthttp.StatusBadRequest, fmt.Sprintf("arg_type %s not support now", kind))
		return
	}
	group := parameter(ctx, "group")
	for _, name := range [][]byte{service, method, group} {
		if len(name) > nameBytes || !isVisible(name) {
			answerText(ctx, fasthttp.StatusBadRequest, fmt.Sprintf("service, method and group take at most %d bytes and no control characters", nameBytes))
			return
		}
	}
	x := s.newExchange()
	f := &x.call.Request
	f.SetBytes("M_g", group)
	f.SetBytes("M_p", service)
	f.SetBytes("M_m", method)
	f.Set("M_pp", "motan2")
	x.takeHeaders(ctx)
	var err error
	if x.body, err = simple.Append(x.body[:0], string(parameter(ctx, "arg"))); err != nil {
		x.release()
		answerText(ctx, fasthttp.StatusBadRequest, "arg: "+err.Error())
		return
	}
	if !x.run() {
		answerText(ctx, fasthttp.StatusBadGateway, fmt.Sprintf("the call has not ended within %v", s.DefaultTimeout))
		return
	}
	x.answerText(ctx)
	x.release()
}

// parameter is a parameter of the query or else of a form (application/x-www-form-urlencoded).
func parameter(ctx *fasthttp.RequestCtx, name string) []byte {
	if value := ctx.QueryArgs().Peek(name); len(value) > 0 {
		return value
	}
	return ctx.PostArgs().Peek(name)
}

// answerText answers with a text and fasthttp's own content type, which is the one captured.
func answerText(ctx *fasthttp.RequestCtx, status int, text string) {
	ctx.SetStatusCode(status)
	ctx.SetBodyString(text)
}

// takeHeaders makes attachments of the request's headers.
func (x *exchange) takeHeaders(ctx *fasthttp.RequestCtx) {
	f := &x.call.Request
	x.call.Remote = remoteIP(ctx.RemoteAddr())
	f.SetInt("Content-Length", int64(len(ctx.Request.Body()))) // there for every request, as captured
	for name, value := range ctx.Request.Header.All() {
		x.name = fasthttp.AppendNormalizedHeaderKeyBytes(x.name[:0], name)
		switch {
		case len(value) == 0 || !isToken(x.name) || !isVisible(value) || isHopByHop(x.name):
		case string(x.name) == "Content-Length":
		case len(x.name) > 2 && string(x.name[:2]) == "M_":
			if key := motanKey(x.name[2:]); key != "" && len(f.Get(key)) == 0 {
				f.SetBytes(key, value)
			}
		case setTrace(f, x.name, value):
		default:
			f.SetBytes(string(x.name), value)
		}
	}
}

// answerText writes what the call has ended with.
func (x *exchange) answerText(ctx *fasthttp.RequestCtx) {
	c := x.call
	if c.Err != nil {
		answerText(ctx, fasthttp.StatusBadGateway, c.Err.Message)
		return
	}
	if e, failed := c.Reply.Exception(); failed {
		answerText(ctx, fasthttp.StatusBadGateway, e.Message)
		return
	}
	text, err := replyText(&c.Reply, x.server.MaxBodySize)
	if err != nil {
		answerText(ctx, fasthttp.StatusBadGateway, "get response body failed: "+err.Error())
		return
	}
	h := &ctx.Response.Header
	pairs, size := 0, 0
	for key, value := range c.Reply.All() {
		pairs++
		size += len(key) + len(value)
		if pairs > shownPairs || size > shownBytes {
			break
		}
		x.name = fasthttp.AppendNormalizedHeaderKeyBytes(x.name[:0], key)
		if !isToken(x.name) || isHopByHop(x.name) || isOwnHeader(x.name) {
			continue
		}
		n := len(x.name)
		x.name = appendVisible(x.name, value)
		h.SetBytesKV(x.name[:n], x.name[n:])
	}
	h.SetContentTypeBytes(typeText)
	ctx.SetBody(text)
}

// isOwnHeader tells whether a header of an answer is written by the server itself. Name is canonical.
func isOwnHeader(name []byte) bool {
	switch string(name) {
	case "Content-Length", "Content-Type", "Date", "Server":
		return true
	}
	return false
}

// replyText is the one string, or the bytes, that a reply consists of.
func replyText(reply *motan.Frame, limit int) ([]byte, error) {
	if err := reply.Inflate(limit); err != nil {
		return nil, err
	}
	body := reply.Body()
	if len(body) == 0 {
		return nil, nil
	}
	if n := reply.Serialization(); n != motan.SerializeSimple {
		return nil, errors.New("serialization " + strconv.Itoa(n) + " is not simple")
	}
	tag, payload, rest, err := simple.Split(body)
	switch {
	case err != nil:
		return nil, err
	case len(rest) > 0:
		return nil, errors.New("more than one value")
	case tag == simple.TagNull:
		return nil, nil
	case tag != simple.TagString && tag != simple.TagBytes:
		return nil, fmt.Errorf("%s is neither a string nor bytes", tag)
	}
	return payload, nil
}
