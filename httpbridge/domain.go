package httpbridge

import (
	"bytes"
	"strings"

	"github.com/motand/motand/motan"
)

// Domain is one domain of http-client: requests for it become calls of the services that its locations name.
type Domain struct {
	Name        string // as Host, without a port, in lower case
	Group       string // of the services
	Application string // which calls
	Locations   *Locations
	Handler     motan.Handler // gets the calls, which name one of the services
}

// Domains are those of a configuration. They never change and may be used by many at once; nil has none.
type Domains struct {
	byName    map[string]*Domain
	otherwise *Domain
}

// NewDomains returns all of them. Requests whose Host is none of theirs belong to the one called otherwise, if there is one.
func NewDomains(all []*Domain, otherwise string) *Domains {
	d := &Domains{byName: make(map[string]*Domain, len(all))}
	for _, x := range all {
		d.byName[x.Name] = x
	}
	d.otherwise = d.byName[strings.ToLower(otherwise)]
	return d
}

// Find returns the domain that host, which may have a port, is the name of, else nil.
func (d *Domains) Find(host []byte) *Domain {
	if d == nil || len(d.byName) == 0 {
		return nil
	}
	if colon := bytes.LastIndexByte(host, ':'); colon >= 0 && bytes.IndexByte(host[colon:], ']') < 0 {
		host = host[:colon]
	}
	if found := d.byName[string(host)]; found != nil {
		return found
	}
	var lower [fieldHost]byte
	if len(host) > len(lower) {
		return nil
	}
	return d.byName[string(toLower(lower[:0], host))]
}

// Otherwise returns the domain of requests whose Host is no other's, or nil.
func (d *Domains) Otherwise() *Domain {
	if d == nil {
		return nil
	}
	return d.otherwise
}
