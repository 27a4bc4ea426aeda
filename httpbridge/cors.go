package httpbridge

import (
	"slices"

	"github.com/valyala/fasthttp"
)

// fromPage tells whether a header says that a web page makes the request. Browsers say so for every request that a page
// could make without being asked for permission; the page's own idea of the host proves nothing, as its name may be
// made to mean this host.
func fromPage(name, value []byte) bool {
	if equalFolds(name, "Sec-Fetch-Site") {
		return string(value) != "none"
	}
	return equalFolds(name, "Origin")
}

// fromProgram tells whether the request is none of a web page's, see fromPage.
func (h *headers) fromProgram() bool {
	return len(h.origin) == 0 && (len(h.site) == 0 || string(h.site) == "none")
}

// allows tells whether pages of the origin may call.
func (s *Server) allows(origin []byte) bool {
	return len(origin) > 0 && slices.Contains(s.policy.Load().Origins, string(origin))
}

// allowOrigin lets the browser show the answer to a page that may call.
func (s *Server) allowOrigin(ctx *fasthttp.RequestCtx) {
	head := &ctx.Response.Header
	head.Add("Vary", "Origin")
	if origin := ctx.Request.Header.Peek("Origin"); s.allows(origin) {
		head.SetBytesV("Access-Control-Allow-Origin", origin)
		head.Set("Access-Control-Expose-Headers", "MOTAN-rid, MOTAN-pt, X-Request-Id, Retry-After")
	}
}

// answerOptions answers OPTIONS, which browsers send to ask whether a page may call.
func (s *Server) answerOptions(ctx *fasthttp.RequestCtx) {
	head, asks := &ctx.Response.Header, &ctx.Request.Header
	head.Set("Allow", "GET, POST, OPTIONS")
	if origin := asks.Peek("Origin"); len(origin) > 0 {
		if !s.allows(origin) {
			answerInvalid(ctx, fasthttp.StatusForbidden, "pages of this origin may not call; motan-agent.httpAllowedOrigins names those that may")
			return
		}
		head.Set("Access-Control-Allow-Methods", "GET, POST")
		head.Set("Access-Control-Max-Age", "600")
		if wanted := asks.Peek("Access-Control-Request-Headers"); len(wanted) > 0 && isVisible(wanted) {
			head.SetBytesV("Access-Control-Allow-Headers", wanted)
		}
		if len(asks.Peek("Access-Control-Request-Private-Network")) > 0 {
			head.Set("Access-Control-Allow-Private-Network", "true")
		}
	}
	ctx.SetStatusCode(fasthttp.StatusNoContent)
}
