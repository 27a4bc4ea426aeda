package httpbridge

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"
)

// Bounds of the connections to other hosts.
const (
	forwardPerHost = 512
	forwardIdle    = 256 // of all hosts
	forwardKept    = 32  // of one
)

// ForwardSettings are how requests are passed on as plain HTTP.
type ForwardSettings struct {
	Targets        Targets
	Tunnels        Tunnels
	Timeout        time.Duration // within which something must go on: a connection, a block of a body, the response's head; 0 means 5 s
	IdleTimeout    time.Duration // of a kept connection; 0 means 5 s
	CloseEach      bool          // keep no connections
	MaxRequestBody int64         // in bytes; 0 means no bound: bodies are passed on as they come
	Name           string        // in the header Via, by which a request that comes back is known; empty means motand
	Logger         *slog.Logger  // gets a line for each request; nil means slog.Default
}

// Forward is a forward proxy: it passes requests on to the hosts that they name, as HTTP/1.1 and block by block. It has no state
// but its kept connections.
type Forward struct {
	settings  ForwardSettings
	transport *http.Transport
	via       string
	rules     atomic.Pointer[forwardRules]
	tunnels   tunnels

	Passed  atomic.Int64 // requests that were passed on
	Refused atomic.Int64 // for their target
	Failed  atomic.Int64 // because the other host did not answer
}

// forwardRules are where a Forward goes. They are replaced, never changed.
type forwardRules struct {
	targets Targets
	tunnels Tunnels
}

// NewForward returns a proxy that has no connection yet.
func NewForward(s ForwardSettings) *Forward {
	s.Timeout, s.IdleTimeout = orDefault(s.Timeout, 5*time.Second), orDefault(s.IdleTimeout, defaultIdleConn)
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	if s.Name == "" {
		s.Name = "motand"
	}
	f := &Forward{settings: s, via: "1.1 " + s.Name}
	f.tunnels.all, f.tunnels.fewer = map[*tunnel]struct{}{}, sync.NewCond(&f.tunnels.mu)
	f.tunnels.ctx, f.tunnels.cancel = context.WithCancel(context.Background())
	f.Use(s.Targets, s.Tunnels, 0)
	f.transport = &http.Transport{
		DialContext:         f.dial,
		DisableCompression:  true, // bodies stay as they are
		DisableKeepAlives:   s.CloseEach,
		MaxIdleConns:        forwardIdle,
		MaxIdleConnsPerHost: forwardKept,
		MaxConnsPerHost:     forwardPerHost,
		IdleConnTimeout:     s.IdleTimeout,
		// As much as is read of a request here.
		MaxResponseHeaderBytes: rawHeadBytes,
	}
	return f
}

// Close closes the kept connections and ends the tunnels. No further ones are made.
func (f *Forward) Close() {
	f.transport.CloseIdleConnections()
	f.tunnels.end()
}

func (f *Forward) dial(ctx context.Context, network, addr string) (net.Conn, error) {
	return f.rules.Load().targets.Dial(ctx, network, addr, f.settings.Timeout)
}

// here tells whether a Host means this agent, of a request that is not for a proxy by its form: this host's own address, unless
// that is opened as a target.
func (f *Forward) here(host string) bool {
	name, port, err := net.SplitHostPort(host)
	if err != nil {
		name, port = host, "80"
	}
	if name = strings.Trim(name, "[]"); name == "" || strings.EqualFold(name, "localhost") {
		name = "127.0.0.1"
	}
	addr, err := netip.ParseAddrPort(net.JoinHostPort(name, port))
	if err != nil {
		return false
	}
	err = f.rules.Load().targets.check(name, addr)
	return errors.Is(err, errTargetOwn) || err != nil && addr.Addr().IsLoopback()
}

// Serve passes a request on to host.
func (f *Forward) Serve(ctx *fasthttp.RequestCtx, host string) {
	begin := time.Now()
	if ctx.IsConnect() {
		f.connect(ctx)
		return
	}
	f.serve(ctx, host)
	f.settings.Logger.Info("http-proxy", "host", host, "method", string(ctx.Method()), "path", string(ctx.URI().PathOriginal()),
		"status", ctx.Response.StatusCode(), "ms", time.Since(begin).Milliseconds())
}

func (f *Forward) serve(ctx *fasthttp.RequestCtx, host string) {
	for _, via := range ctx.Request.Header.PeekAll("Via") {
		if bytes.Contains(via, []byte(f.settings.Name)) {
			f.Refused.Add(1)
			answerText(ctx, fasthttp.StatusLoopDetected, "the request has been here before")
			return
		}
	}
	if limit := f.settings.MaxRequestBody; limit > 0 && int64(ctx.Request.Header.ContentLength()) > limit {
		f.fail(ctx, errForwardBody, nil)
		return
	}
	alive, cancel := context.WithCancelCause(context.Background())
	watch := time.AfterFunc(f.settings.Timeout, func() { cancel(errStalled) })
	x := &forwarding{forward: f, ctx: ctx, watch: watch, cancel: cancel}
	request := x.request(host).WithContext(alive)
	response, err := f.transport.RoundTrip(request)
	x.body.end()
	if err != nil {
		watch.Stop()
		cancel(nil)
		f.fail(ctx, err, context.Cause(alive))
		return
	}
	f.Passed.Add(1)
	x.respond(response)
}

