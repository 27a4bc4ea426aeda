package conf

import (
	"strconv"
	"strings"
)

// DirectRPC is one entry of MESH_DIRECT_RPC: calls of the services that it names go to the addresses, past the
// registry.
type DirectRPC struct {
	Service string   // without the star
	Prefix  bool     // the service's path begins with Service; else it ends with it
	Group   string   // "" for every group
	Address []string // host:port
}

// readMetadata reads the static metadata.
func (c *checker) readMetadata(top values) {
	c.cfg.MetaPrefix = top.text("envMetaPrefix")
	c.cfg.MetaCache = top.duration("metaCacheExpireSecond")
	c.cfg.Meta = map[string]string{}
	for _, variable := range c.opts.Environ() {
		if name, text, ok := strings.Cut(variable, "="); ok && strings.HasPrefix(name, c.cfg.MetaPrefix) {
			c.cfg.Meta[name] = text
		}
	}
}

// readDirectRPC reads MESH_DIRECT_RPC.
func (c *checker) readDirectRPC() {
	for i, item := range strings.Split(c.opts.Getenv("MESH_DIRECT_RPC"), ";") {
		if item = strings.TrimSpace(item); item == "" {
			continue
		}
		d, ok := directRPC(item)
		if !ok {
			c.f.errorf(Position{File: "$MESH_DIRECT_RPC"}, "MESH_DIRECT_RPC", "item %s must be service>host:port,host:port or service>group@host:port; got %s", strconv.Itoa(i+1), quote(item))
			continue
		}
		c.cfg.DirectRPC = append(c.cfg.DirectRPC, d)
	}
}

// directRPC reads one item, such as com.example.*>group@10.0.0.1:8002,10.0.0.2:8002.
func directRPC(item string) (DirectRPC, bool) {
	service, target, ok := strings.Cut(item, ">")
	if !ok || strings.Contains(target, ">") {
		return DirectRPC{}, false
	}
	var d DirectRPC
	d.Service, d.Prefix = strings.CutSuffix(strings.TrimSpace(service), "*")
	if group, rest, ok := strings.Cut(target, "@"); ok {
		d.Group, target = strings.TrimSpace(group), rest
	}
	d.Address = splitList(target)
	for _, a := range d.Address {
		if !validAddress(a) {
			return DirectRPC{}, false
		}
	}
	return d, len(d.Address) > 0 && (d.Service != "" || d.Prefix)
}

// Matches says whether calls of a service, given by its path, are meant.
func (d DirectRPC) Matches(path string) bool {
	if d.Prefix {
		return strings.HasPrefix(path, d.Service)
	}
	return strings.HasSuffix(path, d.Service)
}
