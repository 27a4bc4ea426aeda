package httpbridge

import (
	"errors"
	"io"
	"sync"
	"time"
)

var (
	errForwardBody = errors.New("the body is too large")
	errForwardDone = errors.New("the request is over")
)

// forwardBody is the body of a request on its way out. The connection that it comes from is the server's again once end has
// returned, whatever the other side still wants to read.
type forwardBody struct {
	exchange *forwarding
	left     int64 // bytes that are allowed, where MaxRequestBody is set

	mu     sync.Mutex
	stream io.Reader // guarded by mu
	failed error     // guarded by mu; nil until reading has ended
}

// Read reads the next block. Each must come within the Timeout.
func (b *forwardBody) Read(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed != nil {
		return 0, b.failed
	}
	x := b.exchange
	if err := x.ctx.Conn().SetReadDeadline(time.Now().Add(x.forward.settings.Timeout)); err != nil {
		return 0, err
	}
	n, err := b.stream.Read(p)
	if errors.Is(err, io.EOF) && x.ctx.Request.Header.ContentLength() < 0 && !isWhole(x.ctx) {
		err = io.ErrUnexpectedEOF
	}
	if limit := x.forward.settings.MaxRequestBody; limit > 0 {
		if b.left -= int64(n); b.left < 0 {
			err = errForwardBody
		}
	}
	b.failed = err
	x.moveOn()
	return n, err
}

// Close tells that nothing more will be read.
func (b *forwardBody) Close() error { return nil }

// end waits for a Read that has begun, and lets no further one begin.
func (b *forwardBody) end() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil {
		b.failed = errForwardDone
		b.exchange.ctx.SetConnectionClose() // what is left of the body is not read
	}
}

// forwardResponse is the body of a response on its way back.
type forwardResponse struct {
	exchange *forwarding
	body     io.ReadCloser
}

// Read reads the next block, and gives the client time to take the one before.
func (r *forwardResponse) Read(p []byte) (int, error) {
	x := r.exchange
	n, err := r.body.Read(p)
	x.moveOn()
	if deadline := x.ctx.Conn().SetWriteDeadline(time.Now().Add(x.forward.settings.Timeout)); deadline != nil && err == nil {
		err = deadline
	}
	return n, err
}

// Close ends the exchange.
func (r *forwardResponse) Close() error {
	err := r.body.Close()
	r.exchange.end()
	return err
}
