package echo

import (
	"fmt"
	"net"

	"github.com/valyala/fasthttp"
)

// ServeHTTP answers the HTTP requests on the connections of l with their bodies. It returns when l is closed.
func ServeHTTP(l net.Listener) error {
	s := &fasthttp.Server{
		Handler: func(ctx *fasthttp.RequestCtx) {
			ctx.SetContentType("application/json")
			ctx.SetBody(ctx.PostBody())
		},
		MaxRequestBodySize:    mostBytes,
		NoDefaultServerHeader: true,
	}
	if err := s.Serve(l); err != nil {
		return fmt.Errorf("echo: serve HTTP: %w", err)
	}
	return nil
}
