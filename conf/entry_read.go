package conf

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// urlKeys are the fields of a URL, which are not among its parameters.
var urlKeys = []string{"protocol", "host", "port", "path", "group"}

// entryOf fills what refers, services and http-clients have in common. The group is not split yet.
func (c *checker) entryOf(section string, e entry) Entry {
	v, path := e.values, section+"."+e.id
	out := Entry{
		Position: e.at, ID: e.id, ConfID: e.id,
		Protocol: v.text("protocol"), Host: v.text("host"), Port: v.int("port"), Path: v.text("path"), Group: v.text("group"),
		Version: v.text("version"), Module: v.text("module"),
		Application:          cmp.Or(v.text("application"), c.cfg.Agent.Application),
		Retries:              v.int("retries"),
		Serialization:        c.oneOf(e, path, "serialization", "serialization", c.known.Serializations),
		MingzSize:            v.int("mingzSize"),
		ConnectTimeout:       v.duration("connectTimeout"),
		ConnectRetryInterval: v.duration("connectRetryInterval"),
		ClientConnections:    v.int("clientConnection"),
		LazyInit:             v.bool("lazyInit"),
		AsyncInit:            c.cfg.Agent.AsyncInit,
		ErrorCountThreshold:  v.int("errorCountThreshold"),
		KeepaliveInterval:    v.duration("keepaliveInterval"),
		MaxContentLength:     v.int("maxContentLength"),
		RegisterMeta:         v.bool("registerMeta"),
		DynamicMeta:          v.bool("dynamicMeta"),
		Check:                v.bool("check"),
	}
	if v.has("asyncInitConnection") {
		out.AsyncInit = v.bool("asyncInitConnection")
	}
	whole := c.methodOf(v, path, "")
	out.RequestTimeout, out.MinRequestTimeout, out.MaxRequestTimeout = whole.RequestTimeout, whole.MinRequestTimeout, whole.MaxRequestTimeout
	out.Methods = c.methods(v, path)
	out.Registries = c.registriesOf(e, path)
	out.Filters = c.filters(v)

	out.Params, out.places = v.params(urlKeys...)
	out.Params["conf-id"] = e.id
	out.Params["application"] = out.Application
	if len(out.Registries) > 0 {
		out.Params["registry"] = strings.Join(out.Registries, ",")
	}
	if len(out.Filters) > 0 {
		out.Params["filter"] = strings.Join(out.Filters, ",")
	}
	return out
}

// methods finds the methods that have keys of their own.
func (c *checker) methods(v values, path string) map[string]Method {
	var out map[string]Method
	for full, x := range v.set {
		key := baseKey(full)
		if key == full {
			continue
		}
		name := strings.TrimSuffix(full, "."+key)
		m, ok := out[name]
		if !ok {
			m = c.methodOf(v, path, name+".")
			m.Params = map[string]string{}
		}
		m.Params[key] = x.text
		if out == nil {
			out = map[string]Method{}
		}
		out[name] = m
	}
	return out
}

// methodOf resolves what can be set for one method; prefix is "name(desc)." or "" for the entry itself.
func (c *checker) methodOf(v values, path, prefix string) Method {
	pick := func(key string) string {
		if v.has(prefix + key) {
			return prefix + key
		}
		return key
	}
	m := Method{
		RequestTimeout:    v.duration(pick("requestTimeout")),
		MinRequestTimeout: v.duration(pick("minRequestTimeout")),
		MaxRequestTimeout: v.duration(pick("maxRequestTimeout")),
		Retries:           v.int(pick("retries")),
		Idempotent:        v.bool(pick("idempotent")),
	}
	if m.MinRequestTimeout == 0 {
		m.MinRequestTimeout = m.RequestTimeout / 2
	}
	if m.MaxRequestTimeout == 0 {
		m.MaxRequestTimeout = 2 * m.RequestTimeout
	}
	if m.MinRequestTimeout > m.MaxRequestTimeout {
		key := pick("minRequestTimeout")
		c.f.errorf(cmp.Or(v.set[key].at, v.set[pick("maxRequestTimeout")].at), path+"."+key,
			"the window for a caller's timeout is empty: minRequestTimeout is %d and maxRequestTimeout %d ms",
			m.MinRequestTimeout/time.Millisecond, m.MaxRequestTimeout/time.Millisecond)
	}
	if slices.Contains(callSections, v.section) {
		m.Backup = BackupRequest{
			DelayTime:     v.duration(pick("backupRequestDelayTime")),
			DelayRatio:    v.int(pick("backupRequestDelayRatio")),
			MaxRetryRatio: v.int(pick("backupRequestMaxRetryRatio")),
			InitDelayTime: v.duration(pick("backupRequestInitDelayTime")),
		}
	}
	return m
}

// filters gives the filters of an entry: the agent's default and global ones as far as the entry lets them, those of
// the environment, its own. motan-go's order is random; this one is as configured.
func (c *checker) filters(v values) []string {
	own, a := v.set["filter"], &c.cfg.Agent
	var out []string
	add := func(names, without []string, at Position, key string) {
		for _, name := range names {
			if slices.Contains(without, name) || slices.Contains(out, name) {
				continue
			}
			if !slices.Contains(c.known.Filters, name) {
				c.f.warnf(at, key, "unknown filter %s%s", quote(name), didYouMean(name, c.known.Filters))
			}
			out = append(out, name)
		}
	}
	add(a.DefaultFilters, v.list("disableDefaultFilter"), a.At("defaultFilter"), sectionAgent+".defaultFilter")
	add(a.GlobalFilters, v.list("disableGlobalFilter"), a.At("globalFilter"), sectionAgent+".globalFilter")
	add(splitList(c.opts.Getenv("MESH_FILTERS")), nil, Position{File: "$MESH_FILTERS"}, "MESH_FILTERS")
	add(v.list("filter"), nil, own.at, v.section+".filter")
	return out
}

// split gives an entry once for each of its groups. The further ones have -0, -1 and so on after their id, as in
// motan-go.
func (e Entry) split(more string) []Entry {
	groups := splitList(e.Group + "," + more)
	if len(groups) == 0 {
		return []Entry{e}
	}
	out := make([]Entry, 0, len(groups))
	for i, group := range groups {
		one := e
		one.Group = group
		if i > 0 {
			one.ID = e.ID + "-" + strconv.Itoa(i-1)
		}
		out = append(out, one)
	}
	return out
}
