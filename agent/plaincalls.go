package agent

import (
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge"
	"github.com/motand/motand/motan"
)

// plainCalls asks the site of a domain itself, as plain HTTP, for calls over Motan that no location or no provider can be found
// for (Motan protocol, section 7.2, 1). Where the forward proxy does not go, they do not go either.
type plainCalls struct {
	domain string
	site   *httpbridge.Provider
	log    *slog.Logger
}

var (
	_ motan.Handler  = (*plainCalls)(nil)
	_ motan.Returner = (*plainCalls)(nil)
)

// plain makes those of h for s; equal ones are taken over.
func (k *compiler) plain(s *snapshot, h *conf.HTTPClient, domain string) (*plainCalls, error) {
	a, address := &s.config.Agent, domain
	if _, _, err := net.SplitHostPort(domain); err != nil {
		address = net.JoinHostPort(domain, "80")
	}
	hold, err := k.plains.get(fingerprintOf(domain, h.RequestTimeout, h.MaxContentLength, a.HTTPForward, a.HTTPAllow, a.HTTPTimeout), func() (*plainCalls, func(), error) {
		targets, _, _ := forwardTargets(a, k.own) // the compiler tells what is wrong with them, once
		site, err := httpbridge.NewProvider(httpbridge.ProviderSettings{
			Domain: domain, ProxyAddress: address,
			RequestTimeout: h.RequestTimeout, MaxContentLength: h.MaxContentLength,
			Dial: func(ctx context.Context, network, addr string) (net.Conn, error) {
				return targets.Dial(ctx, network, addr, a.HTTPTimeout)
			},
		})
		if err != nil {
			return nil, nil, err
		}
		return &plainCalls{domain, site, k.log}, func() { k.attic.put(k.linger, site.Close) }, nil
	})
	if err != nil {
		return nil, err
	}
	s.plains = append(s.plains, hold)
	return hold.value, nil
}

// What a plainCalls waits for at the end of a call.
const (
	markCall = iota // of the service: where nobody was reached, the site is asked
	markSite        // of the site: it is logged
)

// Handle asks the site.
func (p *plainCalls) Handle(c *motan.Call) {
	c.AttemptStart = c.Now()
	c.Push(p, markSite)
	p.site.Handle(c)
}

// Return asks the site where nobody was reached. It is safe then: no byte of the call was sent.
func (p *plainCalls) Return(c *motan.Call, mark int) bool {
	if mark == markSite {
		code := string(c.Reply.Get("upstreamCode"))
		if c.Err != nil {
			code = c.Err.Error()
		}
		p.log.Info("http-rpc", "host", p.domain, "path", string(c.Request.Method()), "status", code, "ms", (c.Now()-c.AttemptStart)/int64(time.Millisecond))
		return true
	}
	if !c.Unreached() {
		return true
	}
	c.Retry()
	p.Handle(c)
	return false
}
