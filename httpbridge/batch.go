package httpbridge

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// maxBatch bounds the calls of one batch, all of which are in flight at once.
const maxBatch = 100

// batchCall is one call of a batch. What is left out is that of the request's headers.
type batchCall struct {
	ID        json.RawMessage   `json:"id"` // comes back with the answer
	Service   string            `json:"service"`
	Method    string            `json:"method"`
	Args      json.RawMessage   `json:"args"`
	Signature string            `json:"signature"` // MOTAN-md
	Group     string            `json:"group"`
	Version   string            `json:"version"`
	Timeout   int               `json:"timeout"` // in ms
	Metadata  map[string]string `json:"metadata"`
}

// serveBatch answers a JSON array of calls with a JSON array of their answers, in the order of the calls. The calls are
// made at once; each has a status of its own, so the request's is 200 unless it is no batch.
func (s *Server) serveBatch(ctx *fasthttp.RequestCtx) {
	x := s.newExchange()
	var h headers
	bad := x.takeHead(ctx, &h)
	x.release()
	switch {
	case bad != nil:
		bad.answer(ctx)
		return
	case parseAccept(h.accept)[formJSON] == 0:
		answerInvalid(ctx, fasthttp.StatusNotAcceptable, "Accept %.100q: a batch is answered as application/json", h.accept)
		return
	}
	calls, bad := s.readBatch(ctx, &h)
	if bad != nil {
		bad.answer(ctx)
		return
	}
	exchanges, refused := make([]*exchange, len(calls)), make([]*invalid, len(calls))
	for i := range calls {
		exchanges[i] = s.newExchange()
		if refused[i] = exchanges[i].fillCall(ctx, &calls[i]); refused[i] == nil {
			exchanges[i].start(s.Handler)
		}
	}
	if len(ctx.Request.Body()) > keptBytes {
		ctx.Request.SwapBody(nil)
	}
	text := []byte{'['}
	for i, x := range exchanges {
		if i > 0 {
			text = append(text, ',')
		}
		text = x.appendAnswer(ctx, text, calls[i].ID, refused[i])
	}
	if len(h.requestID) > 0 {
		ctx.Response.Header.SetBytesV("X-Request-Id", h.requestID)
	}
	ctx.Response.Header.SetContentTypeBytes(typeJSON)
	s.setBody(ctx, &h, append(text, ']', '\n'))
}

// readBatch reads the calls of the body.
func (s *Server) readBatch(ctx *fasthttp.RequestCtx, h *headers) ([]batchCall, *invalid) {
	body := ctx.Request.Body()
	if len(h.encoding) > 0 && !equalFolds(h.encoding, "identity") {
		var bad *invalid
		if body, bad = s.inflate(ctx, h.encoding, body); bad != nil {
			return nil, bad
		}
	}
	if kind := h.contentType; len(kind) > 0 && !isJSON(kind) && !looksLikeJSON(body) {
		return nil, &invalid{fasthttp.StatusUnsupportedMediaType, errors.New("a batch is JSON: send Content-Type: application/json")}
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	if first, err := d.Token(); err != nil || first != json.Delim('[') {
		return nil, refused400(`a batch is a JSON array of calls: [{"service":"…","method":"…","args":[…],"id":1}]`)
	}
	var calls []batchCall
	for d.More() {
		if len(calls) == maxBatch {
			return nil, &invalid{fasthttp.StatusRequestEntityTooLarge, fmt.Errorf("a batch takes at most %d calls", maxBatch)}
		}
		var c batchCall
		if err := d.Decode(&c); err != nil {
			return nil, refused400("call %d of the batch: %w", len(calls), err)
		}
		calls = append(calls, c)
	}
	if _, err := d.Token(); err != nil {
		return nil, refused400("the batch has no end: %w", err)
	}
	if d.More() {
		return nil, refused400("something follows the batch")
	}
	return calls, nil
}

// fillCall makes a call of a batch.
func (x *exchange) fillCall(ctx *fasthttp.RequestCtx, c *batchCall) *invalid {
	f := &x.call.Request
	if err := setPlainName(f, "M_p", []byte(c.Service)); err != nil {
		return refused400("service: %w", err)
	}
	if err := setPlainName(f, "M_m", []byte(c.Method)); err != nil {
		return refused400("method: %w", err)
	}
	var h headers
	if bad := x.takeHead(ctx, &h); bad != nil {
		return bad
	}
	for _, x := range [...]struct{ key, name, value string }{{"M_g", "group", c.Group}, {"M_v", "version", c.Version}, {"M_md", "signature", c.Signature}} {
		if x.value == "" {
			continue
		}
		if err := carry(f, x.key, []byte(x.name), []byte(x.value)); err != nil {
			return refused400("%w", err)
		}
	}
	for key, value := range c.Metadata {
		if err := takeAttachment(f, append(append([]byte{}, metaPrefix...), key...), []byte(value)); err != nil {
			return refused400("metadata: %w", err)
		}
	}
	switch {
	case c.Timeout < 0:
		return refused400("timeout: not a positive number of milliseconds")
	case c.Timeout > 0:
		f.SetInt("M_tmo", int64(c.Timeout))
	}
	_, signature := x.types()
	if err := x.takeJSON(c.Args, signature); err != nil {
		return refused400("args: %w", err)
	}
	return x.oversize()
}

// appendAnswer waits for a call of a batch and writes its answer behind dst. It releases the exchange.
func (x *exchange) appendAnswer(ctx *fasthttp.RequestCtx, dst, id []byte, bad *invalid) []byte {
	if len(id) > 0 {
		dst = append(append(append(dst, `{"id":`...), id...), `,"status":`...)
	} else {
		dst = append(dst, `{"status":`...)
	}
	failed := func(status int, e motan.Exception) []byte {
		dst = append(strconv.AppendInt(dst, int64(status), 10), `,"error":`...)
		return append(e.AppendJSON(dst), '}')
	}
	problem := func(status int, message string) []byte {
		return failed(status, motan.Exception{Code: status, Type: motan.TypeService, Message: message})
	}
	if bad != nil {
		x.release()
		return problem(bad.status, bad.err.Error())
	}
	if !x.await() {
		return problem(fasthttp.StatusGatewayTimeout, fmt.Sprintf("the call has not ended within %v", x.server.DefaultTimeout))
	}
	defer x.release()
	if status, e, bad := outcome(x.call); bad {
		return failed(status, e)
	}
	x.server.learned.note(x.call, x.body)
	// All answers together are bounded as one is by what may come in, and counted with all that is held.
	conn, size := connOf(ctx), len(dst)+len(x.call.Reply.Body())
	if size > batchAnswer*x.server.MaxBodySize || conn != nil && !conn.awaitRoom(2*int64(size), orDefault(x.server.WriteTimeout, defaultTransfer)) {
		return problem(fasthttp.StatusServiceUnavailable, "the call was made, but the answers of the batch are too large together; make smaller ones")
	}
	mark := len(dst)
	dst = append(dst, `200,"value":`...)
	value, _, err := x.value(dst, anyForm)
	if err != nil {
		dst = dst[:mark]
		return problem(fasthttp.StatusBadGateway, err.Error())
	}
	return append(value, '}')
}

// batchAnswer is how many bodies of MaxBodySize the answers of a batch may take together.
const batchAnswer = 4
