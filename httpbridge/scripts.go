package httpbridge

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/httpbridge/fastcgi"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// scripts are a backend: what runs behind a FastCGI server.
type scripts struct {
	client   *fastcgi.Client
	settings *CGISettings
}

var _ backend = (*scripts)(nil)

func newScripts(s ProviderSettings) (*scripts, error) {
	network, address, err := s.CGI.check()
	if err != nil {
		return nil, err
	}
	return &scripts{settings: s.CGI, client: fastcgi.New(fastcgi.Settings{
		Network: network, Address: address, Keep: s.CGI.KeepConnections, IdleTimeout: s.IdleConnectionTimeout,
		MaxHead: rawHeadBytes, MaxBody: s.MaxContentLength, Log: s.CGI.Log,
	})}, nil
}

func (s *scripts) close() { s.client.Close() }

// callScript runs a script for a call to a service with "provider: cgi", as the motan-go agent does (motan protocol, section
// 7.4): the argument is the query or a form, the attachments are variables MOTAN_<key>. The method is the path info. The
// reply is the script's output as a string, its headers are attachments.
func (x *webExchange) callScript(args []argument) *motan.Error {
	p, h := x.provider, &x.req.Header
	if len(args) > 1 {
		return manyArguments()
	}
	values, failed := x.formValues(args)
	if failed != nil {
		return failed
	}
	method := string(x.call.Request.Method())
	if !strings.HasPrefix(method, "/") {
		method = "/" + method
	}
	if p.settings.CGI.ScriptFilename != "" {
		method = p.settings.CGI.scriptName() + method
	}
	h.SetMethod(p.settings.HTTPRequestMethod)
	h.SetHost(p.settings.Domain)
	x.req.UseHostHeader = true
	x.req.URI().SetPath(method)
	if x.inQuery() {
		x.req.URI().SetQueryString(values)
	} else {
		h.SetContentType(formType)
		x.req.SetBodyString(values)
	}
	if err := x.do(p.proxy); err != nil || x.refusedByStatus() {
		return err
	}
	body := x.resp.Body()
	x.setResponseHeaders(false)
	x.setReply(appendValue(make([]byte, 0, valueBytes+len(body)), simple.TagString, body))
	return nil
}

// ask runs the script that x.req asks for.
func (s *scripts) ask(x *webExchange, left time.Duration) *motan.Error {
	asked := string(x.req.URI().Path())
	if !isPath(asked) {
		return badRequest("the path %.100q has a control character or a dot segment", asked)
	}
	r := &fastcgi.Request{Body: x.req.Body()}
	place := s.settings.find(asked)
	r.Script = place.name
	h := &x.req.Header
	r.Safe = h.IsGet() || h.IsHead() || h.IsOptions()
	s.setParams(&r.Params, x, place)
	answer, err := s.client.Do(r, time.Now().Add(left))
	if err != nil {
		return scriptFailed(err)
	}
	x.resp.SetStatusCode(answer.Status)
	x.resp.Header.SetStatusMessage([]byte(answer.Reason))
	for _, line := range answer.Header {
		x.scratch = fasthttp.AppendNormalizedHeaderKeyBytes(x.scratch[:0], line.Name)
		if !isHopByHop(x.scratch) {
			x.resp.Header.AddBytesKV(x.scratch, line.Value)
		}
	}
	x.resp.SetBodyRaw(answer.Body)
	return nil
}

// scriptFailed tells why a script has not answered. What was not executed has the code and the type that the motan-go agent
// gives it, so that the caller may try elsewhere.
func scriptFailed(err error) *motan.Error {
	var dial *fastcgi.DialError
	var timeout net.Error
	failed := refused(motan.KindBroken, motan.CodeUnavailable, "cgi provider: %v", err)
	switch {
	case errors.As(err, &dial), errors.Is(err, fastcgi.ErrOverloaded):
		failed.Kind, failed.Type = motan.KindUnavailable, motan.CodeUnavailable
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		failed.Kind, failed.Message = motan.KindTimeout, "cgi provider: the script did not answer in time: "+err.Error()
	case errors.Is(err, fastcgi.ErrTooLarge):
		failed.Kind = motan.KindOversize
	}
	failed.Cause = err
	return failed
}

