package httpbridge

import (
	"bytes"
	"errors"
	"fmt"
	"net"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// nameBytes bounds the names of service and method.
const nameBytes = 1024

// serveRPC answers what is below /rpc/; rest is what follows it, as it was sent.
func (s *Server) serveRPC(ctx *fasthttp.RequestCtx, rest []byte) {
	if len(s.policy.Load().Origins) > 0 {
		s.allowOrigin(ctx)
	}
	service, method, call := bytes.Cut(rest, []byte("/"))
	switch {
	case ctx.IsPost() && len(rest) == 0:
		s.serveBatch(ctx)
		return
	case ctx.IsPost():
	case ctx.IsGet() && call:
	case ctx.IsGet() || ctx.IsHead() && !call:
		s.servePage(ctx, service)
		return
	case ctx.IsOptions():
		s.answerOptions(ctx)
		return
	default:
		refuseMethod(ctx, "a call is made with POST")
		return
	}
	x := s.newExchange()
	var h headers
	if bad := x.fill(ctx, &h, service, method); bad != nil {
		x.release()
		bad.answer(ctx)
		return
	}
	takes := parseAccept(h.accept)
	if takes.none() {
		x.release()
		answerInvalid(ctx, fasthttp.StatusNotAcceptable, "Accept %.100q: an answer is application/json, text/plain if it is a string, application/octet-stream if it is bytes", h.accept)
		return
	}
	if !x.run() {
		answerInvalid(ctx, fasthttp.StatusGatewayTimeout, "the call has not ended within %v", s.DefaultTimeout)
		return
	}
	x.answer(ctx, &h, takes)
	x.release()
}

// fill makes the call of the request.
func (x *exchange) fill(ctx *fasthttp.RequestCtx, h *headers, service, method []byte) *invalid {
	if len(service) == 0 || len(method) == 0 || bytes.IndexByte(method, '/') >= 0 {
		return &invalid{fasthttp.StatusNotFound, errors.New("the path of a call is /rpc/{service}/{method}; a slash within a name is written %2F")}
	}
	f := &x.call.Request
	if err := x.setName(f, "M_p", service); err != nil {
		return refused400("service: %w", err)
	}
	if err := x.setName(f, "M_m", method); err != nil {
		return refused400("method: %w", err)
	}
	if bad := x.takeHead(ctx, h); bad != nil {
		return bad
	}
	known, signature := x.types()
	if ctx.IsGet() {
		return x.takeQuery(ctx, known, signature)
	}
	return x.takeBody(ctx, h, signature)
}

// takeHead makes metadata of the headers, and refuses what a web page has sent.
func (x *exchange) takeHead(ctx *fasthttp.RequestCtx, h *headers) *invalid {
	f := &x.call.Request
	f.Set("M_pp", "motan2")
	for name, value := range ctx.Request.Header.All() {
		if err := h.take(f, name, value); err != nil {
			return refused400("%w", err)
		}
	}
	if !h.fromProgram() && !x.server.allows(h.origin) {
		return &invalid{fasthttp.StatusForbidden, errors.New("calls from web pages, ours and those of other sites, are refused; " +
			"pages of the origins in motan-agent.httpAllowedOrigins may call")}
	}
	if h.timeout > 0 {
		f.SetInt("M_tmo", int64(h.timeout))
	}
	if x.server.RequestID != nil && f.RequestID() == nil {
		f.SetInt("M_rid", x.server.RequestID())
	}
	x.call.Remote = remoteIP(ctx.RemoteAddr())
	return nil
}

// types returns what the catalog has on the call's service, nil if nothing, and the types of the arguments: those that the
// caller names or else those of the catalog, which then go along.
func (x *exchange) types() (known *Service, signature []byte) {
	f := &x.call.Request
	known, signature = x.known(), f.MethodDesc()
	if len(signature) == 0 && known != nil {
		if text := known.signature(f.Method()); text != "" {
			f.Set("M_md", text)
			signature = f.MethodDesc()
		}
	}
	return known, signature
}

// known is what the catalog has on the call's service; nil if nothing.
func (x *exchange) known() *Service {
	if x.server.Catalog == nil {
		return nil
	}
	return x.server.Catalog.Service(x.call.Request.Service())
}

// takeQuery makes the arguments of the query, where a call by GET is allowed: links and images make such requests, also
// where browsers do not say so.
func (x *exchange) takeQuery(ctx *fasthttp.RequestCtx, known *Service, signature []byte) *invalid {
	if method := x.call.Request.Method(); known == nil || !known.mayGet(method) {
		ctx.Response.Header.Set("Allow", "POST")
		return &invalid{fasthttp.StatusMethodNotAllowed, fmt.Errorf("a call is made with POST; httpGet of the refer names the methods that GET may call, and %.100q is not among them", method)}
	}
	fields := fasthttp.AcquireArgs()
	defer fasthttp.ReleaseArgs(fields)
	if bad := parseFields(fields, ctx.URI().QueryString()); bad != nil {
		return bad
	}
	if err := x.takeFields(fields, signature); err != nil {
		return refused400("arguments: %w", err)
	}
	return nil
}

func refuseMethod(ctx *fasthttp.RequestCtx, what string) {
	ctx.Response.Header.Set("Allow", "POST")
	answerInvalid(ctx, fasthttp.StatusMethodNotAllowed, "%s", what)
}

// setName sets a key to a segment of the path with its percent escapes decoded.
func (x *exchange) setName(f *motan.Frame, key string, segment []byte) error {
	if len(segment) > nameBytes {
		return fmt.Errorf("the name takes more than %d bytes", nameBytes)
	}
	if isPlain(segment) { // as nearly all are
		f.SetBytes(key, segment)
		return nil
	}
	name := x.name[:0]
	for i := 0; i < len(segment); i++ {
		b := segment[i]
		if b == '%' {
			if i+2 >= len(segment) || !isHex(segment[i+1]) || !isHex(segment[i+2]) {
				return errors.New("a % must be followed by two hexadecimal digits")
			}
			b = unhex(segment[i+1])<<4 | unhex(segment[i+2])
			i += 2
		}
		name = append(name, b)
	}
	x.name = name
	return setPlainName(f, key, name)
}

// isPlain tells whether segment is a name as it stands: letters, digits, and what else names in code are made of.
func isPlain(segment []byte) bool {
	for _, b := range segment {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
		if !letter && b != '.' && b != '_' && b != '-' && b != '$' {
			return false
		}
	}
	return len(segment) > 0
}

// setPlainName sets a key to a name that is not escaped.
func setPlainName(f *motan.Frame, key string, name []byte) error {
	switch {
	case len(name) == 0:
		return errors.New("the name is empty")
	case len(name) > nameBytes:
		return fmt.Errorf("the name takes more than %d bytes", nameBytes)
	case bytes.ContainsFunc(name, func(r rune) bool { return r < utf8.RuneSelf && isControl(byte(r)) }):
		return errors.New("control characters are not allowed in a name")
	case !utf8.Valid(name):
		return errors.New("the name is not UTF-8")
	}
	f.SetBytes(key, name)
	return nil
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b|0x20 >= 'a' && b|0x20 <= 'f'
}

func unhex(b byte) byte {
	if b <= '9' {
		return b - '0'
	}
	return b | 0x20 - 'a' + 10
}

// isControl tells whether b is an ASCII control character.
func isControl(b byte) bool { return b < 0x20 || b == 0x7f }

// isJSON tells whether a Content-Type is one of JSON.
func isJSON(contentType []byte) bool {
	media, _, _ := bytes.Cut(contentType, []byte(";"))
	media = bytes.TrimSpace(media)
	return bytes.EqualFold(media, typeJSON) || bytes.EqualFold(media, []byte("text/json")) ||
		len(media) > 5 && bytes.EqualFold(media[len(media)-5:], []byte("+json"))
}

// remoteIP is the IP of a client, empty if it came by a unix socket.
func remoteIP(addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return ""
	}
	if ip := tcp.IP.To4(); ip != nil && [4]byte(ip) == [4]byte{127, 0, 0, 1} {
		return "127.0.0.1" // nearly all clients, without an allocation
	}
	return tcp.IP.String()
}
