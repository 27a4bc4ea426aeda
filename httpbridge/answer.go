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

// answer says why the request is not answered.
func (i *invalid) answer(ctx *fasthttp.RequestCtx) {
	answerInvalid(ctx, i.status, "%v", i.err)
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
	c, _ := ctx.Conn().(*serverConn)
	if c != nil && c.gate.refusal != nil { // it is counted already
		c.linger.Store(true)
		if c.gate.refusal == errCrowded {
			ctx.Response.Header.SetBytesV("Retry-After", soon)
		}
		answerInvalid(ctx, c.gate.refusal.status, "%s", c.gate.refusal.message)
		return
	}
	reason, status, message := ReasonOther, fasthttp.StatusBadRequest, ""
	var timeout net.Error
	var small *fasthttp.ErrSmallBuffer
	switch {
	case errors.As(err, &small):
		reason, status, message = ReasonHeadSize, errHeadSize.status, errHeadSize.message
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		reason, status = ReasonBodySize, fasthttp.StatusRequestEntityTooLarge
		message = fmt.Sprintf("the body takes more than %d bytes", s.MaxBodySize)
		if c != nil {
			c.linger.Store(true)
		}
	case errors.As(err, &timeout) && timeout.Timeout():
		reason, status, message = ReasonSlow, fasthttp.StatusRequestTimeout, "the request did not arrive in time"
	case errors.Is(err, io.ErrUnexpectedEOF):
		reason, message = ReasonCutOff, "the request is cut off"
	default:
		text, _, _ := strings.Cut(err.Error(), ": buffer size=") // fasthttp's own, of no use to the client
		message = "not an HTTP request: " + text
	}
	s.Stats.invalid(reason)
	answerInvalid(ctx, status, "%s", message)
}
