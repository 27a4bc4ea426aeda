package conf

import (
	"cmp"
	"net"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Registry is one entry of motan-registry.
type Registry struct {
	Position
	ID             string
	Protocol       string
	Host           string
	Port           int
	Address        []string      // host:port or unix:///path; from host and port where those are written
	Group          string        // direct: overrides that of the nodes
	Path           string        // file: the file with the nodes (key path or file)
	SessionTimeout time.Duration // registrySessionTimeout
	RequestTimeout time.Duration
	ConnectTimeout time.Duration
	Shrink         Shrink
	ProxyRegistry  string // mesh: protocol://host:port of the registry behind the agent
	MeshName       string // in the marks of registry-sync; default the id
	Implicit       bool   // made here because no registry is configured
	Params         map[string]string

	places map[string]Position
}

// Shrink says what is done when a registry loses most nodes of a service, or all: the keys shrink_.
type Shrink struct {
	Protection bool          // nodes that answer stay in use; default true
	Threshold  int           // percent of the nodes that may go within a minute, default 50
	Grace      time.Duration // how long they stay while others are listed, default 10 min
}

// At gives the position of a key, or that of the entry where the key is not written.
func (r *Registry) At(key string) Position {
	if p, ok := r.places[key]; ok {
		return p
	}
	return r.Position
}

// The bounds of a session: below, a pause of the garbage collector or of the network ends it; above, a dead host stays
// in the list for too long, and ZooKeeper does not grant more than 40 s by default anyway.
const (
	minSession = 4 * time.Second
	maxSession = 60 * time.Second
)

// readRegistries reads motan-registry, or makes the implicit registry where there is none.
func (c *checker) readRegistries() {
	p, _ := c.root.get(sectionRegistry)
	if p.value.null() || p.value.kind == mapNode && len(p.value.pairs) == 0 {
		c.addRegistry(&Registry{ID: "local", Protocol: "local", Implicit: true, Params: map[string]string{}})
		return
	}
	for _, e := range c.entries(sectionRegistry, "registry", nil, "") {
		v := e.values
		r := &Registry{
			Position: e.at, ID: e.id, Host: v.text("host"), Port: v.int("port"), Group: v.text("group"),
			RequestTimeout: v.duration("requestTimeout"), ConnectTimeout: v.duration("connectTimeout"),
			ProxyRegistry: v.text("proxyRegistry"), MeshName: cmp.Or(v.text("meshName"), e.id),
			Shrink: Shrink{
				Protection: v.bool("shrink_protection"), Threshold: v.int("shrink_threshold"), Grace: v.duration("shrink_grace"),
			},
		}
		r.Params, r.places = v.params("protocol", "host", "port", "path", "group")
		path := sectionRegistry + "." + e.id
		r.Protocol = c.oneOf(e, path, "protocol", "registry protocol", c.known.Registries)
		if r.Protocol == "" {
			c.f.errorf(e.at, path, "%s has no protocol; add protocol: %s", e.owner, strings.Join(c.known.Registries, " or "))
		}
		if r.Protocol == "zk" {
			r.Protocol = "zookeeper"
			if r.Params["nodeForm"] == "" {
				r.Params["nodeForm"] = "plain" // what Motan Java writes under that name
			}
		}
		r.Path = v.text("path")
		if r.Path == "" {
			r.Path = v.text("file")
		}
		c.addresses(r, e)
		c.session(r, e)
		c.registryNeeds(r, e)
		c.addRegistry(r)
	}
}

func (c *checker) addRegistry(r *Registry) {
	c.registries[r.ID] = r
	c.cfg.Registries = append(c.cfg.Registries, r)
}

// addresses fills Address: host and port win over the list, as in motan-go.
func (c *checker) addresses(r *Registry, e entry) {
	if r.Host != "" && r.Port != 0 {
		r.Address = []string{net.JoinHostPort(strings.Trim(r.Host, "[]"), strconv.Itoa(r.Port))}
		return
	}
	for _, a := range e.values.list("address") {
		if !validAddress(a) {
			c.f.errorf(e.values.set["address"].at, sectionRegistry+"."+e.id+".address",
				"%s: %s is no address; write host:port such as 10.0.0.1:2181, or unix:///path", e.owner, quote(a))
			continue
		}
		r.Address = append(r.Address, a)
	}
}

// validAddress accepts host:port and unix:///path. ZooKeeper's may end with a chroot: host:port/path.
func validAddress(text string) bool {
	if path, ok := strings.CutPrefix(text, "unix://"); ok {
		return strings.HasPrefix(path, "/")
	}
	hostPort, _, _ := strings.Cut(text, "/")
	host, port, err := net.SplitHostPort(hostPort)
	return err == nil && validHost(host) && parsePort(port) != 0
}

func validHost(host string) bool {
	return host != "" && !strings.ContainsAny(host, " \t/@?#,")
}

// session reads registrySessionTimeout. motan-go takes seconds and Java milliseconds; motan-go's own samples say 10000
// and surely mean ten seconds, so 1000 and more are milliseconds here.
func (c *checker) session(r *Registry, e entry) {
	n := e.values.int("registrySessionTimeout")
	r.SessionTimeout = time.Duration(n) * time.Second
	at, path := e.values.set["registrySessionTimeout"].at, sectionRegistry+"."+e.id+".registrySessionTimeout"
	if n >= 1000 {
		r.SessionTimeout = time.Duration(n) * time.Millisecond
	}
	clamped := min(max(r.SessionTimeout, minSession), maxSession)
	switch {
	case n >= 1000 && clamped == r.SessionTimeout:
		c.f.warnf(at, path, "registrySessionTimeout: %d is read as milliseconds, %v; motan-go reads seconds, so write %d", n, clamped, int(clamped.Seconds()))
	case clamped != r.SessionTimeout:
		c.f.warnf(at, path, "registrySessionTimeout: %d is outside 4 to 60 seconds; %v is taken", n, clamped)
	}
	r.SessionTimeout = clamped
}

// registryNeeds reports what a protocol cannot do without. A direct registry may lack an address until a refer uses it.
func (c *checker) registryNeeds(r *Registry, e entry) {
	path := sectionRegistry + "." + e.id
	remote := !slices.Contains([]string{"", "direct", "file", "local"}, r.Protocol) && slices.Contains(c.known.Registries, r.Protocol)
	switch {
	case r.Protocol == "file" && r.Path == "":
		c.f.errorf(e.at, path, "%s has no path; add path: and the YAML file with the nodes", e.owner)
	case r.Protocol == "mesh" && r.ProxyRegistry == "" && r.Params["proxyRegistryUrlString"] == "":
		c.f.errorf(e.at, path, "%s has no proxyRegistry; add the registry behind the agent, such as proxyRegistry: zookeeper://10.0.0.1:2181", e.owner)
	case remote && len(r.Address) == 0 && !e.values.has("address"):
		c.f.errorf(e.at, path, "%s has no address; add host and port, or address: host:port,host:port", e.owner)
	}
}

// registriesOf gives the registries of an entry: those written, else the only one.
func (c *checker) registriesOf(e entry, path string) []string {
	written := e.values.list("registry")
	if len(written) == 0 {
		if len(c.cfg.Registries) == 1 {
			return []string{c.cfg.Registries[0].ID}
		}
		c.f.errorf(e.at, path, "%s has no registry; add registry: and an id of motan-registry%s", e.owner, hint(c.f, "", c.registries))
		return nil
	}
	x := e.values.set["registry"]
	for _, id := range written {
		if c.registries[id] == nil {
			c.f.errorf(x.at, path+".registry", "%s: registry %s is not defined in motan-registry%s", x.owner, quote(id), hint(c.f, id, c.registries))
		}
	}
	return written
}

// callable reports direct registries that have no address to call.
func (c *checker) callable(path string, registries []string) {
	for _, id := range registries {
		if r := c.registries[id]; r != nil && r.Protocol == "direct" && len(r.Address) == 0 && !r.has("address") {
			c.f.errorf(r.Position, path, "registry %s is direct and has no address to call; add host and port, or address: host:port,host:port", quote(id))
		}
	}
}

func (r *Registry) has(key string) bool {
	_, ok := r.places[key]
	return ok
}
