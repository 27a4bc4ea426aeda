package httpbridge

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// maxRedirects is how many redirects are followed, as Go's http.Client has it, which the motan-go agent uses here.
const maxRedirects = 10

// urlFormat is URL_FORMAT, taken apart.
type urlFormat struct {
	verb          string // HTTP_REQUEST_METHOD
	before, after string // of the method's name; the URL itself is before where there is no %s
	named         bool   // there is a %s
	host          string // host, and port if there is one
	upstream      *upstream
}

// addFormats compiles the URL formats of the service.
func (p *Provider) addFormats() error {
	s := p.settings
	p.formats = map[string]*urlFormat{}
	methods := map[string]MethodSettings{"": {}}
	maps.Copy(methods, s.Methods)
	for method, m := range methods {
		if m.URLFormat == "" {
			m.URLFormat = s.URLFormat
		}
		if m.HTTPRequestMethod == "" {
			m.HTTPRequestMethod = s.HTTPRequestMethod
		}
		if m.URLFormat == "" && method == "" {
			continue // methods that are not listed are not served
		}
		format, err := p.newFormat(m)
		if err != nil && method != "" {
			return fmt.Errorf("http-service: method %s: %w", method, err)
		}
		if err != nil {
			return err
		}
		p.formats[method] = format
	}
	if len(p.formats) == 0 {
		return errors.New("neither proxyAddress nor URL_FORMAT is set: one of them must say where the web service is")
	}
	return nil
}

func (p *Provider) newFormat(m MethodSettings) (*urlFormat, error) {
	if err := checkVerb([]byte(m.HTTPRequestMethod)); err != nil {
		return nil, fmt.Errorf("HTTP_REQUEST_METHOD: %w", err)
	}
	text := m.URLFormat
	if n := strings.Count(text, "%s"); n > 1 {
		return nil, fmt.Errorf("URL_FORMAT %q has %d times %%s, at most one is allowed", text, n)
	}
	u, err := url.Parse(strings.Replace(text, "%s", "method", 1))
	if err != nil {
		return nil, fmt.Errorf("URL_FORMAT: %w", err)
	}
	if u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" {
		return nil, fmt.Errorf("URL_FORMAT %q does not begin with http://host or https://host", text)
	}
	if u.User != nil || u.Fragment != "" {
		return nil, fmt.Errorf("URL_FORMAT %q: a user and a fragment cannot be used", text)
	}
	f := &urlFormat{verb: m.HTTPRequestMethod, host: u.Host}
	f.before, f.after, f.named = strings.Cut(text, "%s")
	if root := u.Scheme + "://" + u.Host; len(f.before) < len(root) {
		return nil, fmt.Errorf("URL_FORMAT %q: %%s cannot stand for the host", text)
	}
	f.upstream, err = p.hostUpstream(u)
	return f, err
}

