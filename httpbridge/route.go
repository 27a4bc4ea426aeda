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

// owner is whom a request belongs to.
type owner int

const (
	ownerProxyToRPC owner = iota // a path that the motan-go agent takes for every host
	ownerDomain                  // of http-client
	ownerRPC                     // a path that is served here
	ownerService                 // its Host is the name of a service
	ownerHere                    // a path that is not served here, and no other host's
	ownerOther                   // another host
)

// serve answers one request, in the order of the motan-go agent: /proxy_to_rpc for every host, the domains that are configured,
// what is served here, and what belongs to other hosts.
func (s *Server) serve(ctx *fasthttp.RequestCtx) {
	s.Stats.Requests.Add(1)
	owner, domain := s.owner(ctx)
	if owner == ownerOther { // the one whose body is not read first
		s.Forward.Serve(ctx, string(ctx.Request.Header.Host()))
	} else if body, ok := s.takeBody(ctx); ok {
		s.answer(ctx, owner, domain)
		giveBack(body)
	}
	if s.draining.Load() || ctx.IsConnect() { // behind CONNECT the gate is open
		ctx.SetConnectionClose()
	}
}

// owner tells whom the request belongs to, and of which domain it is.
func (s *Server) owner(ctx *fasthttp.RequestCtx) (owner, *Domain) {
	target, host := ctx.Request.Header.RequestURI(), ctx.Request.Header.Host()
	origin := len(target) > 0 && target[0] == '/'
	var domains *Domains
	if s.Domains != nil {
		domains = s.Domains()
	}
	domain := domains.Find(host)
	switch {
	case string(target) == "*": // OPTIONS: the server as a whole, whatever the Host
		return ownerHere, nil
	case string(ctx.Path()) == "/proxy_to_rpc":
		return ownerProxyToRPC, nil
	case ctx.IsConnect() && s.Forward != nil:
		return ownerOther, nil
	case domain != nil:
		return ownerDomain, domain
	case origin && (bytes.HasPrefix(ctx.URI().PathOriginal(), rpcPrefix) || string(ctx.URI().PathOriginal()) == "/rpc"):
		return ownerRPC, nil
	case s.Serves != nil && s.Serves(host):
		return ownerService, nil
	case domains.Otherwise() != nil:
		return ownerDomain, domains.Otherwise()
	case s.Forward == nil || origin && s.Forward.here(string(host)):
		return ownerHere, nil
	}
	return ownerOther, nil
}

// answer answers a request whose body is there.
func (s *Server) answer(ctx *fasthttp.RequestCtx, owner owner, domain *Domain) {
	path := ctx.URI().PathOriginal()
	switch {
	case owner == ownerProxyToRPC:
		s.serveProxyToRPC(ctx)
	case owner == ownerDomain:
		s.answerDomain(ctx, domain)
	case owner == ownerRPC:
		s.serveRPC(ctx, path[min(len(rpcPrefix), len(path)):])
	case owner == ownerService:
		s.serveRPC(ctx, append(bytes.Clone(ctx.Request.Header.Host()), path...))
	case string(ctx.Request.Header.RequestURI()) == "*":
		ctx.Response.Header.Set("Allow", "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS")
		ctx.SetStatusCode(fasthttp.StatusNoContent)
	case string(path) == "/":
		ctx.Response.Header.SetContentTypeBytes(typeJSON)
		ctx.Response.SetBodyString(rootText)
	default:
		answerInvalid(ctx, fasthttp.StatusNotFound,
			"nothing is served at this address; there are POST /rpc/{service}/{method} and /proxy_to_rpc")
	}
}

// answerDomain makes a call of the request, or passes it on as HTTP when nobody serves it.
func (s *Server) answerDomain(ctx *fasthttp.RequestCtx, d *Domain) {
	host := ctx.Request.Header.Host()
	if s.Domains().Find(host) != d { // it is the default
		host = []byte(d.Name)
	}
	switch {
	case s.serveDomain(ctx, d, host):
	case s.Forward != nil:
		s.Forward.Serve(ctx, string(host))
	default:
		answerRaw(ctx, fasthttp.StatusBadGateway, "nobody serves this path of "+d.Name)
	}
}
