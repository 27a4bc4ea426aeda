package fastcgi

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

const (
	valuesBytes = 4 << 10 // an answer to a question for values is some dozen bytes
	pingBytes   = 64 << 10
)

// Ping tells whether the server at the address answers; nil means that it does. With a path it asks for PHP-FPM's ping.path,
// which must answer 200; with "" it asks for the values that each FastCGI server has. Both need a free process. It returns
// when ctx ends, which must have a deadline.
func Ping(ctx context.Context, network, address, path string) error {
	deadline, ok := ctx.Deadline()
	if !ok {
		return fmt.Errorf("fastcgi: ping %s: the context has no deadline", address)
	}
	if path == "" {
		return askValues(ctx, network, address, deadline)
	}
	c := New(Settings{Network: network, Address: address, MaxHead: pingBytes, MaxBody: pingBytes})
	r := &Request{Script: path}
	for name, value := range map[string]string{"REQUEST_METHOD": "GET", "SCRIPT_NAME": path, "SCRIPT_FILENAME": path, "QUERY_STRING": "", "SERVER_PROTOCOL": "HTTP/1.1"} {
		r.Params.Add(name, value)
	}
	answer, err := c.Do(r, deadline)
	if err == nil && answer.Status != defaultStatus {
		err = fmt.Errorf("fastcgi: %s answers with status %d; is it ping.path of the pool?", path, answer.Status)
	}
	return err
}

// askValues asks whether the server multiplexes, and for no more than an answer.
func askValues(ctx context.Context, network, address string, deadline time.Time) error {
	made, err := new(net.Dialer).DialContext(ctx, network, address)
	if err != nil {
		return &DialError{err}
	}
	defer made.Close()
	_ = made.SetDeadline(deadline) // on a closed connection, the write says so
	var question Params
	question.Add("FCGI_MPXS_CONNS", "")
	if _, err := made.Write(appendRecord(nil, typeValues, noRequest, question.encoded)); err != nil {
		return fmt.Errorf("fastcgi: ask for values: %w", err)
	}
	in := newConn(made).in
	r, err := readRecord(in)
	if err != nil {
		return broken(err)
	}
	if r.typ != typeValuesResult || r.id != noRequest || r.length > valuesBytes {
		return malformed("a record of type %d and %d bytes instead of values", r.typ, r.length)
	}
	content := make([]byte, r.length)
	if _, err := io.ReadFull(in, content); err != nil {
		return broken(err)
	}
	for len(content) > 0 {
		_, _, rest, ok := cutPair(content)
		if !ok {
			return malformed("values that are no pairs")
		}
		content = rest
	}
	return nil
}
