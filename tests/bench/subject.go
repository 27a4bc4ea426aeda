package main

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/url"
	"time"

	"github.com/motand/motand/tests/bench/load"
)

// subject is a contender that runs.
type subject struct {
	name       string
	processes  []*process // those that are measured
	target     load.Target
	http       load.HTTPRequest // what is asked over HTTP
	management []string         // addresses from which CPU profiles can be had
	sockets    int              // descriptors that an idle connection takes
	close      func()           // ends what runs beside; may be nil

	peak float64 // calls/s, where the scenario asks for it
}

// stop ends the processes.
func (s *subject) stop() {
	if s.close != nil {
		s.close()
	}
	for _, p := range s.processes {
		p.stop()
	}
}

// ready waits until a call is answered as it should be, and finds out in which form the subject takes HTTP calls.
func (s *subject) ready(ctx context.Context, w *site, forms []load.HTTPRequest) error {
	return s.await(ctx, "answer a call", func(ctx context.Context) error { return s.probe(ctx, w, forms) })
}

// listening waits until an address of the subject accepts connections.
func (s *subject) listening(ctx context.Context, addr string) error {
	return s.await(ctx, "listen", func(ctx context.Context) error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr)
		if err == nil {
			conn.Close()
		}
		return err
	})
}

// await tries until it succeeds, a process of the subject ends, or startTime is over.
func (s *subject) await(ctx context.Context, what string, try func(ctx context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, startTime)
	defer cancel()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	var last error // other than that time is over
	for {
		err := try(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() == nil {
			last = err
		}
		for _, p := range s.processes {
			if ended := p.running(); ended != nil {
				return ended
			}
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				return ctx.Err()
			}
			return fmt.Errorf("it did not %s within %s: %w%s", what, startTime, last, s.processes[0].tail())
		}
	}
}

// probe makes a call in each form until one is answered.
func (s *subject) probe(ctx context.Context, w *site, forms []load.HTTPRequest) error {
	if w.shape == motanIn {
		r, err := load.Motan{Target: s.target, Request: w.request(), Conns: 1, InFlight: 1}.Run(ctx)
		if err == nil && r.Calls == 0 {
			err = errors.New("the answer is an exception")
		}
		return err
	}
	var errs []error
	for _, form := range forms {
		err := load.HTTP{Target: s.target, Request: form}.Once(ctx)
		if err == nil {
			s.http = form
			return nil
		}
		errs = append(errs, err)
	}
	return errors.Join(errs...)
}

// text is the argument of HTTP calls.
func text() string { return string(load.Body(textBytes + 5)[5:]) }

// proxyForms is what a proxy is asked, which the provider echoes.
func proxyForms() []load.HTTPRequest {
	body := []byte(`["` + text() + `"]`)
	return []load.HTTPRequest{load.NewPost("/rpc/"+benchService+"/"+benchMethod, body, body)}
}

// agentForms are the forms in which an agent can be asked to call a service over HTTP: motand's, in which the bytes that
// an HTTP provider answers with are JSON in one of two ways, and motan-go's.
func agentForms() []load.HTTPRequest {
	text := text()
	path := "/rpc/" + benchService + "/" + benchMethod
	body := []byte(`["` + text + `"]`)
	query := url.Values{"service": {benchService}, "method": {benchMethod}, "group": {benchGroup}, "arg_type": {"string"}, "arg": {text}}
	return []load.HTTPRequest{
		load.NewPost(path, body, []byte(`"`+text+`"`)),
		load.NewPost(path, body, []byte(`"`+base64.StdEncoding.EncodeToString([]byte(text))+`"`)),
		load.NewGet("/proxy_to_rpc?"+query.Encode(), []byte(text)),
	}
}
