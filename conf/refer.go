package conf

import (
	"maps"
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
	WeightRefresh time.Duration
	SlowStart     time.Duration // ms, default 0
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
		LoadBalance:   c.oneOf(e, path, "loadbalance", "loadbalance", c.known.LoadBalances),
		MixGroups:     v.list("mixGroups"),
		WeightRefresh: v.duration("weightRefreshPeriodSecond"),
		SlowStart:     v.duration("slowStart"),
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
		c.f.warnf(v.set["group"].at, path+".group", "%s: the group has ${idc}, but no -idc is given", e.owner)
	}
	return r
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
