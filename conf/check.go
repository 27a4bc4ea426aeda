package conf

import (
	"net"
	"slices"
	"strconv"
	"strings"
)

// checkDuplicates finds refers and services that calls could not tell apart.
func (c *checker) checkDuplicates() {
	ids, refers := map[string]bool{}, map[string]*Refer{}
	for _, r := range c.cfg.Refers {
		c.unique(ids, sectionRefer, r.Entry)
		id := r.Identity()
		if first := refers[id]; first != nil && r.Path != "" {
			c.f.errorf(r.Position, sectionRefer+"."+r.ConfID, "refer %s has the group, version, protocol and path of refer %s at %s; remove one of them",
				quote(r.ID), quote(first.ID), first.Position)
			continue
		}
		refers[id] = r
	}
	c.checkServiceDuplicates()
}

func (c *checker) checkServiceDuplicates() {
	ids, services := map[string]bool{}, map[string]*Service{}
	for _, s := range c.cfg.Services {
		c.unique(ids, sectionService, s.Entry)
		id := strings.Join([]string{strconv.Itoa(s.Export.Port), s.Group, s.Path}, "\x00")
		if first := services[id]; first != nil && s.Path != "" {
			c.f.errorf(s.Position, sectionService+"."+s.ConfID,
				"service %s has the export port, group and path of service %s at %s; remove one of them, or name both registries in one, as registry: a,b",
				quote(s.ID), quote(first.ID), first.Position)
			continue
		}
		services[id] = s
	}
}

// unique finds an entry whose id is that of a further group of another one.
func (c *checker) unique(seen map[string]bool, section string, e Entry) {
	if seen[e.ID] {
		c.f.errorf(e.Position, section+"."+e.ConfID, "the id %s is also that of a further group in a comma list; rename the entry", quote(e.ID))
	}
	seen[e.ID] = true
}

// checkProviders finds services whose provider lacks what it calls.
func (c *checker) checkProviders() {
	withURLs := map[string]bool{}
	for _, h := range c.cfg.HTTPServices {
		withURLs[h.ID] = true
	}
	domains := map[string]bool{}
	for _, d := range c.cfg.HTTPLocations {
		domains[d.Name] = true
	}
	for _, s := range c.cfg.Services {
		if s.ID != s.ConfID {
			continue
		}
		c.checkProvider(s, withURLs[s.ID], domains[s.HTTP.Domain])
	}
}

func (c *checker) checkProvider(s *Service, hasURLs, hasLocations bool) {
	path := sectionService + "." + s.ID
	if s.HTTP.ProxyAddress != "" && slices.ContainsFunc(strings.Split(s.HTTP.ProxyAddress, ","), func(a string) bool { return !validAddress(strings.TrimSpace(a)) }) {
		c.f.errorf(s.At("proxyAddress"), path+".proxyAddress", "service %s: proxyAddress must be host:port or unix:///path, such as 127.0.0.1:8080; got %s", quote(s.ID), quote(s.HTTP.ProxyAddress))
	}
	if x := s.HTTP.ProxyTLS; (x.Cert == "") != (x.Key == "") {
		c.f.errorf(s.Position, path, "service %s: proxyCert and proxyKey belong together, one of them is missing", quote(s.ID))
	}
	c.urlFormat(values{section: sectionService, set: map[string]value{"URL_FORMAT": {text: s.HTTP.URLFormat, at: s.At("URL_FORMAT")}}}, path)
	switch s.Provider {
	case "":
		if !c.written(s, "provider") && !c.written(s, "proxy") {
			c.f.errorf(s.Position, path, "service %s has no provider; add proxy: motan2:8100 for a local Motan server, or provider: http with proxyAddress: 127.0.0.1:8080", quote(s.ID))
		}
	case "motan2", "motan":
		if !c.written(s, "proxy") {
			c.f.errorf(s.Position, path, "service %s has no proxy; add proxy: %s:8100 with the port of the local server", quote(s.ID), s.Provider)
		}
	case "http":
		if s.HTTP.ProxyAddress == "" && s.HTTP.URLFormat == "" && !hasURLs {
			c.f.errorf(s.Position, path, "service %s has no address of the local web server; add proxyAddress: 127.0.0.1:8080, or URL_FORMAT: http://127.0.0.1:8080/%%s", quote(s.ID))
		}
		if s.HTTP.ProxyAddress != "" && s.HTTP.EnableRewrite && !hasLocations {
			c.f.warnf(s.Position, path, "service %s: no http-locations for domain %s, so calls are answered with 404; add them, or enableRewrite: false", quote(s.ID), quote(s.HTTP.Domain))
		}
	case "httpx":
		if s.HTTP.URLFormat == "" && !hasURLs {
			c.f.errorf(s.Position, path, "service %s has no URL; add URL_FORMAT: http://127.0.0.1:8080/%%s", quote(s.ID))
		}
	case "cgi":
		if s.CGI.ScriptFilename == "" && s.CGI.DocumentRoot == "" {
			c.f.errorf(s.Position, path, "service %s has neither CGI_SCRIPT_FILENAME nor CGI_DOCUMENT_ROOT, of which one must say which script answers", quote(s.ID))
		}
	}
}

