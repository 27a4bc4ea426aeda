package httpbridge

import (
	"bytes"
	"errors"
	"net/url"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// errClimb is the cause of an error about a path that leads up.
var errClimb = errors.New("the path leads up")

const formType = "application/x-www-form-urlencoded"

// convert makes an HTTP request of a call to a service with ProxyAddress (motan protocol, section 7.4, 2). The reply is
// the response's body as bytes, its headers are attachments, its status is the attachment upstreamCode.
func (x *webExchange) convert(args []argument) *motan.Error {
	p, f, h := x.provider, &x.call.Request, &x.req.Header
	if len(args) > 1 {
		return manyArguments()
	}
	verb := f.Get("HTTP_Method")
	if len(verb) == 0 {
		verb = []byte(p.settings.HTTPRequestMethod)
	} else if err := checkVerb(verb); err != nil {
		return badRequest("HTTP_Method: %v", err)
	}
	h.SetMethodBytes(verb)
	x.setConvertedHeaders()
	query := appendQuery(nil, f.Get("HTTP_QueryString"))
	if len(args) == 1 {
		var err *motan.Error
		if query, err = x.setArgument(args[0], query); err != nil {
			return err
		}
	}
	path, failed := x.path(string(query))
	if failed != nil {
		return failed
	}
	if len(h.Host()) == 0 {
		h.SetHost(p.settings.Domain)
	}
	if len(h.Host()) == 0 {
		return refused(motan.KindBadRequest, motan.CodeUnavailable, "missing required Host header in request")
	}
	if !isHost(h.Host()) {
		return badRequest("the Host %.100q is not a host", h.Host())
	}
	x.req.UseHostHeader = true
	uri := x.req.URI()
	uri.SetScheme(p.settings.ProxySchema)
	uri.SetHostBytes(h.Host())
	uri.SetPath(path)
	uri.SetQueryStringBytes(query)
	x.forwardedFor()
	x.setDefaultType()
	if err := x.do(p.proxy); err != nil || x.refusedByStatus() {
		return err
	}
	body := x.resp.Body()
	x.setResponseHeaders(false)
	x.setReply(appendValue(make([]byte, 0, valueBytes+len(body)), simple.TagBytes, body))
	return nil
}

// setConvertedHeaders makes headers of the attachments.
func (x *webExchange) setConvertedHeaders() {
	h := &x.req.Header
	for key, value := range x.call.Request.All() {
		switch string(key) {
		case "HTTP_PROXY", "HTTP_Method", "HTTP_QueryString", "host", "Host":
			continue
		case "http_host", "http_Host":
			h.SetHostBytes(value)
			continue
		}
		if x.setMotanHeader(key, value) {
			continue
		}
		name, _ := bytes.CutPrefix(key, []byte("http_"))
		x.setHeader(name, value)
	}
	x.setRequestID()
}

// setArgument makes a query, a form or a body of the argument and returns the query.
func (x *webExchange) setArgument(arg argument, query []byte) ([]byte, *motan.Error) {
	switch arg.tag {
	case simple.TagNull:
		return query, nil
	case simple.TagString, simple.TagBytes:
		x.req.SetBodyRaw(arg.payload)
		return query, nil
	case simple.TagStringMap:
	default:
		return nil, badRequest("http rpc unsupported parameter type: %s; want a map of strings, a string or bytes", arg.tag)
	}
	if x.req.Header.IsGet() || x.req.Header.IsHead() {
		err := arg.pairs(func(key, value []byte) { query = appendPair(query, key, value) })
		return query, err
	}
	var form []byte
	if err := arg.pairs(func(key, value []byte) { form = appendPair(form, key, value) }); err != nil {
		return nil, err
	}
	if len(form) > 0 {
		x.req.Header.SetContentType(formType)
		x.req.SetBodyRaw(form)
	}
	return query, nil
}

// setDefaultType gives a request that may have a body the type that the motan-go agent gives it.
func (x *webExchange) setDefaultType() {
	h := &x.req.Header
	if len(h.ContentType()) == 0 && !h.IsGet() && !h.IsHead() {
		h.SetContentType(formType)
	}
}

// path is the path to ask for: the method of the call, rewritten by the location that it belongs to.
func (x *webExchange) path(query string) (string, *motan.Error) {
	path := string(x.call.Request.Method())
	if !climbs(path) && x.provider.settings.EnableRewrite {
		var ok bool
		if path, ok = x.provider.locations.Rewrite(path, []byte(query)); !ok {
			return "", refused(motan.KindNotFound, fasthttp.StatusNotFound, "service not found")
		}
	}
	if climbs(path) {
		return "", x.refuseClimb(path)
	}
	return path, nil
}

// refuseClimb counts and refuses a path that leads up.
func (x *webExchange) refuseClimb(path string) *motan.Error {
	if s := x.provider.settings.Stats; s != nil {
		s.Climbs.Add(1)
	}
	failed := badRequest("the path %.100q leads up, with .. in one way or another", path)
	failed.Cause = errClimb
	return failed
}

// appendPair appends key=value in the form of a query, with & between.
func appendPair(dst, key, value []byte) []byte {
	if len(dst) > 0 {
		dst = append(dst, '&')
	}
	dst = append(dst, url.QueryEscape(string(key))...)
	dst = append(dst, '=')
	return append(dst, url.QueryEscape(string(value))...)
}

// appendQuery appends a raw query string with what would end it, or the request line, percent-encoded.
func appendQuery(dst, query []byte) []byte {
	const hex = "0123456789ABCDEF"
	for _, b := range query {
		if isControl(b) || b == ' ' || b == '#' {
			dst = append(dst, '%', hex[b>>4], hex[b&15])
			continue
		}
		dst = append(dst, b)
	}
	return dst
}

// isHost tells whether host has only what a Host header may have: a name or an address, and a port.
func isHost(host []byte) bool {
	for _, b := range host {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
		if !letter && bytes.IndexByte([]byte(".-_:[]"), b) < 0 {
			return false
		}
	}
	return len(host) > 0
}
