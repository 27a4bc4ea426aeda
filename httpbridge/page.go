package httpbridge

import (
	"bytes"
	_ "embed" // the pages
	"encoding/json"
	"html/template"
	"net"
	"net/netip"
	"strings"
	"sync"

	"github.com/valyala/fasthttp"
)

//go:embed pages.html
var pagesText string

// pages are the templates "index" and "service". They escape what comes from outside.
var pages = sync.OnceValue(func() *template.Template { return template.Must(template.New("pages").Parse(pagesText)) })

// pagePolicy lets a page have its own style and nothing else: no script, no frame around it, nothing from elsewhere.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// servePage answers GET /rpc/, or GET /rpc/{service} where a service is named, with a page for browsers and with JSON for
// others.
func (s *Server) servePage(ctx *fasthttp.RequestCtx, service []byte) {
	var h headers
	x := s.newExchange() // for what reads names and headers
	defer x.release()
	f := &x.call.Request
	for name, value := range ctx.Request.Header.All() {
		_ = h.take(f, name, value) // what would be wrong with a call is none here
	}
	if !h.mayLook(ctx.Request.Header.Host()) && !s.allows(h.origin) {
		answerInvalid(ctx, fasthttp.StatusForbidden, "pages of other sites may not look at this; in a browser, open it by the IP address or as localhost")
		return
	}
	address := "http://" + string(ctx.Request.Header.Host())
	if len(service) == 0 {
		s.answerPage(ctx, &h, "index", s.index(address))
		return
	}
	if err := x.setName(f, "M_p", service); err != nil {
		answerInvalid(ctx, fasthttp.StatusBadRequest, "service: %v", err)
		return
	}
	one := s.service(f.Service())
	if one == nil {
		answerInvalid(ctx, fasthttp.StatusNotFound, "nobody refers to service %.256s here; GET /rpc/ lists those that can be called", f.Service())
		return
	}
	s.answerPage(ctx, &h, "service", s.describe(one, address))
}

// mayLook tells whether a request may see the pages: that of a program, or of a browser that a person leads here. A page of
// another site can make its own name mean this host and read what it likes then; so a browser must come by a name that no
// other site has.
func (h *headers) mayLook(host []byte) bool {
	switch {
	case len(h.origin) > 0:
		return false
	case len(h.site) == 0:
		return true
	}
	return string(h.mode) == "navigate" && isOwnName(string(host))
}

// isOwnName tells whether a Host is an address or a name without a dot.
func isOwnName(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	_, err := netip.ParseAddr(strings.Trim(host, "[]"))
	return err == nil || !strings.Contains(host, ".")
}

// answerPage writes what is told, as the client wants it.
func (s *Server) answerPage(ctx *fasthttp.RequestCtx, h *headers, name string, told any) {
	head := &ctx.Response.Header
	head.Add("Vary", "Accept")
	head.Set("Cache-Control", "no-store")
	head.Set("X-Content-Type-Options", "nosniff")
	if !wantsHTML(h.accept) {
		text, err := json.MarshalIndent(told, "", "  ")
		if err != nil {
			answerInvalid(ctx, fasthttp.StatusInternalServerError, "describe: %v", err)
			return
		}
		head.SetContentTypeBytes(typeJSON)
		s.setBody(ctx, h, append(text, '\n'))
		return
	}
	var page bytes.Buffer
	if err := pages().ExecuteTemplate(&page, name, told); err != nil {
		answerInvalid(ctx, fasthttp.StatusInternalServerError, "describe: %v", err)
		return
	}
	head.SetContentType("text/html; charset=utf-8")
	head.Set("Content-Security-Policy", pagePolicy)
	head.Set("Referrer-Policy", "no-referrer")
	s.setBody(ctx, h, page.Bytes())
}

// wantsHTML tells whether a client asks for a page: browsers do, programs that take anything do not.
func wantsHTML(accept []byte) bool {
	for media, quality := range weighted(accept) {
		if equalFolds(media, "text/html") {
			return quality > 0
		}
	}
	return false
}
