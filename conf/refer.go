package conf

import (
	"maps"
	"slices"
	"strings"
	"time"
)

// Refer is one group of one entry of motan-refer: a service that local programs call through the agent.
type Refer struct {
	Entry
	HAStrategy    string   // failover (default), backupRequest or failfast
	Idempotent    bool     // default true
	RetryBudget   int      // retryBudget, percent, default 20
	RetryFloor    int      // retryBudgetMin, a second, default 10
	LoadBalance   string   // random (default), roundrobin, wrr, consistentHashKey, leastActive, p2c
	MixGroups     []string // further groups that are merged into this one
	Spellings     []string // what Group is called instead, in this order, where nobody is in it; see spell
	WeightRefresh time.Duration
	SlowStart     time.Duration // ms, default 0
	Panic         int           // panicThreshold, percent, default 50
	Locality      []string      // what makes an endpoint near, the nearest first
	LocalitySpill int           // percent, default 140
	LocalityFull  int           // calls, default 0
	Subset        map[string]string
	SubsetStrict  bool // subset.fallback is none
	SubsetSize    int
	Backup        BackupRequest

	Description string            // what the page of HTTP in says of the service
	HTTPGet     []string          // methods that GET may call over HTTP in; "*" is all
	Described   []DescribedMethod // the methods that have a description or an example, by name

	// Of loadbalance consistentHashKey; zero where not written.
	HashParts    int     // consistentHashKey.partSize
	HashLoad     float64 // consistentHashKey.load
	HashReplicas int     // consistentHashKey.replica
}

// readRefers reads motan-refer with what it inherits from motan-basicRefer.
func (c *checker) readRefers(basics map[string]entry) {
	for _, e := range c.entries(sectionRefer, "refer", basics, "basicRefer") {
		r := c.referOf(sectionRefer, e)
		if r.Path == "" {
			c.f.errorf(e.at, sectionRefer+"."+e.id, "%s has no path; add path: and the name of the service", e.owner)
		}
		groups := r.split("")
		if !c.fits(sectionRefer, e.at, len(c.cfg.Refers)+len(groups)) {
			return
		}
		for _, one := range groups {
			further := r
			further.Entry = one
			further.spell(c.opts.IDC)
			c.cfg.Refers = append(c.cfg.Refers, &further)
		}
	}
	c.suffixedRefers()
}

// referOf fills what refers and http-clients have in common.
func (c *checker) referOf(section string, e entry) Refer {
	v, path := e.values, section+"."+e.id
	whole := c.methodOf(v, path, "")
	r := Refer{
		Entry:         c.entryOf(section, e),
		HAStrategy:    c.oneOf(e, path, "haStrategy", "haStrategy", c.known.HAStrategies),
		LoadBalance:   c.loadBalance(e, path),
		MixGroups:     v.list("mixGroups"),
		WeightRefresh: v.duration("weightRefreshPeriodSecond"),
		SlowStart:     v.duration("slowStart"),
		Panic:         v.int("panicThreshold"),
		Locality:      v.list("locality"),
		LocalitySpill: v.int("locality.spill"),
		LocalityFull:  v.int("locality.full"),
		Subset:        c.pairs(v, path, "subset"),
		SubsetStrict:  v.text("subset.fallback") == "none",
		SubsetSize:    v.int("subsetSize"),
		Backup:        whole.Backup,
		Idempotent:    whole.Idempotent,
		RetryBudget:   v.int("retryBudget"),
		RetryFloor:    v.int("retryBudgetMin"),
		HashParts:     v.int("consistentHashKey.partSize"),
		HashLoad:      v.float("consistentHashKey.load"),
		HashReplicas:  v.int("consistentHashKey.replica"),
		Description:   v.text("description"),
		HTTPGet:       v.list("httpGet"),
		Described:     c.described(v, path),
	}
	c.oneOf(e, path, "protocol", "protocol", c.known.Protocols)
	switch r.Protocol {
	case "motanV1Compatible":
		r.Protocol = "motan"
	case "cedrus":
		r.Protocol = "motan2"
	}
	c.callable(path, r.Registries)
	if strings.Contains(r.Group, "${"+idcPlaceholder+"}") && c.opts.IDC == "" {
		c.f.warnf(v.set["group"].at, path+".group", "%s: the group has ${idc}, but no -idc is given, so that nobody is found; start with -idc or write the group out", e.owner)
	}
	return r
}

// spell puts idc into the place of ${idc} in the group, as it is given; in small and in capital letters the group is another
// one, which is taken where nobody is in the first (agent inventory, section 3).
func (r *Refer) spell(idc string) {
	const written = "${" + idcPlaceholder + "}"
	pattern := r.Group
	if idc == "" || !strings.Contains(pattern, written) {
		return
	}
	r.Group = strings.Replace(pattern, written, idc, 1)
	for _, other := range []string{strings.ToLower(idc), strings.ToUpper(idc)} {
		group := strings.Replace(pattern, written, other, 1)
		if group != r.Group && !slices.Contains(r.Spellings, group) {
			r.Spellings = append(r.Spellings, group)
		}
	}
}

// Groups are all that Group may be called, in the order in which they are tried.
func (r *Refer) Groups() []string { return append([]string{r.Group}, r.Spellings...) }

// loadBalance is that of the refer, else that of the agent.
func (c *checker) loadBalance(e entry, path string) string {
	if own := c.oneOf(e, path, "loadbalance", "loadbalance", c.known.LoadBalances); e.values.has("loadbalance") || c.cfg.Agent.LoadBalance == "" {
		return own
	}
	return c.cfg.Agent.LoadBalance
}

// pairs reads name=value, name=value; nil for none.
func (c *checker) pairs(v values, path, key string) map[string]string {
	var out map[string]string
	for _, item := range v.list(key) {
		name, value, ok := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			c.f.errorf(v.set[key].at, path+"."+key, "%s must be name=value, with commas between several, such as rack=a12,room=north; got %s", key, quote(item))
			continue
		}
		if out == nil {
			out = map[string]string{}
		}
		out[name] = value
	}
	return out
}

// suffixedRefers adds, for MESH_MULTI_SUB_GROUP_SUFFIX, each refer once more with its group and the suffix.
func (c *checker) suffixedRefers() {
	suffix := c.opts.Getenv("MESH_MULTI_SUB_GROUP_SUFFIX")
	if suffix == "" {
		return
	}
	have := map[string]bool{}
	for _, r := range c.cfg.Refers {
		have[r.Identity()] = true
	}
	for _, r := range c.cfg.Refers {
		if strings.HasSuffix(r.Group, suffix) {
			continue
		}
		further := *r
		further.Group += suffix
		further.ID = "auto_" + r.ID + further.Group
		further.Spellings = nil
		for _, group := range r.Spellings {
			further.Spellings = append(further.Spellings, group+suffix)
		}
		further.Params = maps.Clone(r.Params)
		if !have[further.Identity()] {
			have[further.Identity()] = true
			c.cfg.Refers = append(c.cfg.Refers, &further)
		}
	}
}

// Identity is equal for refers that calls could not tell apart: those of one group, version, protocol and path.
func (r *Refer) Identity() string {
	version := r.Version
	if version == "" {
		version = "1.0"
	}
	return strings.Join([]string{r.Group, version, r.Protocol, r.Path}, "\x00")
}
