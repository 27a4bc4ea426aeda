package httpbridge

import (
	"bytes"

	"github.com/valyala/fasthttp"
)

var rpcPrefix = []byte("/rpc/")

const rootText = `{"post":"/rpc/{service}/{method}",` +
	`"body":"JSON array of the arguments, Content-Type: application/json",` +
	`"headers":["MOTAN-g: group","MOTAN-v: version","MOTAN-tmo: timeout in ms","MOTAN-s: your application",` +
	`"Motan-Meta-<key>: attachment"],` +
	`"example":"curl -d '[\"world\"]' http://127.0.0.1:9983/rpc/com.example.HelloService/hello",` +
	`"services":"GET /rpc/",` +
	`"get":"/proxy_to_rpc?service=…&method=…&group=…&arg_type=string&arg=…"}` + "\n"

// serve answers one request, in the order of the motan-go agent: /proxy_to_rpc for every host, the domains that are configured,
// the paths that are served here, and what is left, which is the Fallback's.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	s.Stats.Requests.Add(1)
	target := ctx.Request.Header.RequestURI()
	origin := len(target) > 0 && target[0] == '/'
	path := ctx.URI().PathOriginal()
	host := ctx.Request.Header.Host()
	domains := s.domains()
	switch domain := domains.Find(host); {
	case string(ctx.Path()) == "/proxy_to_rpc":
		s.serveProxyToRPC(ctx)
	case domain != nil:
		s.serveOr(ctx, domain, host)
	case origin && bytes.HasPrefix(path, rpcPrefix):
		s.serveRPC(ctx, path[len(rpcPrefix):])
	case origin && string(path) == "/rpc":
		s.serveRPC(ctx, nil)
	case s.Serves != nil && s.Serves(host):
		s.serveRPC(ctx, append(append([]byte{}, host...), path...))
	case domains.Otherwise() != nil:
		s.serveOr(ctx, domains.Otherwise(), []byte(domains.Otherwise().Name))
	case s.Fallback != nil:
		s.Fallback(ctx)
	case origin && string(path) == "/":
		ctx.Response.Header.SetContentTypeBytes(typeJSON)
		ctx.Response.SetBodyString(rootText)
	default:
		answerInvalid(ctx, fasthttp.StatusNotFound,
			"nothing is served at this address; there are POST /rpc/{service}/{method} and /proxy_to_rpc")
	}
	if len(ctx.Request.Body()) > keptBytes {
		ctx.Request.SwapBody(nil) // or the connection would keep it
	}
	if s.draining.Load() {
		ctx.SetConnectionClose()
	}
}

func (s *Server) domains() *Domains {
	if s.Domains == nil {
		return nil
	}
	return s.Domains()
}

// serveOr makes a call of the request, which goes to host, or hands it on when nobody serves it.
func (s *Server) serveOr(ctx *fasthttp.RequestCtx, d *Domain, host []byte) {
	switch {
	case s.serveDomain(ctx, d, host):
	case s.Fallback != nil:
		ctx.Request.Header.SetHostBytes(host)
		s.Fallback(ctx)
	default:
		answerRaw(ctx, fasthttp.StatusBadGateway, "nobody serves this path of "+d.Name)
	}
}
