package agent

import (
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/httpbridge"
	"github.com/motand/motand/motan"
)

// domain is one entry of http-client: where its requests go. It is never changed once it is in use.
type domain struct {
	client *conf.HTTPClient
	web    *httpbridge.Domain
	routes map[string]*route // by service: preloaded, or asked for by a request
	plain  *plainCalls       // for calls over Motan that find nobody
}

// domain puts the routes of a domain into s: of each service of its preload one, which calls of other clients do not see.
func (k *compiler) domain(s, old *snapshot, h *conf.HTTPClient) error {
	locations, err := httpbridge.NewLocations(webLocations(s.config, h.Domain))
	if err != nil {
		return fmt.Errorf("%s: http-client %s: %w", h.Position, h.ID, err)
	}
	name := strings.ToLower(h.Domain)
	x := &domain{client: h, routes: make(map[string]*route, len(h.Preload)), web: &httpbridge.Domain{
		Name: name, Group: h.Group, Application: h.Application, Locations: locations,
		Handler: &domainCalls{name: name, routes: k.inUse, demands: k.demands},
	}}
	if x.plain, err = k.plain(s, h, name); err != nil {
		return fmt.Errorf("%s: http-client %s: %w", h.Position, h.ID, err)
	}
	for i, service := range slices.Concat(h.Preload, h.Asked) {
		if x.routes[service] != nil {
			continue
		}
		r := h.Refer
		r.ID, r.Path = h.ID+"/"+service, service
		if x.routes[service], err = k.hold(s, old, &r); err != nil {
			return err
		}
		if i >= len(h.Preload) {
			s.demanded[x.routes[service]] = true
		}
	}
	s.routes.domains[name] = x
	return nil
}

// webDomains are the domains of s as the HTTP server looks them up.
func (s *snapshot) webDomains() *httpbridge.Domains {
	all := make([]*httpbridge.Domain, 0, len(s.routes.domains))
	for _, x := range s.routes.domains {
		all = append(all, x.web)
	}
	return httpbridge.NewDomains(all, s.config.Agent.HTTPDefaultDomain)
}

// webLocations are the location rules of a domain in httpbridge's terms.
func webLocations(c *conf.Config, domain string) []httpbridge.Location {
	var all []httpbridge.Location
	for _, l := range c.Locations(domain) {
		rule := httpbridge.Location{Match: l.Match, Type: string(l.Type), Upstream: l.Upstream}
		for _, r := range l.Rewrites {
			rule.RewriteRules = append(rule.RewriteRules, r.Text)
		}
		all = append(all, rule)
	}
	return all
}

// webRules are what an HTTP provider reads beside its service.
func webRules(c *conf.Config, x *conf.Service) []string {
	var rules []string
	for _, l := range c.Locations(x.HTTP.Domain) {
		rules = append(rules, l.Match, string(l.Type), l.Upstream)
		for _, r := range l.Rewrites {
			rules = append(rules, r.Text)
		}
	}
	for _, h := range c.HTTPServices {
		if h.ID != x.ConfID {
			continue
		}
		for _, m := range h.Methods {
			rules = append(rules, m.Name, m.URLFormat, m.RequestMethod)
		}
	}
	return rules
}

// domainCalls leads the calls of a domain to the services that they name.
type domainCalls struct {
	name    string
	routes  *atomic.Pointer[routes]
	demands *demands
}

var _ motan.Handler = (*domainCalls)(nil)

// Handle hands the call to its route. Where there is none yet, or nothing is known of its nodes, the call waits a moment.
func (d *domainCalls) Handle(c *motan.Call) {
	if r := d.find(c); r != nil && r.heard.Load() {
		r.lead(c)
		return
	}
	d.demands.ask(d, c)
}

// find returns the route of the service that c names, or nil.
func (d *domainCalls) find(c *motan.Call) *route {
	x := d.routes.Load().domains[d.name]
	if x == nil {
		return nil
	}
	return x.routes[string(c.Request.Service())]
}

// domainOf returns the domain that q names in the place of a service (Motan protocol, section 7.2, 1), else nil.
func (r *routes) domainOf(q *motan.Frame) *domain {
	if len(r.byService[string(q.Service())]) > 0 {
		return nil
	}
	return r.domains[string(q.Service())]
}

// lead hands a call that names the domain to the service of its location, or to the domain's site where there is none.
func (d *domain) lead(c *motan.Call) {
	q := &c.Request
	service, ok := d.web.Locations.Pick(string(q.Method()))
	if !ok {
		d.plain.Handle(c)
		return
	}
	c.Push(d.plain, markCall)
	q.Set("M_p", service)
	if len(q.Group()) == 0 {
		q.Set("M_g", d.client.Group)
	}
	if q.Source() == nil {
		q.Set("M_s", d.client.Application)
	}
	d.web.Handler.Handle(c)
}

// lead hands a call to the route, with what every call of it has.
func (r *route) lead(c *motan.Call) {
	if now := c.Now(); now-r.used.Load() > int64(time.Second) { // written rarely, as many read it
		r.used.Store(now)
	}
	c.Service, c.Group, c.Application = r.refer.Path, r.refer.Group, r.refer.Application
	r.handler.Handle(c)
}

// upstream is a service of a domain that a request has asked for and preload does not name.
type upstream struct {
	domain  string
	service string
}

// upstreamsOf are all services that the locations of domains name.
func upstreamsOf(c *conf.Config) []upstream {
	var all []upstream
	for _, h := range c.HTTPClients {
		for _, l := range c.Locations(h.Domain) {
			if u := (upstream{strings.ToLower(h.Domain), l.Upstream}); !slices.Contains(all, u) {
				all = append(all, u)
			}
		}
	}
	return all
}

// withUpstreams is clients with those of all asked for.
func withUpstreams(clients []*conf.HTTPClient, all []upstream) []*conf.HTTPClient {
	clients = slices.Clone(clients)
	for i, h := range clients {
		further := *h
		for _, u := range all {
			if u.domain == strings.ToLower(h.Domain) && !slices.Contains(further.Preload, u.service) {
				further.Asked = append(slices.Clip(further.Asked), u.service)
				clients[i] = &further
			}
		}
	}
	return clients
}
