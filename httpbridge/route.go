package httpbridge

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

var rpcPrefix = []byte("/rpc/")

const index = `{"post":"/rpc/{service}/{method}",` +
	`"body":"JSON array of the arguments, Content-Type: application/json",` +
	`"headers":["MOTAN-g: group","MOTAN-v: version","MOTAN-tmo: timeout in ms","MOTAN-s: your application",` +
	`"Motan-Meta-<key>: attachment"],` +
	`"example":"curl -d '[\"world\"]' http://127.0.0.1:9983/rpc/com.example.HelloService/hello",` +
	`"get":"/proxy_to_rpc?service=…&method=…&group=…&arg_type=string&arg=…"}` + "\n"

// serve answers one request. The target of a request to a proxy ("GET http://host/path") belongs to the Fallback,
// except for /proxy_to_rpc, which the motan-go agent takes for every host.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	s.Stats.Requests.Add(1)
	target := ctx.Request.Header.RequestURI()
	origin := len(target) > 0 && target[0] == '/'
	path := ctx.URI().PathOriginal()
	switch {
	case origin && bytes.HasPrefix(path, rpcPrefix):
		s.serveRPC(ctx, path[len(rpcPrefix):])
	case string(ctx.Path()) == "/proxy_to_rpc":
		s.serveProxyToRPC(ctx)
	case s.Fallback != nil:
		s.Fallback(ctx)
	case origin && string(path) == "/":
		ctx.Response.Header.SetContentTypeBytes(typeJSON)
		ctx.Response.SetBodyString(index)
	default:
		answerInvalid(ctx, fasthttp.StatusNotFound,
			"nothing is served at this address; there are POST /rpc/{service}/{method} and /proxy_to_rpc")
	}
	if s.draining.Load() {
		ctx.SetConnectionClose()
	}
}
