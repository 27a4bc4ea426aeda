package httpbridge

import (
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// kindStatus is the HTTP status for each kind of error: why the agent has no answer.
var kindStatus = map[motan.Kind]int{
	motan.KindOther:       fasthttp.StatusBadGateway,
	motan.KindBadRequest:  fasthttp.StatusBadRequest,
	motan.KindNotFound:    fasthttp.StatusNotFound,
	motan.KindNoEndpoint:  fasthttp.StatusServiceUnavailable,
	motan.KindNotSent:     fasthttp.StatusBadGateway,
	motan.KindTimeout:     fasthttp.StatusGatewayTimeout,
	motan.KindBroken:      fasthttp.StatusBadGateway,
	motan.KindRefused:     fasthttp.StatusTooManyRequests, // 403, 501 or 503 if that is the error's code
	motan.KindUnavailable: fasthttp.StatusServiceUnavailable,
	motan.KindOversize:    fasthttp.StatusRequestEntityTooLarge,
	motan.KindDropped:     fasthttp.StatusBadGateway, // never seen outside a cluster
}

// codeStatus is the HTTP status for the code of an exception that the framework of the other side made (errtype 0 and 1;
// others than 0 to 2 occur and count as 1). Codes that are not listed mean 500.
var codeStatus = map[int]int{
	motan.CodeNotFound:    fasthttp.StatusInternalServerError, // 404 if the service is what does not exist
	motan.CodeDefault:     fasthttp.StatusInternalServerError, // 504 if it tells of a timeout
	motan.CodeUnsupported: fasthttp.StatusNotImplemented,
	motan.CodeUnavailable: fasthttp.StatusServiceUnavailable,
	motan.CodeNoEndpoints: fasthttp.StatusServiceUnavailable,
	motan.CodeNoChannel:   fasthttp.StatusServiceUnavailable,
	motan.CodeRejected:    fasthttp.StatusTooManyRequests,
}

// errorStatus is the HTTP status for an error.
func errorStatus(err *motan.Error) int {
	if err.Kind == motan.KindRefused {
		switch err.Code {
		case motan.CodeUnavailable, fasthttp.StatusForbidden, motan.CodeUnsupported:
			return err.Code
		}
	}
	if status, ok := kindStatus[err.Kind]; ok {
		return status
	}
	return fasthttp.StatusBadGateway
}

// exceptionStatus is the HTTP status for an exception in a reply. The implementation's own (errtype 2) are always 500:
// their codes mean something to the application only.
func exceptionStatus(x motan.Exception) int {
	switch {
	case x.Type == motan.TypeBiz:
		return fasthttp.StatusInternalServerError
	case x.Code == motan.CodeNotFound && strings.HasPrefix(x.Message, motan.ProviderNotExist):
		return fasthttp.StatusNotFound
	case x.Code == motan.CodeDefault && strings.Contains(x.Message, "timeout"):
		return fasthttp.StatusGatewayTimeout
	}
	if status, ok := codeStatus[x.Code]; ok {
		return status
	}
	return fasthttp.StatusInternalServerError
}

// soon is the least that Retry-After can say: limits fill up again, and endpoints are tried again, within a second or so.
var soon = []byte("1")

// retryAfter is what is known of when a call that ended with the status may be made again, for the header Retry-After.
func retryAfter(c *motan.Call, status int) []byte {
	switch {
	case status != fasthttp.StatusTooManyRequests && status != fasthttp.StatusServiceUnavailable:
		return nil
	case c.Err == nil:
		if told := c.Reply.Get("Retry-After"); isVisible(told) {
			return told // what a web program behind the provider has said
		}
		return nil
	case status == fasthttp.StatusTooManyRequests || c.Err.Kind == motan.KindNoEndpoint:
		return soon
	}
	return nil
}
