package httpbridge

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

// isHopByHop tells whether a header belongs to one connection and not to the message that is passed on (RFC 9110,
// section 7.6.1); Expect counts as one, since bodies are read whole here. Content-Length does not: some
// callers are shown it. Name is canonical.
func isHopByHop(name []byte) bool {
	switch string(name) {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Proxy-Authenticate", "Proxy-Authorization", "Expect", "Http2-Settings":
		return true
	}
	return false
}

// isReserved tells whether a header is not for a caller to send to a web service: one that says what the call is (MOTAN-s and so
// on), or a name with an underscore that programs which make variables of headers (CGI, WSGI, Rack) take for a header that frames
// the message or is set here.
func isReserved(name []byte) bool {
	if hasPrefixFold(name, motanPrefix) {
		return motanKey(name[len(motanPrefix):]) != ""
	}
	if bytes.IndexByte(name, '_') < 0 {
		return false
	}
	alias := fasthttp.AppendNormalizedHeaderKeyBytes(nil, bytes.ReplaceAll(name, []byte("_"), []byte("-")))
	switch string(alias) {
	case "Host", "X-Forwarded-For":
		return true
	}
	return isHopByHop(alias) || isOwnHeader(alias) || isReserved(alias)
}
