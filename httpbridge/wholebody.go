package httpbridge

import (
	"errors"
	"io"
	"sync"

	"github.com/valyala/fasthttp"
)

// bodyStep is by how much memory for a body grows.
const bodyStep = 64 << 10

var bodies = sync.Pool{New: func() any { return new([]byte) }}

// takeBody reads the body of a request that is to become a call. It takes memory as the body comes, which the connection
// counts. ok is false when the request is answered; else the memory, nil for none, is to be given back.
func (s *Server) takeBody(ctx *fasthttp.RequestCtx) (taken *[]byte, ok bool) {
	stream := ctx.RequestBodyStream()
	if stream == nil {
		return nil, true
	}
	taken = bodies.Get().(*[]byte) //nolint:forcetypeassert // the pool has nothing else
	b, n := (*taken)[:0], ctx.Request.Header.ContentLength()
	var err error
	if n > s.MaxBodySize {
		err = fasthttp.ErrBodyTooLarge
	}
	for err == nil {
		if len(b) == cap(b) {
			step := max(bodyStep, len(b)/2)
			if n >= 0 { // a byte more, to see the end
				step = min(step, n-len(b)+1)
			}
			b = append(make([]byte, 0, len(b)+step), b...)
		}
		var read int
		read, err = stream.Read(b[len(b):cap(b)])
		if b = b[:len(b)+read]; len(b) > s.MaxBodySize {
			err = fasthttp.ErrBodyTooLarge
		}
	}
	*taken = b
	if errors.Is(err, io.EOF) && (n < 0 && isWhole(ctx) || len(b) == n) {
		ctx.Request.SetBodyRaw(b)
		return taken, true
	}
	giveBack(taken)
	if errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	s.refuse(ctx, err)
	if c, ok := ctx.Conn().(*serverConn); ok {
		c.linger.Store(true)
	}
	ctx.SetConnectionClose()
	return nil, false
}

// giveBack gives the memory of a body back, which nobody may read any more.
func giveBack(b *[]byte) {
	if b != nil {
		*b = kept(*b)
		bodies.Put(b)
	}
}

// isWhole tells whether the request has come to its end: fasthttp does not tell that from a trailer that breaks off.
func isWhole(ctx *fasthttp.RequestCtx) bool {
	c, ok := ctx.Conn().(*serverConn)
	return !ok || c.gate.ended >= ctx.ConnRequestNum()
}
