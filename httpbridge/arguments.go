package httpbridge

import (
	"bytes"
	"errors"
	"fmt"
	"unicode/utf8"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// maxFields bounds the fields of a query or a form, each of which takes more memory than the client sends for it.
const maxFields = 1000

// invalid is why a request is not answered, and the status that says so.
type invalid struct {
	status int
	err    error
}

func refused400(format string, args ...any) *invalid {
	return &invalid{fasthttp.StatusBadRequest, fmt.Errorf(format, args...)}
}

// takeBody makes the arguments of the body.
func (x *exchange) takeBody(ctx *fasthttp.RequestCtx, h *headers, signature []byte) *invalid {
	body := ctx.Request.Body()
	if len(h.encoding) > 0 && !equalFolds(h.encoding, "identity") {
		var bad *invalid
		if body, bad = x.server.inflate(ctx, h.encoding, body); bad != nil {
			return bad
		}
	}
	media, _, _ := bytes.Cut(h.contentType, []byte(";"))
	media = bytes.TrimSpace(media)
	var err error
	switch {
	case len(media) == 0 || isJSON(media):
		err = x.takeJSON(body, signature)
	case equalFolds(media, "application/x-www-form-urlencoded"):
		if looksLikeJSON(body) { // curl -d and PHP's streams call everything a form unless they are told otherwise
			err = x.takeJSON(body, signature)
			break
		}
		fields := fasthttp.AcquireArgs()
		defer fasthttp.ReleaseArgs(fields)
		if bad := parseFields(fields, body); bad != nil {
			return bad
		}
		err = x.takeFields(fields, signature)
	case equalFolds(media, "application/octet-stream"):
		x.body, err = simple.Append(x.room(len(body)), body)
	default:
		return unsupported(media)
	}
	if err != nil {
		return refused400("arguments: %w", err)
	}
	if len(body) > keptBytes {
		ctx.Request.SwapBody(nil) // or the text would be held as long as the connection is
	}
	return x.oversize()
}

// oversize refuses arguments that have grown too large.
func (x *exchange) oversize() *invalid {
	if limit := x.server.MaxBodySize; len(x.body) > limit {
		return &invalid{fasthttp.StatusRequestEntityTooLarge, fmt.Errorf("the arguments take %d bytes in Motan's serialization, %d are allowed", len(x.body), limit)}
	}
	return nil
}

// room returns the exchange's buffer, or a new one that has room for n bytes and some more.
func (x *exchange) room(n int) []byte {
	if n > keptBytes && cap(x.body) < n {
		x.body = make([]byte, 0, n+n/16+64)
	}
	return x.body[:0]
}

func (x *exchange) takeJSON(text, signature []byte) (err error) {
	if len(signature) == 0 {
		x.body, err = simple.AppendJSONArgs(x.room(len(text)), text)
	} else {
		x.body, err = simple.AppendJSONArgsAs(x.room(len(text)), text, signature)
	}
	return err
}

// takeFields makes the arguments of a query or a form: each "arg" is an argument, or else all fields together are one
// map of strings.
func (x *exchange) takeFields(fields *fasthttp.Args, signature []byte) (err error) {
	var texts [][]byte
	var named simple.StringMap
	for name, value := range fields.All() {
		if string(name) == "arg" {
			texts = append(texts, value)
			continue
		}
		if !utf8.Valid(name) || !utf8.Valid(value) {
			return fmt.Errorf("field %.100q is not UTF-8", name)
		}
		if _, twice := named.Get(string(name)); twice {
			return fmt.Errorf("field %.100q is there twice: a list is sent as JSON, several arguments as arg=…&arg=…", name)
		}
		named = append(named, simple.StringPair{Key: string(name), Value: string(value)})
	}
	switch {
	case len(named) == 0:
		x.body, err = simple.AppendTextArgs(x.body[:0], texts, signature)
	case len(texts) > 0:
		err = fmt.Errorf("field %.100q beside arg: either each argument is a field arg, or all fields together are one map", named[0].Key)
	case bytes.IndexByte(signature, ',') >= 0:
		err = errors.New("named fields are one map, but the signature has several parameters: send arg=… for each")
	default:
		x.body, err = simple.Append(x.body[:0], named)
	}
	return err
}

// parseFields reads a query or a form.
func parseFields(fields *fasthttp.Args, text []byte) *invalid {
	if bytes.Count(text, []byte("&")) >= maxFields {
		return &invalid{fasthttp.StatusRequestEntityTooLarge, fmt.Errorf("more than %d fields: send JSON", maxFields)}
	}
	fields.ParseBytes(text)
	return nil
}

// looksLikeJSON tells whether a body that is called a form is JSON: it begins as no form does, or has no field.
func looksLikeJSON(body []byte) bool {
	body = bytes.TrimLeft(body, " \t\r\n")
	return len(body) == 0 || bytes.IndexByte([]byte("[{\""), body[0]) >= 0 || bytes.IndexByte(body, '=') < 0
}

// inflate returns the plain body of one that is compressed.
func (s *Server) inflate(ctx *fasthttp.RequestCtx, encoding, body []byte) ([]byte, *invalid) {
	if !equalFolds(encoding, "gzip") && !equalFolds(encoding, "x-gzip") {
		ctx.Response.Header.Set("Accept-Encoding", "gzip")
		return nil, &invalid{fasthttp.StatusUnsupportedMediaType, fmt.Errorf("Content-Encoding %.100q is not read: send gzip, or the plain body without it", encoding)}
	}
	f := motan.Frame{Type: motan.FlagGzip}
	f.SetBody(body)
	err := f.Inflate(s.MaxBodySize)
	switch {
	case errors.Is(err, motan.ErrOversize):
		return nil, &invalid{fasthttp.StatusRequestEntityTooLarge, err}
	case err != nil:
		return nil, refused400("the body is not gzip: %w", err)
	}
	return f.Body(), nil
}

// unsupported is the answer to a body of a type that is not read.
func unsupported(media []byte) *invalid {
	what := "send JSON (application/json, text/json or another that ends in +json), a form (application/x-www-form-urlencoded), or bytes (application/octet-stream)"
	if len(media) > 10 && equalFolds(media[:10], "multipart/") {
		what = `multipart forms are not read: send JSON with files as {"$bytes":"base64"}, or one file as application/octet-stream`
	}
	return &invalid{fasthttp.StatusUnsupportedMediaType, fmt.Errorf("Content-Type %.100q: %s", media, what)}
}
