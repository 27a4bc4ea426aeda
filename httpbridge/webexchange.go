package httpbridge

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strconv"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

const (
	// sentPairs and sentBytes bound the metadata that may become headers. More than 64 KiB no web server reads.
	sentPairs = 512
	sentBytes = 64 << 10
	// exceptionBytes bounds what of a body becomes the message of an exception.
	exceptionBytes = 32 << 10
)

// webExchange is a call and the HTTP exchange that answers it.
type webExchange struct {
	provider *Provider
	call     *motan.Call
	req      *fasthttp.Request
	resp     *fasthttp.Response
	exact    bool // the path of req goes out as it was set, and is not normalised
	scratch  []byte
}

func (x *webExchange) release() {
	fasthttp.ReleaseRequest(x.req)
	fasthttp.ReleaseResponse(x.resp)
}

// refused is an error that the caller's request is the reason of, or the web service; see Provider.
func refused(kind motan.Kind, code int, format string, args ...any) *motan.Error {
	return &motan.Error{Kind: kind, Code: code, Type: motan.TypeBiz, Message: fmt.Sprintf(format, args...)}
}

func badRequest(format string, args ...any) *motan.Error {
	return refused(motan.KindBadRequest, fasthttp.StatusBadRequest, format, args...)
}

func checkMetadata(f *motan.Frame) *motan.Error {
	pairs, size := 0, 0
	for key, value := range f.All() {
		pairs++
		size += len(key) + len(value)
		if pairs > sentPairs || size > sentBytes {
			return badRequest("the attachments do not fit HTTP headers: at most %d and %d bytes", sentPairs, sentBytes)
		}
	}
	return nil
}

// backend is who answers an exchange: a web server, or scripts behind FastCGI.
type backend interface {
	// ask sends x.req and sets x.resp within the time given.
	ask(x *webExchange, left time.Duration) *motan.Error
	// close closes the connections; nothing is asked any more.
	close()
}

// do asks the web service in the time that is left.
func (x *webExchange) do(b backend) *motan.Error {
	left := x.provider.settings.RequestTimeout - time.Duration(motan.Now()-x.call.AttemptStart)
	if x.call.Deadline > 0 {
		left = min(left, time.Duration(x.call.Deadline-motan.Now()))
	}
	return b.ask(x, left)
}

// refusedByStatus makes an exception of a status of 400 or more if the service wants that.
func (x *webExchange) refusedByStatus() bool {
	status := x.resp.StatusCode()
	if status < fasthttp.StatusBadRequest || !x.provider.settings.EnableHTTPException {
		return false
	}
	body := x.resp.Body()
	body = body[:min(len(body), exceptionBytes)]
	x.call.Reply.SetException(motan.Exception{Code: status, Message: string(body), Type: motan.TypeBiz})
	return true
}

// setReply makes body, which is in Motan's simple serialization, the reply.
func (x *webExchange) setReply(body []byte) {
	r := &x.call.Reply
	r.SetSerialization(motan.SerializeSimple)
	r.SetBody(body)
	r.SetInt("upstreamCode", int64(x.resp.StatusCode()))
}

// setResponseHeaders makes attachments of the response's headers. Of repeated ones the last counts, or the first.
func (x *webExchange) setResponseHeaders(first bool) {
	r := &x.call.Reply
	seen := map[string]bool{}
	for name, value := range x.resp.Header.All() {
		if isHopByHop(name) || string(name) == "M_e" || first && seen[string(name)] {
			continue
		}
		if first {
			seen[string(name)] = true
		}
		r.SetBytes(string(name), value)
	}
}

// forwardedFor tells the web service where the call came from.
func (x *webExchange) forwardedFor() {
	if len(x.req.Header.Peek("X-Forwarded-For")) > 0 {
		return
	}
	ip := x.call.Request.Get("remoteIP")
	if len(ip) == 0 {
		ip = x.call.Request.Get("host")
	}
	x.scratch = appendVisible(x.scratch[:0], ip)
	if len(ip) == 0 {
		x.scratch = append(x.scratch, x.call.Remote...)
	}
	if len(x.scratch) > 0 {
		x.req.Header.SetBytesV("X-Forwarded-For", x.scratch)
	}
}

