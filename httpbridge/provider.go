package httpbridge

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// ProviderSettings are the keys of a service with "provider: http".
type ProviderSettings struct {
	Domain                string                                                            // the Host that is sent where a call names none
	Locations             []Location                                                        // of the domain
	EnableRewrite         bool                                                              // enableRewrite, true in a configuration that does not say: a location must match
	EnableHTTPException   bool                                                              // enableHttpException: a status of 400 or more is an exception
	ProxyAddress          string                                                            // host:port or unix:///path, several with commas between; empty means URL format
	ProxySchema           string                                                            // http or https; empty means http
	TLS                   TLSSettings                                                       // of https
	MaxConnections        int                                                               // and calls in flight; 0 means 1024
	KeepaliveTimeout      time.Duration                                                     // how long a connection may be used; 0 means without end
	IdleConnectionTimeout time.Duration                                                     // how long it may be idle; 0 means 5 s
	RequestTimeout        time.Duration                                                     // for the whole exchange with the web service; 0 means 1 s
	MaxContentLength      int                                                               // of a response's body and of an inflated argument, in bytes; 0 means 10 MiB
	HTTPRequestMethod     string                                                            // HTTP_REQUEST_METHOD; empty means GET
	HTTPX                 bool                                                              // of "provider: httpx": URL format without redirects followed and gzip asked for
	URLFormat             string                                                            // URL_FORMAT, with at most one %s for the method
	Methods               map[string]MethodSettings                                         // http-service, by method; "" is http_default_motan_method
	Dial                  func(ctx context.Context, network, addr string) (net.Conn, error) // nil dials whatever ProxyAddress and URLFormat name
	Stats                 *ProviderStats                                                    // counts for all that have the same; nil counts nothing
	CGI                   *CGISettings                                                      // of a service with "provider: cgi", which has no ProxyAddress; else nil
}

// ProviderStats are counters of providers. They may be read at any time.
type ProviderStats struct {
	Climbs atomic.Int64 // calls refused because their path would have led up
}

// MethodSettings are the keys of http-service for one method.
type MethodSettings struct {
	URLFormat         string   // empty means that of the service
	HTTPRequestMethod string   // empty means that of the service
	Path              string   // of an HTTP/JSON service behind ProxyAddress, see newTypedMethod; empty is none
	Arguments         []string // where each argument goes, with Path; none leaves it to the path and the verb
	Result            string   // the type that the answer's value has, with Path; empty is as the JSON has it
}

// What the settings mean where they are 0, from the motan-go agent.
const (
	defaultMaxConns       = 1024
	defaultIdleConn       = 5 * time.Second
	defaultRequestTimeout = time.Second
)

// idleWorkers is how many goroutines may wait for a call. The stack of one that begins with each call would have to grow
// each time.
const idleWorkers = 64

// Provider answers calls by asking a local web service over HTTP/1.1, see the package comment for its three modes, or
// scripts behind FastCGI.
//
// What goes wrong has the error type 2 (biz) and an HTTP status as its code, as the motan-go agent has it, so no caller
// tries again: 400 for arguments that do not fit HTTP, 404 without a location, 503 when the web service does
// not answer. Only a call beyond MaxConnections has error type 1, since the web service has not heard of it.
type Provider struct {
	settings  ProviderSettings
	locations *Locations
	proxy     backend                 // nil without ProxyAddress and CGI
	formats   map[string]*urlFormat   // by method, "" for all others; nil with proxy
	hosts     map[string]*upstream    // of formats, by scheme and host
	typed     map[string]*typedMethod // by method, "" for all others; nil for none

	work    chan *motan.Call // to workers that have no call; closed by Close
	running sync.WaitGroup   // the workers

	mu       sync.Mutex
	inFlight int  // guarded by mu
	workers  int  // guarded by mu; those that have no call as well
	closed   bool // guarded by mu
}

var _ motan.Handler = (*Provider)(nil)

// NewProvider checks s and returns a Provider that has no connection yet.
func NewProvider(s ProviderSettings) (*Provider, error) {
	locations, err := NewLocations(s.Locations)
	if err != nil {
		return nil, fmt.Errorf("http provider: %w", err)
	}
	if s.MaxConnections <= 0 {
		s.MaxConnections = defaultMaxConns
	}
	if s.MaxContentLength <= 0 {
		s.MaxContentLength = defaultMaxBodySize
	}
	s.IdleConnectionTimeout = orDefault(s.IdleConnectionTimeout, defaultIdleConn)
	s.RequestTimeout = orDefault(s.RequestTimeout, defaultRequestTimeout)
	if s.HTTPRequestMethod == "" {
		s.HTTPRequestMethod = fasthttp.MethodGet
	}
	if err := checkVerb([]byte(s.HTTPRequestMethod)); err != nil {
		return nil, fmt.Errorf("http provider: HTTP_REQUEST_METHOD: %w", err)
	}
	if s.ProxySchema == "" {
		s.ProxySchema = "http"
	}
	p := &Provider{settings: s, locations: locations, hosts: map[string]*upstream{}, work: make(chan *motan.Call)}
	switch {
	case s.CGI != nil:
		p.proxy, err = newScripts(s)
	case s.ProxyAddress == "":
		err = p.addFormats()
	default:
		p.proxy, err = newProxy(s)
	}
	if err == nil {
		err = p.addTyped()
	}
	if err != nil {
		return nil, fmt.Errorf("http provider: %w", err)
	}
	return p, nil
}

