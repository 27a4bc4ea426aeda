package conf

import (
	"maps"
	"slices"
	"strings"
)

// Dynamic is an entry that a program on this host asks for while the agent runs (motan protocol, section 7.7).
type Dynamic struct {
	Protocol string
	Path     string
	Group    string // one group
	Registry string // id
	Proxy    string // of services: protocol:port of the program's own server
	Params   map[string]string
}

// DynamicRefer makes a refer of d, as if it were written in the configuration. Programs of all ages and languages ask,
// so a parameter whose value is not known here is left out with a Warning. The Refer is nil if and only if there is an
// Error among the diagnostics.
func (c *Config) DynamicRefer(d Dynamic) (*Refer, []Diagnostic) {
	return readDynamic(c, sectionRefer, d, func(k *checker, e entry) *Refer {
		r := k.referOf(sectionRefer, e)
		markDynamic(&r.Entry)
		if r.Path == "" {
			k.f.errorf(e.at, sectionRefer, "the path, which is the name of the service, is missing")
		}
		return &r
	})
}

// DynamicService makes a service of d likewise. It is exported on the agent's export port.
func (c *Config) DynamicService(d Dynamic) (*Service, []Diagnostic) {
	return readDynamic(c, sectionService, d, func(k *checker, e entry) *Service {
		s := k.serviceOf(e)
		if d.Proxy == "" {
			k.f.errorf(e.at, sectionService, "the protocol and port of the program's server (proxy) are missing")
		}
		markDynamic(&s.Entry)
		k.checkProvider(&s, false, k.cfg.Locations(s.HTTP.Domain) != nil)
		return &s
	})
}

func markDynamic(e *Entry) {
	e.Dynamic = true
	delete(e.Params, "conf-id") // it has none
}

// dynamicKeys are those that the entry cannot do without, or that the agent has set.
var dynamicKeys = []string{"path", "group", "protocol", "registry", "proxy", "export"}

// readDynamic reads the entry. What is wrong with a parameter of the program's own becomes a warning, and the entry is
// read once more without it.
func readDynamic[T any](c *Config, section string, d Dynamic, read func(k *checker, e entry) *T) (*T, []Diagnostic) {
	params := maps.Clone(d.Params)
	if params == nil {
		params = map[string]string{}
	}
	delete(params, "host")
	delete(params, "port")
	params["path"], params["group"], params["protocol"], params["registry"] = d.Path, d.Group, d.Protocol, d.Registry
	if section == sectionService {
		params["proxy"], params["export"] = d.Proxy, ProtocolPort{d.Protocol, c.Agent.ExportPort}.String()
	}
	id := d.Group + "/" + d.Path
	path := section + "." + id + "."
	var warnings []Diagnostic
	for {
		f := &findings{}
		out := read(dynamicChecker(c, f), dynamicEntry(f, section, id, params))
		dropped := false
		for i, x := range f.list {
			key, own := strings.CutPrefix(x.Key, path)
			if _, has := params[key]; x.Severity == Warning || !own || !has || slices.Contains(dynamicKeys, key) {
				continue
			}
			delete(params, key)
			dropped = true
			f.list[i].Severity = Warning
			warnings = append(warnings, f.list[i])
		}
		switch {
		case dropped:
			continue // each turn has a parameter less
		case f.errors > 0:
			return nil, append(warnings, f.sorted()...)
		}
		return out, append(warnings, f.sorted()...)
	}
}

// dynamicChecker sees the agent, the registries and the locations of c.
func dynamicChecker(c *Config, f *findings) *checker {
	k := newChecker(f, nil, c.opts)
	k.cfg = &Config{Agent: c.Agent, Registries: c.Registries, HTTPLocations: c.HTTPLocations, Meta: c.Meta}
	for _, r := range c.Registries {
		k.registries[r.ID] = r
	}
	return k
}

// dynamicEntry is the entry as the reader of a file would have it.
func dynamicEntry(f *findings, section, id string, params map[string]string) entry {
	at := Position{File: "a program's request for " + id}
	pairs := make([]pair, 0, len(params))
	for _, key := range slices.Sorted(maps.Keys(params)) {
		pairs = append(pairs, pair{key: key, at: at, value: &node{kind: scalarNode, at: at, tag: "!!str", text: params[key]}})
	}
	e := entry{id: id, owner: quote(id), at: at}
	e.values = (&checker{f: f, hints: map[string]string{}}).read(source{section: section, path: section + "." + id, owner: e.owner}, newMap(at, pairs))
	if len(params) > maxKeys {
		f.errorf(at, section, "%s: more than %d parameters", e.owner, maxKeys)
	}
	return e
}

// DynamicReferGroups gives the groups in which a program that asks to call a service in a comma list of groups calls
// it: those, the ones of MESH_SERVICE_ADDITIONAL_GROUP, as in motan-go, and each with MESH_MULTI_SUB_GROUP_SUFFIX.
func (c *Config) DynamicReferGroups(list string) []string {
	groups := c.dynamicGroups(list)
	suffix := c.getenv("MESH_MULTI_SUB_GROUP_SUFFIX")
	for _, group := range slices.Clone(groups) {
		if suffix != "" && !strings.HasSuffix(group, suffix) && !slices.Contains(groups, group+suffix) {
			groups = append(groups, group+suffix)
		}
	}
	return groups
}

// DynamicServiceGroups gives the groups in which a program's service is exported: those of the comma list and of
// MESH_SERVICE_ADDITIONAL_GROUP, each ending with RPC_REG_GROUP_SUFFIX.
func (c *Config) DynamicServiceGroups(list string) []string {
	groups := c.dynamicGroups(list)
	suffix := c.getenv("RPC_REG_GROUP_SUFFIX")
	for i, group := range groups {
		if !strings.HasSuffix(group, suffix) {
			groups[i] += suffix
		}
	}
	return slices.Compact(slices.Sorted(slices.Values(groups)))
}

func (c *Config) dynamicGroups(list string) []string {
	groups := splitList(list + "," + c.getenv("MESH_SERVICE_ADDITIONAL_GROUP"))
	if len(groups) == 0 {
		return []string{""}
	}
	return groups
}

func (c *Config) getenv(name string) string {
	if c.opts.Getenv == nil {
		return ""
	}
	return c.opts.Getenv(name)
}
