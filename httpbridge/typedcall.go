package httpbridge

import (
	"bytes"
	"encoding/json"
	"net/url"
	"strings"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// typedRequest is a call on its way to becoming an HTTP request.
type typedRequest struct {
	exchange  *webExchange
	method    *typedMethod
	arguments []json.RawMessage
	query     []byte
	members   []byte            // of the object that the body is
	rest      []json.RawMessage // arguments that no place is named for
}

// callTyped asks an HTTP/JSON service by the rule of a method: arguments go where the rule says, the answer's JSON is the
// value. A status of 400 or more is an exception, whatever enableHttpException says.
func (x *webExchange) callTyped(m *typedMethod) *motan.Error {
	f := &x.call.Request
	number := f.Serialization()
	conversion := conversions[number]
	if conversion == nil && len(f.Body()) > 0 {
		return badRequest("arguments in serialization %d cannot be written as JSON, only simple (%d)", number, motan.SerializeSimple)
	}
	if conversion == nil { // nothing to read, and most likely nothing that the caller minds
		number, conversion = motan.SerializeSimple, conversions[motan.SerializeSimple]
	}
	if err := f.Inflate(x.provider.settings.MaxContentLength); err != nil {
		return badRequest("arguments: %v", err)
	}
	r := typedRequest{exchange: x, method: m}
	text, err := conversion.AppendArguments(nil, f.Body())
	if err != nil {
		return badRequest("arguments: %v", err)
	}
	if err := json.Unmarshal(text, &r.arguments); err != nil {
		return badRequest("arguments: %v", err)
	}
	if err := r.fill(); err != nil {
		return err
	}
	if err := x.do(x.provider.proxy); err != nil {
		return err
	}
	return x.typedResult(m, number, conversion)
}

// fill makes the request of the arguments.
func (r *typedRequest) fill() *motan.Error {
	x, m := r.exchange, r.method
	if m.listed && len(r.arguments) > len(m.places) {
		return badRequest("the method takes %d arguments, got %d", len(m.places), len(r.arguments))
	}
	h := &x.req.Header
	h.SetMethod(m.verb)
	x.setConvertedHeaders()
	h.Del("Content-Type")
	h.Set("Accept", "application/json")
	for i, argument := range r.arguments {
		if err := r.place(i, argument); err != nil {
			return err
		}
	}
	path, failed := r.path()
	if failed != nil {
		return failed
	}
	if failed := r.setRest(); failed != nil {
		return failed
	}
	if len(h.Host()) == 0 {
		h.SetHost(x.provider.host())
	}
	if !isHost(h.Host()) {
		return badRequest("the Host %.100q is not a host", h.Host())
	}
	x.req.UseHostHeader = true
	x.exact = true // the path is made of checked parts, and has what was escaped on purpose
	uri := x.req.URI()
	uri.SetScheme(x.provider.settings.ProxySchema)
	uri.SetHostBytes(h.Host())
	uri.SetPath(path)
	uri.SetQueryStringBytes(r.query)
	x.forwardedFor()
	return nil
}

// place puts one argument where it goes.
func (r *typedRequest) place(i int, argument json.RawMessage) *motan.Error {
	var p argumentPlace
	if i < len(r.method.places) {
		p = r.method.places[i]
	}
	switch p.kind {
	case placePath: // when the path is made
	case placeRest:
		r.rest = append(r.rest, argument)
	case placeQuery:
		return r.addQuery(p.name, argument)
	case placeHeader:
		text, ok := scalarText(argument)
		if !ok {
			return badRequest("argument %d cannot be a header, it must be a string, a number or a bool", i)
		}
		if text != "" {
			r.exchange.setHeader([]byte(p.name), []byte(text))
		}
	case placeBody:
		if p.name == "" {
			r.setBody(argument)
			break
		}
		r.addMember(p.name, argument)
	}
	return nil
}

// addQuery adds a parameter: several for a list, none for null.
func (r *typedRequest) addQuery(name string, value json.RawMessage) *motan.Error {
	var list []json.RawMessage
	if len(value) == 0 || value[0] != '[' || json.Unmarshal(value, &list) != nil {
		list = []json.RawMessage{value}
	}
	for _, item := range list {
		text, ok := scalarText(item)
		if !ok {
			return badRequest("%s cannot be a parameter of the query, it must be a string, a number, a bool or a list of them", name)
		}
		if string(item) != "null" {
			r.query = appendPair(r.query, []byte(name), []byte(text))
		}
	}
	return nil
}

func (r *typedRequest) addMember(name string, value json.RawMessage) {
	separator := byte(',')
	if len(r.members) == 0 {
		separator = '{'
	}
	key, _ := json.Marshal(name) // a string always can be
	r.members = append(append(append(append(r.members, separator), key...), ':'), value...)
}

func (r *typedRequest) setBody(body []byte) {
	r.exchange.req.Header.SetContentType("application/json")
	r.exchange.req.SetBodyRaw(body)
}

// setRest places what no place was named for: one argument is the body, several are a JSON array there; without a body the
// entries of a map are the query.
func (r *typedRequest) setRest() *motan.Error {
	switch {
	case len(r.members) > 0:
		r.setBody(append(r.members, '}'))
	case len(r.rest) == 0:
	case r.method.hasBody() && len(r.rest) == 1:
		r.setBody(r.rest[0])
	case r.method.hasBody():
		body, err := json.Marshal(r.rest)
		if err != nil {
			return badRequest("arguments: %v", err)
		}
		r.setBody(body)
	default:
		for _, argument := range r.rest {
			var entries map[string]json.RawMessage
			if string(argument) == "null" {
				continue
			}
			if err := json.Unmarshal(argument, &entries); err != nil {
				return badRequest("a %s takes a map for its query; name the place of other arguments by arguments: in http-service", r.method.verb)
			}
			for _, name := range sortedKeys(entries) {
				if err := r.addQuery(name, entries[name]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// path is the path with its arguments, each of which stays within its place.
func (r *typedRequest) path() (string, *motan.Error) {
	var b strings.Builder
	for _, p := range r.method.path {
		text := p.text
		switch {
		case p.argument == methodPiece:
			text = url.PathEscape(string(r.exchange.call.Request.Method()))
		case p.argument >= len(r.arguments):
			return "", badRequest("argument %d is missing, it is a part of the path", p.argument)
		case p.argument >= 0:
			plain, ok := scalarText(r.arguments[p.argument])
			if !ok {
				return "", badRequest("argument %d cannot be a part of the path, it must be a string, a number or a bool", p.argument)
			}
			text = url.PathEscape(plain)
		}
		if p.argument != textPiece && (text == "" || text == "." || text == "..") {
			return "", badRequest("a part of the path would be %q", text)
		}
		b.WriteString(text)
	}
	return b.String(), nil
}

// typedResult makes the reply of the answer.
func (x *webExchange) typedResult(m *typedMethod, number int, c Conversion) *motan.Error {
	body := x.resp.Body()
	if status := x.resp.StatusCode(); status >= fasthttp.StatusBadRequest {
		x.call.Reply.SetException(motan.Exception{Code: status, Message: string(body[:min(len(body), exceptionBytes)]), Type: motan.TypeBiz})
		return nil
	}
	text := bytes.TrimSpace(body)
	kind, _, _ := strings.Cut(string(x.resp.Header.ContentType()), ";")
	kind = strings.TrimSpace(kind)
	switch {
	case len(text) == 0:
		text = []byte("null")
	case kind != "application/json" && kind != "text/json" && !strings.HasSuffix(kind, "+json"):
		text, _ = json.Marshal(string(body)) // a string always can be
	}
	value, err := c.AppendResult(nil, text, m.result)
	if err != nil {
		return refused(motan.KindBroken, motan.CodeUnavailable, "http provider: the answer is not the value that the method returns: %v", err)
	}
	x.setResponseHeaders(false)
	r := &x.call.Reply
	r.SetSerialization(number)
	r.SetBody(value)
	r.SetInt("upstreamCode", int64(x.resp.StatusCode()))
	return nil
}
