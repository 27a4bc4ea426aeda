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
	motan.KindRefused:     fasthttp.StatusTooManyRequests, // 503 if that is the error's code
	motan.KindUnavailable: fasthttp.StatusServiceUnavailable,
	motan.KindOversize:    fasthttp.StatusRequestEntityTooLarge,
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
	if err.Kind == motan.KindRefused && err.Code == motan.CodeUnavailable {
		return fasthttp.StatusServiceUnavailable
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