// setParams tells the script of the request (RFC 3875, section 4.1), and of the call.
func (s *scripts) setParams(p *fastcgi.Params, x *webExchange, at place) {
	h, uri := &x.req.Header, x.req.URI()
	host, port, _ := strings.Cut(string(h.Host()), ":")
	if strings.HasPrefix(host, "[") || port == "" {
		host, port = string(h.Host()), "80"
	}
	remote := x.call.Remote
	if remote == "" {
		remote = "127.0.0.1"
	}
	length := ""
	if n := len(x.req.Body()); n > 0 {
		length = strconv.Itoa(n)
	}
	for _, v := range [...]struct{ name, value string }{
		{"GATEWAY_INTERFACE", "CGI/1.1"},
		{"SERVER_SOFTWARE", "Motan / CGI"}, // as the motan-go agent
		{"SERVER_PROTOCOL", "HTTP/1.1"},
		{"SERVER_NAME", host},
		{"SERVER_PORT", port},
		{"REMOTE_ADDR", remote},
		{"REQUEST_METHOD", string(h.Method())},
		{"REQUEST_URI", string(uri.RequestURI())},
		{"QUERY_STRING", string(uri.QueryString())},
		{"DOCUMENT_ROOT", s.settings.DocumentRoot},
		{"DOCUMENT_URI", string(uri.Path())},
		{"SCRIPT_FILENAME", at.filename},
		{"SCRIPT_NAME", at.name},
		{"PATH_INFO", at.info},
		{"CONTENT_TYPE", string(h.ContentType())},
		{"CONTENT_LENGTH", length},
		{"REDIRECT_STATUS", "200"}, // without which php-cgi runs nothing
	} {
		p.Add(v.name, v.value)
	}
	for key, value := range x.call.Request.All() {
		if isVisible(key) && !bytes.ContainsAny(key, "= ") {
			x.scratch = appendVisible(x.scratch[:0], value)
			p.Add("MOTAN_"+string(key), string(x.scratch))
		}
	}
	addHeaders(p, h)
}

// addHeaders adds HTTP_<NAME> for each header. Those of one name become one. Left out is what has another variable; names
// with an underscore, which would be taken for those with a hyphen; and Proxy, whose variable many programs take for the
// proxy that they are to use.
func addHeaders(p *fastcgi.Params, h *fasthttp.RequestHeader) {
	type header struct {
		name  string
		value []byte
	}
	var all []header
	at := map[string]int{}
	for name, value := range h.All() {
		switch string(name) {
		case "Content-Type", "Content-Length", "Proxy":
			continue
		}
		if bytes.IndexByte(name, '_') >= 0 || len(value) == 0 && string(name) == "Host" {
			continue
		}
		i, repeated := at[string(name)]
		if !repeated {
			at[string(name)] = len(all)
			all = append(all, header{string(name), bytes.Clone(value)})
			continue
		}
		separator := ", "
		if string(name) == "Cookie" {
			separator = "; "
		}
		all[i].value = append(append(all[i].value, separator...), value...)
	}
	for _, x := range all {
		p.Add("HTTP_"+strings.ToUpper(strings.ReplaceAll(x.name, "-", "_")), string(x.value))
	}
}

// isPath tells whether a decoded path can be looked for below a folder.
func isPath(path string) bool {
	if !strings.HasPrefix(path, "/") {
		return false
	}
	for segment := range strings.SplitSeq(path, "/") {
		if segment == "." || segment == ".." {
			return false
		}
	}
	return !strings.ContainsFunc(path, func(c rune) bool { return c < ' ' || c == 0x7f })
}