func (c *checker) written(s *Service, key string) bool {
	_, ok := s.places[key]
	return ok
}

// listener is an address that the agent opens.
type listener struct {
	what string // for messages
	host string // "" for all
	port int
	sock string
	at   Position
	key  string
}

// checkListeners finds listeners that need the same address.
func (c *checker) checkListeners() {
	a := &c.cfg.Agent
	all := []listener{{what: "port", host: a.Host, port: a.Port, sock: a.UnixSock}}
	if a.ListensForHTTP() {
		all = append(all, listener{what: "hport", host: a.Host, port: a.HTTPPort, sock: a.HTTPUnixSock})
	}
	if a.ManagementPorts == (PortRange{}) || a.ManagementUnixSock != "" {
		all = append(all, listener{what: "mport", host: a.ManagementHost, port: a.ManagementPort, sock: a.ManagementUnixSock})
	}
	keys := map[string]string{"port": "unixSock", "hport": "httpProxyUnixSock", "mport": "managementUnixSock"}
	for i := range all {
		all[i].key = sectionAgent + "." + all[i].what
		all[i].at = a.At(all[i].what)
		if all[i].sock != "" {
			all[i].at, all[i].what = a.At(keys[all[i].what]), keys[all[i].what]
		}
		for _, other := range all[:i] {
			if all[i].clashes(other) {
				c.clash(all[i], other)
			}
		}
	}
	seen := map[int]bool{}
	for _, s := range c.cfg.Services {
		if s.Export.Port == 0 || seen[s.Export.Port] {
			continue
		}
		seen[s.Export.Port] = true
		export := listener{what: "the export of service " + quote(s.ConfID), port: s.Export.Port, at: s.At("export"), key: sectionService + "." + s.ConfID + ".export"}
		for _, other := range all {
			if export.clashes(other) {
				c.clash(export, other)
			}
		}
	}
}

func (c *checker) clash(l, other listener) {
	if a := &c.cfg.Agent; l.at == a.Position {
		l.at = other.at // it has its default: the other one is to be changed
	}
	if l.sock != "" {
		c.f.errorf(l.at, l.key, "%s and %s both are %s; give each a socket of its own", other.what, l.what, quote(l.sock))
		return
	}
	c.f.errorf(l.at, l.key, "%s and %s both listen on port %d; give each a port of its own", other.what, l.what, l.port)
}

// clashes says whether two listeners cannot be open at once: the same socket, or the same port of the same address or
// of all addresses.
func (l listener) clashes(other listener) bool {
	if l.sock != "" || other.sock != "" {
		return l.sock == other.sock
	}
	return l.port == other.port && (everywhere(l.host) || everywhere(other.host) || loopback(l.host) == loopback(other.host))
}

func everywhere(host string) bool {
	ip := net.ParseIP(host)
	return host == "" || ip != nil && ip.IsUnspecified()
}

// loopback gives one name for the spellings of the IPv4 loopback address.
func loopback(host string) string {
	if host == "localhost" {
		return "127.0.0.1"
	}
	return host
}
