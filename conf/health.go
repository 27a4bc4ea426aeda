package conf

import (
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// HealthCheck says how an exported service's local provider is looked at. The service is available for callers only
// while the check passes.
type HealthCheck struct {
	Kind        string        // tcp, http, motan, fastcgi or another that the program was built with; "" is no check
	Address     string        // host:port or unix:///path
	Path        string        // http: what is fetched, default /; fastcgi: ping.path of the pool, default / for none
	FirstStatus int           // http: the lowest status that passes, default 200
	LastStatus  int           // http: the highest one, default 399
	Interval    time.Duration // between two checks, default 2 s; a fifth more or less by chance
	Timeout     time.Duration // of one check, default 1 s
	Rise        int           // passes in a row that make the provider healthy again, default 2
	Fall        int           // failures in a row that make it unhealthy, default 3
}

const (
	noHealthCheck     = "none"
	minHealthInterval = 100 * time.Millisecond // below, the checks are a load of their own
)

// healthOf reads the keys of the check. Where none is named, a service that is to be available by itself has a tcp
// check if the address of its provider is known.
func (c *checker) healthOf(s *Service, e entry) HealthCheck {
	v, path := e.values, sectionService+"."+e.id
	kind := c.oneOf(e, path, "healthCheck", "healthCheck", append([]string{noHealthCheck}, c.known.HealthChecks...))
	h := HealthCheck{
		Address: v.text("healthCheck.address"), Path: v.text("healthCheck.path"),
		Interval: v.duration("healthCheck.interval"), Timeout: v.duration("healthCheck.timeout"),
		Rise: v.int("healthCheck.rise"), Fall: v.int("healthCheck.fall"),
	}
	at := func(key string) Position { return v.set[key].at }
	if h.Address != "" && !validAddress(h.Address) {
		c.f.errorf(at("healthCheck.address"), path+".healthCheck.address", "%s: healthCheck.address must be host:port or unix:///path; got %s", e.owner, quote(h.Address))
	}
	if h.Address == "" {
		h.Address = s.providerAddress()
	}
	if !strings.HasPrefix(h.Path, "/") || strings.ContainsAny(h.Path, " \t\r\n") {
		c.f.errorf(at("healthCheck.path"), path+".healthCheck.path", "%s: healthCheck.path must begin with / and have no blanks; got %s", e.owner, quote(h.Path))
	}
	if h.Interval < minHealthInterval {
		c.f.errorf(at("healthCheck.interval"), path+".healthCheck.interval", "%s: healthCheck.interval must be at least %d ms; got %d", e.owner, minHealthInterval.Milliseconds(), h.Interval.Milliseconds())
	}
	var ok bool
	if h.FirstStatus, h.LastStatus, ok = statusRange(v.text("healthCheck.status")); !ok {
		c.f.errorf(at("healthCheck.status"), path+".healthCheck.status", "%s: healthCheck.status must be a status or a range of them, such as 200 or 200-299; got %s", e.owner, quote(v.text("healthCheck.status")))
	}
	switch {
	case kind == noHealthCheck:
	case kind != "" && h.Address == "":
		c.f.errorf(at("healthCheck"), path+".healthCheck", "%s: the address of the local provider is not known; add healthCheck.address: 127.0.0.1:8100", e.owner)
	case kind != "":
		h.Kind = kind
	case s.Auto && h.Address != "" && slices.Contains(c.known.HealthChecks, "tcp"):
		h.Kind = "tcp"
	}
	if h.Kind == "" {
		return HealthCheck{}
	}
	return h
}

// statusRange reads 200 or 200-299.
func statusRange(text string) (first, last int, ok bool) {
	low, high, isRange := strings.Cut(text, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.Atoi(strings.TrimSpace(low))
	if err != nil {
		return 0, 0, false
	}
	last, err = strconv.Atoi(strings.TrimSpace(high))
	return first, last, err == nil && first >= 100 && first <= last && last <= 599
}

// providerAddress is where the local provider listens, "" where that is not known.
func (s *Service) providerAddress() string {
	switch s.Provider {
	case "motan2", "motan":
		if strings.HasPrefix(s.ProxyHost, "unix://") {
			return s.ProxyHost
		}
		if s.Proxy.Port != 0 {
			return net.JoinHostPort(strings.Trim(s.ProxyHost, "[]"), strconv.Itoa(s.Proxy.Port))
		}
	case "http", "httpx":
		if strings.Contains(s.HTTP.ProxyAddress, ",") {
			return "" // no single one of them says how the service is
		}
		if s.HTTP.ProxyAddress != "" {
			return s.HTTP.ProxyAddress
		}
		return addressOfURL(s.HTTP.URLFormat)
	case "cgi":
		return s.CGI.Address
	}
	return ""
}

// addressOfURL gives host:port of a URL_FORMAT, "" where there is none.
func addressOfURL(format string) string {
	u, err := url.Parse(strings.ReplaceAll(format, "%s", "m"))
	if err != nil || u.Hostname() == "" {
		return ""
	}
	port := u.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[u.Scheme]
	}
	if port == "" {
		return ""
	}
	return net.JoinHostPort(u.Hostname(), port)
}
