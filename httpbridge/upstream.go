package httpbridge

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

// unixPrefix starts an address that is the path of a unix socket.
const unixPrefix = "unix://"

// upstream is a web service and the connections to it that are kept.
type upstream struct {
	client           fasthttp.HostClient
	network, address string
	dialer           func(ctx context.Context, network, addr string) (net.Conn, error)
	tls              *TLSSettings // nil for plain HTTP
	name             string       // whose certificate it is, unless the settings say
}

var _ backend = (*upstream)(nil)

// dialError is a connection that could not be made.
type dialError struct{ cause error }

func (e *dialError) Error() string { return e.cause.Error() }
func (e *dialError) Unwrap() error { return e.cause }

// newProxy returns the web services that ProxyAddress names.
func newProxy(s ProviderSettings) (backend, error) {
	if s.ProxySchema != "http" && s.ProxySchema != "https" {
		return nil, fmt.Errorf("proxySchema %q is neither http nor https", s.ProxySchema)
	}
	r := &rotation{}
	for address := range strings.SplitSeq(s.ProxyAddress, ",") {
		u, err := newProxyUpstream(s, strings.TrimSpace(address))
		if err != nil {
			return nil, err
		}
		r.members = append(r.members, &member{upstream: u})
	}
	if len(r.members) == 1 {
		return r.members[0].upstream, nil
	}
	return r, nil
}

func newProxyUpstream(s ProviderSettings, address string) (*upstream, error) {
	network := "tcp"
	if path, ok := strings.CutPrefix(address, unixPrefix); ok {
		network, address = "unix", path
		if path == "" {
			return nil, errors.New("proxyAddress: the path of the unix socket is missing: unix:///path")
		}
	} else if _, _, err := net.SplitHostPort(address); err != nil {
		return nil, fmt.Errorf("proxyAddress: %w; want host:port or unix:///path", err)
	}
	return newUpstream(s, network, address, s.ProxySchema == "https", s.Domain)
}

// newUpstream returns a web service without a connection. name is that of its certificate, "" for the host of the address.
func newUpstream(s ProviderSettings, network, address string, secure bool, name string) (*upstream, error) {
	u := &upstream{network: network, address: address, name: name, dialer: s.Dial}
	if u.dialer == nil {
		u.dialer = new(net.Dialer).DialContext
	}
	if name == "" && network == "tcp" {
		u.name, _, _ = net.SplitHostPort(address) // was checked
	}
	if secure {
		u.tls = &s.TLS
		if _, err := u.tls.config(u.name); err != nil {
			return nil, err
		}
	}
	c := &u.client
	c.Name = "motan"
	c.Addr = address
	if network == "unix" {
		c.Addr = "localhost"
	}
	c.IsTLS = secure
	c.DialTimeout = func(_ string, timeout time.Duration) (net.Conn, error) { return u.dial(timeout) }
	c.DisablePathNormalizing = true // ask does it
	c.MaxConns = s.MaxConnections
	c.MaxConnDuration = s.KeepaliveTimeout
	c.MaxIdleConnDuration = s.IdleConnectionTimeout
	c.MaxIdemponentCallAttempts = 1 // what is tried again is decided in do
	c.MaxResponseBodySize = s.MaxContentLength
	c.ReadBufferSize = headBytes
	c.ConnPoolStrategy = fasthttp.LIFO // so that those which are not needed become idle
	c.SecureErrorLogMessage = true
	return u, nil
}

func (u *upstream) dial(timeout time.Duration) (net.Conn, error) {
	begun := time.Now()
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	conn, err := u.dialer(ctx, u.network, u.address)
	if err != nil {
		return nil, &dialError{err}
	}
	if u.tls == nil {
		return &webConn{Conn: newKeptConn(conn, false)}, nil
	}
	config, err := u.tls.config(u.name)
	if err != nil {
		conn.Close()
		return nil, &dialError{err}
	}
	made, shown, err := secure(newKeptConn(conn, true), config, timeout-time.Since(begun))
	if err != nil {
		return nil, &dialError{err}
	}
	if u.tls.Seen != nil {
		u.tls.Seen(u.address, shown)
	}
	return made, nil
}

// ask makes one exchange within the time given. A request is sent again only if its connection turned out to be
// closed before the first byte was written; each such connection is gone then, so that ends.
func (u *upstream) ask(x *webExchange, left time.Duration) *motan.Error {
	if uri := x.req.URI(); !x.exact {
		uri.DisablePathNormalizing = false
		path, _, _ := bytes.Cut(uri.RequestURI(), []byte("?"))
		uri.SetPathBytes(path)
	}
	deadline := time.Now().Add(left)
	err := u.client.DoTimeout(x.req, x.resp, left)
	for errors.Is(err, errStale) {
		err = u.client.DoDeadline(x.req, x.resp, deadline)
	}
	if err == nil {
		return nil
	}
	var dial *dialError
	var timeout net.Error
	var small *fasthttp.ErrSmallBuffer
	var fault *answerFault
	kind, what := motan.KindBroken, "the web service gave no whole answer"
	switch {
	case errors.As(err, &dial):
		kind, what = motan.KindUnavailable, "the web service cannot be reached"
	case errors.As(err, &fault):
		what, err = "the web service's answer is refused", fault
	case errors.Is(err, fasthttp.ErrTimeout), errors.As(err, &timeout) && timeout.Timeout():
		kind, what = motan.KindTimeout, "the web service did not answer in time"
	case errors.Is(err, fasthttp.ErrBodyTooLarge):
		kind, what = motan.KindOversize, fmt.Sprintf("the response takes more than maxContentLength, %d bytes", u.client.MaxResponseBodySize)
	case errors.As(err, &small):
		kind, what = motan.KindOversize, fmt.Sprintf("the head of the response takes more than %d bytes", headBytes)
	}
	failed := refused(kind, motan.CodeUnavailable, "http provider: %s: %v", what, err)
	failed.Cause = err
	return failed
}

func (u *upstream) close() { u.client.CloseIdleConnections() }