// host is what a web service is called where a call and the configuration do not say: the address.
func (p *Provider) host() string {
	if p.settings.Domain != "" {
		return p.settings.Domain
	}
	first, _, _ := strings.Cut(p.settings.ProxyAddress, ",")
	if strings.HasPrefix(first, unixPrefix) {
		return "localhost"
	}
	return first
}

// Handle answers c later, from a worker: at the latest after RequestTimeout or at the call's Deadline.
func (p *Provider) Handle(c *motan.Call) {
	if err := p.enter(c); err != nil {
		c.Fail(err)
	}
}

// enter hands c to a worker that has no call, or to a new one. Workers end by Close, or after a call when enough others
// have none.
func (p *Provider) enter(c *motan.Call) *motan.Error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return motan.Errorf(motan.KindUnavailable, motan.CodeUnavailable, "http provider: closed")
	}
	if p.inFlight >= p.settings.MaxConnections {
		return motan.Errorf(motan.KindRefused, motan.CodeUnavailable,
			"http provider: %d calls wait for the web service, which is maxConnections", p.inFlight)
	}
	p.inFlight++
	c.Batch = nil // that of the connection's reader, which goes on without this call
	select {
	case p.work <- c:
	default:
		p.workers++
		p.running.Go(func() { p.serve(c) })
	}
	return nil
}

// serve is a worker: it answers c, then further calls.
func (p *Provider) serve(c *motan.Call) {
	for stay := true; stay; {
		err := p.call(c)
		stay = p.leave()
		p.end(c, err)
		if stay {
			c, stay = <-p.work
		}
	}
}

// leave makes room for another call, before the caller sees the reply, and tells whether to wait for one.
func (p *Provider) leave() (stay bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.inFlight--
	if p.closed || p.workers-p.inFlight > idleWorkers {
		p.workers--
		return false
	}
	return true
}

// end ends c with err, or with the reply that is set.
func (p *Provider) end(c *motan.Call, err *motan.Error) {
	if err != nil {
		c.Reply.Reset()
		c.Err = err
	} else {
		c.Reply.Type |= motan.FlagResponse
		c.Reply.SetInt("M_pt", (motan.Now()-c.AttemptStart)/int64(time.Millisecond))
	}
	motan.Settle(c)
}

// call makes the exchange and sets the reply.
func (p *Provider) call(c *motan.Call) *motan.Error {
	if err := checkMetadata(&c.Request); err != nil {
		return err
	}
	x := &webExchange{provider: p, call: c, req: fasthttp.AcquireRequest(), resp: fasthttp.AcquireResponse()}
	defer x.release()
	x.req.Header.SetNoDefaultContentType(true)
	x.resp.Header.SetNoDefaultContentType(true)
	transparent, _ := strconv.ParseBool(string(c.Request.Get("HTTP_PROXY"))) // what is no bool is not true
	if m := p.typedFor(c.Request.Method()); m != nil && !transparent {
		return x.callTyped(m)
	}
	args, err := readArguments(&c.Request, p.settings.MaxContentLength)
	switch {
	case err != nil:
		return err
	case transparent:
		return x.transparent(args)
	case p.settings.CGI != nil:
		return x.callScript(args)
	case p.proxy != nil:
		return x.convert(args)
	}
	return x.fillFormat(args)
}

// Close waits for the calls in flight, for at most RequestTimeout, and closes the connections. Later calls fail. It may be
// called again.
func (p *Provider) Close() {
	p.mu.Lock()
	if !p.closed {
		p.closed = true
		close(p.work)
	}
	p.mu.Unlock()
	p.running.Wait()
	if p.proxy != nil {
		p.proxy.close()
	}
	for _, u := range p.hosts {
		u.close()
	}
}

// checkVerb tells why verb cannot be the method of an HTTP request.
func checkVerb(verb []byte) error {
	if !isToken(verb) || len(verb) > 20 {
		return fmt.Errorf("%.40q is not an HTTP method", verb)
	}
	if string(verb) == fasthttp.MethodConnect {
		return errors.New("CONNECT cannot be used")
	}
	return nil
}
