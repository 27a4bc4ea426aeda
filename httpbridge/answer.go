package httpbridge

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

var (
	typeJSON = []byte("application/json")
	typeText = []byte("text/plain")
)

// answerError answers with {"errcode":400,"errmsg":"…","errtype":1} and a newline, the form of M_e (motan
// protocol, section 1.5), so that an HTTP client and a Motan client read the same.
func answerError(ctx *fasthttp.RequestCtx, status, code, typ int, message string) {
	ctx.SetStatusCode(status)
	ctx.Response.Header.SetContentTypeBytes(typeJSON)
	ctx.Response.SwapBody(appendError(ctx.Response.SwapBody(nil)[:0], code, typ, message))
}

// answerInvalid answers that the request is wrong. The error code is the status.
func answerInvalid(ctx *fasthttp.RequestCtx, status int, format string, args ...any) {
	answerError(ctx, status, status, motan.TypeService, fmt.Sprintf(format, args...))
}

func appendError(dst []byte, code, typ int, message string) []byte {
	return append(motan.Exception{Code: code, Type: typ, Message: message}.AppendJSON(dst), '\n')
}

// refuse answers a request that could not be read. The connection is closed behind it.
func (s *Server) refuse(ctx *fasthttp.RequestCtx, err error) {
	s.Stats.Invalid.Add(1)
	var small *fasthttp.ErrSmallBuffer
	var timeout net.Error
	switch {
	case errors.As(err, &small):
		answerInvalid(ctx, fasthttp.StatusRequestHeaderFieldsTooLarge,
			"the request line and headers take more than %d bytes", headBytes)
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		answerInvalid(ctx, fasthttp.StatusRequestEntityTooLarge, "the body takes more than %d bytes", s.MaxBodySize)
		if c, ok := ctx.Conn().(*serverConn); ok {
			c.linger.Store(true)
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		answerInvalid(ctx, fasthttp.StatusRequestTimeout, "the request did not arrive in time")
	case errors.Is(err, io.ErrUnexpectedEOF):
		answerInvalid(ctx, fasthttp.StatusBadRequest, "the request is cut off")
	default:
		text, _, _ := strings.Cut(err.Error(), ": buffer size=") // fasthttp's own, of no use to the client
		answerInvalid(ctx, fasthttp.StatusBadRequest, "not an HTTP request: %s", text)
	}
}