// hostUpstream returns the connections to the host of u, which the formats share.
func (p *Provider) hostUpstream(u *url.URL) (*upstream, error) {
	key := u.Scheme + "://" + u.Host
	if found, ok := p.hosts[key]; ok {
		return found, nil
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	made, err := newUpstream(p.settings, "tcp", net.JoinHostPort(u.Hostname(), port), u.Scheme == "https", u.Hostname())
	if err != nil {
		return nil, err
	}
	made.client.Name = "Go-http-client/1.1" // what web services have seen of the motan-go agent in this mode
	if p.settings.HTTPX {
		made.client.Name = "weibo-mesh-http"
	}
	p.hosts[key] = made
	return made, nil
}

// fillFormat asks for the URL that the service's format gives with the call's method (motan protocol, section 7.4, 3). The
// reply is the response's body as a string; its attachments are those of the request and the response's headers.
//
// A call without argument, which the motan-go agent panics at, asks with the request id alone.
func (x *webExchange) fillFormat(args []argument) *motan.Error {
	format := x.provider.formats[string(x.call.Request.Method())]
	if format == nil {
		format = x.provider.formats[""]
	}
	if format == nil {
		return refused(motan.KindNotFound, fasthttp.StatusNotFound, "http-service has no URL_FORMAT for this method")
	}
	if len(args) > 1 {
		return manyArguments()
	}
	verb := string(x.call.Request.Get("HTTP_Method"))
	if verb == "" {
		verb = format.verb
	} else if err := checkVerb([]byte(verb)); err != nil {
		return badRequest("HTTP_Method: %v", err)
	}
	values, failed := x.formValues(args)
	if failed != nil {
		return failed
	}
	if method := string(x.call.Request.Method()); format.named && climbs(method) {
		return x.refuseClimb(method)
	}
	target, err := format.url(x.call.Request.Method())
	if err != nil {
		return badRequest("%v", err)
	}
	x.req.Header.SetMethod(verb)
	if x.inQuery() {
		separator := "?"
		if strings.Contains(target, "?") {
			separator = "&"
		}
		target += separator + values
	} else {
		form, _ := url.ParseQuery(values) // was escaped right above
		x.req.SetBodyString(form.Encode())
	}
	x.exact = true
	x.req.SetRequestURI(target)
	x.req.Header.SetHost(format.host)
	x.req.UseHostHeader = true
	x.setFormatHeaders()
	return x.askFormat(format)
}

// inQuery tells whether the parameters go into the URL, because the request has no body.
func (x *webExchange) inQuery() bool {
	h := &x.req.Header
	return h.IsGet() || h.IsHead() || h.IsDelete() || h.IsOptions()
}

// url is the URL for a method that does not climb. Its name cannot leave the place that the format has for it.
func (f *urlFormat) url(method []byte) (string, error) {
	if !f.named {
		return f.before, nil
	}
	for segment := range bytes.SplitSeq(method, []byte("/")) {
		if string(segment) == "." {
			return "", errors.New("the method must not have . for a segment")
		}
	}
	return f.before + strings.ReplaceAll(url.PathEscape(string(method)), "%2F", "/") + f.after, nil
}

// formValues is the parameters of the call: its id, and the entries of a map of strings or a text without a value. A
// form has them sorted, a query in the order of the call.
func (x *webExchange) formValues(args []argument) (string, *motan.Error) {
	text := appendPair(nil, []byte("requestIdFromClient"), []byte(x.requestID()))
	if len(args) == 1 {
		switch arg := args[0]; arg.tag {
		case simple.TagNull:
		case simple.TagString, simple.TagBytes:
			text = append(append(text, '&'), url.QueryEscape(string(arg.payload))...)
		case simple.TagStringMap:
			if err := arg.pairs(func(key, value []byte) { text = appendPair(text, key, value) }); err != nil {
				return "", err
			}
		default:
			return "", badRequest("http rpc unsupported parameter type: %s; want a map of strings or a string", arg.tag)
		}
	}
	return string(text), nil
}

// setFormatHeaders makes headers of the attachments, all of them, with MOTAN- for M_.
func (x *webExchange) setFormatHeaders() {
	for key, value := range x.call.Request.All() {
		x.setHeader(bytes.ReplaceAll(key, []byte("M_"), motanPrefix), value)
	}
	x.setRequestID()
	x.forwardedFor()
	x.req.Header.SetContentType(formType)
}

// askFormat makes the exchange, follows redirects to the same host, and sets the reply.
func (x *webExchange) askFormat(format *urlFormat) *motan.Error {
	plain := len(x.req.Header.Peek("Accept-Encoding")) == 0 && !x.req.Header.IsHead() && !x.provider.settings.HTTPX
	if plain {
		x.req.Header.Set("Accept-Encoding", "gzip")
	}
	for range maxRedirects {
		if err := x.do(format.upstream); err != nil {
			return err
		}
		if x.provider.settings.HTTPX || !x.redirected(format) {
			break
		}
	}
	body := x.resp.Body()
	if plain && bytes.EqualFold(x.resp.Header.Peek("Content-Encoding"), []byte("gzip")) {
		var err error
		if body, err = x.resp.BodyGunzipWithLimit(x.provider.settings.MaxContentLength); err != nil {
			return refused(motan.KindBroken, motan.CodeUnavailable, "http provider: inflate the response: %v", err)
		}
		x.resp.SetBodyRaw(body)
		x.resp.Header.Del("Content-Encoding")
		x.resp.Header.Del("Content-Length")
	}
	if x.refusedByStatus() {
		return nil
	}
	r := &x.call.Reply
	for key, value := range x.call.Request.All() {
		r.SetBytes(string(key), value)
	}
	r.Set("M_rid", x.requestID())
	x.setResponseHeaders(true)
	x.setReply(appendValue(make([]byte, 0, valueBytes+len(body)), simple.TagString, body))
	return nil
}

// redirected makes the request that a redirect asks for, if it leads to the same host.
func (x *webExchange) redirected(format *urlFormat) bool {
	status := x.resp.StatusCode()
	to := x.resp.Header.Peek("Location")
	if len(to) == 0 || !fasthttp.StatusCodeIsRedirect(status) {
		return false
	}
	was := string(x.req.URI().Scheme()) + "://" + format.host
	next, err := url.Parse(was + string(x.req.URI().RequestURI()))
	if err != nil {
		return false
	}
	if next, err = next.Parse(string(to)); err != nil || next.Scheme+"://"+next.Host != was {
		return false
	}
	next.Fragment = ""
	if status != fasthttp.StatusTemporaryRedirect && status != fasthttp.StatusPermanentRedirect && !x.inQuery() {
		x.req.Header.SetMethod(fasthttp.MethodGet)
		x.req.ResetBody()
		x.req.Header.Del("Content-Length")
		x.req.Header.Del("Content-Type")
	}
	x.req.SetRequestURI(next.String())
	x.req.Header.SetHost(format.host)
	return true
}