// requestID is the logical id of the call, M_rid, or if there is none the frame's id as the motan-go agent writes it.
func (x *webExchange) requestID() string {
	if id := x.call.Request.RequestID(); len(id) > 0 {
		return string(id)
	}
	return strconv.FormatInt(int64(x.call.Request.ID), 10)
}

// setHeader sets a header to the value of metadata, with a space for each control character. Names that HTTP does not
// allow, and headers that the connection to the web service has of its own, are left out. Name may be changed.
func (x *webExchange) setHeader(name, value []byte) {
	if !isToken(name) {
		return
	}
	x.scratch = fasthttp.AppendNormalizedHeaderKeyBytes(x.scratch[:0], name)
	n := len(x.scratch)
	if isHopByHop(x.scratch) || bytes.IndexByte(name, '_') >= 0 && isReserved(name) || string(x.scratch) == "Content-Length" || string(x.scratch) == "Host" {
		return
	}
	x.scratch = appendVisible(x.scratch, value)
	x.req.Header.SetBytesKV(x.scratch[:n], x.scratch[n:])
}

// setMotanHeader sets MOTAN-p for M_p, and so on for the ten keys that have such a header, and those that carry a trace.
// It tells whether key is one.
func (x *webExchange) setMotanHeader(key, value []byte) bool {
	switch string(key) {
	case "M_p", "M_m", "M_md", "M_g", "M_pp", "M_v", "M_mdu", "M_s", "M_rid", "M_tmo":
		var name [9]byte
		x.setHeader(append(append(name[:0], motanPrefix...), key[2:]...), value)
		return true
	}
	if traceKey(key) != "" {
		x.setHeader(key, value)
		return true
	}
	return false
}

// setRequestID sets MOTAN-rid if the call had no M_rid to make it of.
func (x *webExchange) setRequestID() {
	if len(x.call.Request.RequestID()) == 0 {
		x.req.Header.Set("MOTAN-rid", x.requestID())
	}
}

// readArguments takes the arguments of a request apart, of which there are at most two.
func readArguments(f *motan.Frame, limit int) ([]argument, *motan.Error) {
	if err := f.Inflate(limit); err != nil {
		return nil, badRequest("arguments: %v", err)
	}
	body := f.Body()
	if n := f.Serialization(); len(body) > 0 && n != motan.SerializeSimple {
		return nil, badRequest("arguments in serialization %d cannot be written as HTTP, only simple (%d)", n, motan.SerializeSimple)
	}
	var args []argument
	for len(body) > 0 {
		if len(args) == 2 {
			return nil, manyArguments()
		}
		tag, payload, rest, err := simple.Split(body)
		if err != nil {
			return nil, badRequest("arguments: %v", err)
		}
		args = append(args, argument{tag, payload})
		body = rest
	}
	return args, nil
}

// manyArguments has the motan-go agent's words.
func manyArguments() *motan.Error { return badRequest("http rpc only support one parameter") }

// argument is one argument of a call.
type argument struct {
	tag     simple.Tag
	payload []byte // as simple.Split returns it
}

// pairs yields the entries of a map of strings, as far as they are well formed, and returns an error where they are not.
func (a argument) pairs(yield func(key, value []byte)) *motan.Error {
	rest := a.payload
	for len(rest) > 0 {
		key, after, err := simple.SplitText(rest)
		if err != nil {
			return badRequest("arguments: %v", err)
		}
		value, next, err := simple.SplitText(after)
		if err != nil {
			return badRequest("arguments: %v", err)
		}
		yield(key, value)
		rest = next
	}
	return nil
}

// appendValue appends a string or bytes in the simple serialization.
func appendValue(dst []byte, tag simple.Tag, value []byte) []byte {
	dst = append(dst, byte(tag))
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(value)))
	return append(dst, value...)
}

// valueBytes is how much appendValue adds to a value.
const valueBytes = 5
