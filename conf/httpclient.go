package conf

// HTTPClient is one entry of http-client: a domain whose requests become calls. Its Refer holds the settings of the
// calls; their paths are those of Preload and of the upstreams of the domain's locations.
type HTTPClient struct {
	Refer
	Domain  string   // default the id
	Preload []string // services whose clusters are made at the start
	Asked   []string // further ones, which were asked for while the agent ran; the agent sets them
}

// readHTTPClients reads http-client with what it inherits from motan-basicRefer.
func (c *checker) readHTTPClients(basics map[string]entry) {
	byDomain := map[string]*HTTPClient{}
	for _, e := range c.entries(sectionHTTPClient, "http-client", basics, "basicRefer") {
		path := sectionHTTPClient + "." + e.id
		h := &HTTPClient{Refer: c.referOf(sectionHTTPClient, e), Domain: e.values.text("domain"), Preload: e.values.list("preload")}
		h.spell(c.opts.IDC)
		if h.Domain == "" {
			c.f.errorf(e.at, path, "%s has no domain; add domain: and the Host of the requests", e.owner)
		}
		if groups := splitList(h.Group); len(groups) > 1 {
			c.f.errorf(e.values.set["group"].at, path+".group", "%s takes one group; got %d", e.owner, len(groups))
		}
		if first := byDomain[h.Domain]; first != nil && h.Domain != "" {
			c.f.errorf(h.At("domain"), path+".domain", "%s: domain %s is that of http-client %s at %s already", e.owner, quote(h.Domain), quote(first.ID), first.Position)
		}
		byDomain[h.Domain] = h
		c.cfg.HTTPClients = append(c.cfg.HTTPClients, h)
	}
}