// errStalled is the cause of an exchange that was given up.
var errStalled = errors.New("nothing went on in time")

// fail answers that a request could not be passed on.
func (f *Forward) fail(ctx *fasthttp.RequestCtx, err, cause error) {
	var resolve *net.DNSError
	status, text := fasthttp.StatusBadGateway, "the host cannot be reached: "+err.Error()
	switch {
	case errors.Is(err, errTargetOwn): // as the motan-go agent answers
		f.Refused.Add(1)
		answerText(ctx, fasthttp.StatusBadRequest, err.Error())
		return
	case errors.Is(err, errTargetOff), errors.Is(err, errTargetClosed), errors.Is(err, errTargetListed), errors.Is(err, errTunnelClosed):
		f.Refused.Add(1)
		answerText(ctx, fasthttp.StatusForbidden, err.Error())
		return
	case errors.Is(err, errForwardBody):
		ctx.SetConnectionClose()
		status, text = fasthttp.StatusRequestEntityTooLarge, "the body takes more than httpProxyMaxRequestBodySize"
	case errors.Is(cause, errStalled):
		status, text = fasthttp.StatusGatewayTimeout, "the host did not answer in time"
	case errors.As(err, &resolve):
		text = "the host is not known: " + resolve.Name
	}
	f.Failed.Add(1)
	answerText(ctx, status, text)
	ctx.Response.Header.SetServer("motan")
}

// forwarding is one request that is passed on.
type forwarding struct {
	forward *Forward
	ctx     *fasthttp.RequestCtx
	watch   *time.Timer // ends the exchange unless it is moved on
	cancel  context.CancelCauseFunc
	body    *forwardBody // nil for none
}

// request is what goes out.
func (x *forwarding) request(host string) *http.Request {
	h := &x.ctx.Request.Header
	uri := x.ctx.URI()
	path := string(uri.PathOriginal())
	target := &url.URL{Scheme: "http", Host: host, Opaque: path, RawQuery: string(uri.QueryString())}
	if path == "" || strings.HasPrefix(path, "//") {
		target.Opaque, target.Path = "", "/"+strings.TrimLeft(path, "/")
	}
	r := &http.Request{
		Method: string(h.Method()), URL: target, Host: host, Header: make(http.Header, 16),
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1,
	}
	r.Header["User-Agent"] = []string{string(h.UserAgent())} // an empty one is not sent
	named := connectionNames(h.PeekAll("Connection"))
	for key, value := range h.All() {
		name := http.CanonicalHeaderKey(string(key))
		if name != "Host" && name != "Content-Length" && name != "User-Agent" && !isHopByHop([]byte(name)) && !named.has(key) {
			r.Header[name] = append(r.Header[name], string(value))
		}
	}
	r.Header["Via"] = append(r.Header["Via"], x.forward.via)
	if stream := x.ctx.RequestBodyStream(); stream != nil {
		if c, ok := x.ctx.Conn().(*serverConn); ok {
			c.passing = true
		}
		x.body = &forwardBody{exchange: x, stream: stream, left: x.forward.settings.MaxRequestBody}
		r.Body, r.ContentLength = x.body, int64(h.ContentLength())
	} else if body := x.ctx.Request.Body(); len(body) > 0 { // its memory is the server's again before the transport lets go of it
		r.Body, r.ContentLength = io.NopCloser(bytes.NewReader(bytes.Clone(body))), int64(len(body))
	}
	return r
}

// respond hands the response on. Its body is read while it is written.
func (x *forwarding) respond(response *http.Response) {
	out := &x.ctx.Response.Header
	out.SetNoDefaultContentType(true)
	x.ctx.SetStatusCode(response.StatusCode)
	if _, text, _ := strings.Cut(response.Status, " "); text != "" && !hasControl([]byte(text)) {
		out.SetStatusMessage([]byte(text))
	}
	var named nameList
	for _, list := range response.Header["Connection"] {
		named = append(named, connectionNames([][]byte{[]byte(list)})...)
	}
	for name, values := range response.Header {
		if isHopByHop([]byte(name)) || named.has([]byte(name)) || name == "Content-Length" {
			continue
		}
		for _, value := range values {
			out.Add(name, value)
		}
	}
	out.Add("Via", x.forward.via)
	if x.ctx.IsHead() || response.StatusCode == http.StatusNoContent || response.StatusCode == http.StatusNotModified {
		if response.ContentLength >= 0 && response.Header.Get("Content-Length") != "" {
			out.Set("Content-Length", strconv.FormatInt(response.ContentLength, 10))
		}
		_ = response.Body.Close() // it has none
		x.end()
		return
	}
	x.ctx.SetBodyStream(&forwardResponse{exchange: x, body: response.Body}, int(response.ContentLength))
}

func (x *forwarding) moveOn() { x.watch.Reset(x.forward.settings.Timeout) }

func (x *forwarding) end() {
	x.watch.Stop()
	x.cancel(nil)
}
