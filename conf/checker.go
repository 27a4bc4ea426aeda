package conf

import (
	"cmp"
	"maps"
	"slices"
)

// checker turns a merged tree into a Config and reports what is wrong with it.
type checker struct {
	f     *findings
	root  *node
	opts  Options
	known Known
	cfg   *Config
	hints map[string]string // see suggest

	registries map[string]*Registry
	carried    int // keys of all entries with what they inherit
	compiled   int // regular expressions
}

// The limits of what lists and inheritance multiply. The largest agents known have a few thousand entries.
const (
	maxItems   = 1000      // of a list
	maxFilters = 50        // of a list of filters
	maxKeys    = 1000      // of an entry
	maxEntries = 100_000   // of a section, one per group
	maxCarried = 2_000_000 // keys of all entries
	maxRegexps = 10_000    // of all locations
)

func newChecker(f *findings, root *node, opts Options) *checker {
	if opts.Getenv == nil {
		opts.Getenv = func(string) string { return "" }
	}
	if opts.Environ == nil {
		opts.Environ = func() []string { return nil }
	}
	return &checker{
		f: f, root: root, opts: opts, known: opts.Known.withDefaults(), cfg: &Config{opts: opts},
		hints: map[string]string{}, registries: map[string]*Registry{},
	}
}

// check reads the sections in the order in which they need each other.
func (c *checker) check() {
	top := c.top()
	c.readMetadata(top)
	c.readAgent()
	c.readRegistries()
	c.agentRegistries()
	c.readSyncs()
	basicRefers := c.basics(sectionBasicRefer, "basicRefer")
	c.readRefers(basicRefers)
	c.readServices()
	c.readHTTPClients(basicRefers)
	c.readLocations()
	c.readHTTPServices()
	c.readTraffic()
	c.readMetrics()
	c.readSwitchers()
	c.readDirectRPC()
	c.checkDuplicates()
	c.checkProviders()
	c.checkListeners()
}

// top checks the names of the sections and reads the keys beside them.
func (c *checker) top() values {
	top := values{section: "", set: map[string]value{}}
	for _, p := range c.root.pairs {
		k, ok := lookup("", p.key)
		switch {
		case !ok:
			c.unknownSection(p)
		case p.value.null():
		case k.NoEffect:
			c.f.warnf(p.at, p.key, "section %s has no effect in an agent: %s", p.key, k.Description)
		case k.Type == Mapping:
			if p.value.kind != mapNode {
				c.f.errorf(p.value.at, p.key, "section %s must be a mapping; got %s", p.key, p.value.describe())
			}
		case k.Type == Items: // read by folder
		default:
			if text, ok := c.scalar(source{owner: "the file"}, k, p); ok {
				top.set[p.key] = value{text: text, at: p.value.at}
			}
		}
	}
	return top
}

// unknownSection refuses a section unless it is a mapping that looks like no known one: such sections are the
// configuration of motan-go extensions, which its own samples show.
func (c *checker) unknownSection(p pair) {
	known := names("")
	if _, misspelt := nearest(p.key, known, max(2, len(p.key)/3)); !misspelt && p.value.kind == mapNode {
		c.f.warnf(p.at, p.key, "section %s is not known and has no effect", quote(p.key))
		return
	}
	c.f.errorf(p.at, p.key, "unknown section %s%s", quote(p.key), didYouMean(p.key, known))
}

// section gives the pairs of a section that is a map; top has reported any other.
func (c *checker) section(name string) (pair, bool) {
	p, ok := c.root.get(name)
	return p, ok && p.value.kind == mapNode
}

// entry is one item of a section of entries, as written and with what it inherits.
type entry struct {
	id     string
	owner  string // such as refer "hello"
	at     Position
	values values
}

// entries reads a section whose entries may inherit from those of the section basic with the key basic: refer names
// the kind of entry in messages.
func (c *checker) entries(section, noun string, basics map[string]entry, basicKey string) []entry {
	p, ok := c.section(section)
	if !ok {
		return nil
	}
	out := make([]entry, 0, len(p.value.pairs))
	for _, e := range p.value.pairs {
		item := entry{id: e.key, owner: noun + " " + quote(e.key), at: e.at}
		item.values = c.read(source{section: section, path: section + "." + e.key, owner: item.owner}, e.value)
		if base, ok := item.values.set[basicKey]; ok && basics != nil {
			if from, ok := basics[base.text]; ok {
				item.values = from.values.with(item.values)
			} else {
				c.f.errorf(base.at, section+"."+e.key+"."+basicKey, "%s: %s %s is not defined%s", item.owner, basicKey, quote(base.text), hint(c.f, base.text, basics))
			}
		}
		if c.carried += len(item.values.set); len(item.values.set) > maxKeys || c.carried > maxCarried {
			c.f.errorf(e.at, section, "%s: more than %d keys in an entry or %d in all, with what is inherited; write fewer", item.owner, maxKeys, maxCarried)
			return out
		}
		out = append(out, item)
	}
	return out
}

// fits reports that a section has no room for more entries.
func (c *checker) fits(section string, at Position, entries int) bool {
	if entries > maxEntries {
		c.f.errorf(at, section, "%s has more than %d entries with one for each group; write fewer", section, maxEntries)
		return false
	}
	return true
}

// basics reads a section of what others inherit.
func (c *checker) basics(section, noun string) map[string]entry {
	out := map[string]entry{}
	for _, e := range c.entries(section, noun, nil, "") {
		out[e.id] = e
	}
	return out
}

// hint is didYouMean among the ids of a file. It is left out where there are too many ids or errors for it to matter.
func hint[T any](f *findings, name string, known map[string]T) string {
	if len(known) > maxCandidates || f.errors > maxDiagnostics {
		return ""
	}
	return didYouMean(name, slices.Collect(maps.Keys(known)))
}

// builtInFilters are the filters of the program as it is.
var builtInFilters = []string{
	"accessLog", "metrics", "circuitBreaker", "failfast", "trace", "rateLimit", "clusterAccessLog", "clusterMetrics", "clusterCircuitBreaker",
	"switcher", "acl", "loadShed", "timeout", "degrade", "concurrency", "header", "faultInjection", "mirror", "mock",
}

// withDefaults fills the lists that are nil.
func (k Known) withDefaults() Known {
	or := func(list []string, otherwise ...string) []string {
		if list != nil {
			return list
		}
		return otherwise
	}
	return Known{
		Registries:     or(k.Registries, "direct", "etcd", "file", "local", "zookeeper", "zk"),
		Protocols:      or(k.Protocols, "motan2", "motan", "motanV1Compatible", "cedrus", "grpc", "local"),
		Exports:        or(k.Exports, "motan2", "motan", "cgi"),
		Providers:      or(k.Providers, "http", "httpx", "cgi", "motan2", "motan"),
		Filters:        or(k.Filters, builtInFilters...),
		HAStrategies:   or(k.HAStrategies, "failover", "backupRequest", "failfast"),
		LoadBalances:   or(k.LoadBalances, "random", "roundrobin", "wrr", "consistentHashKey", "leastActive", "p2c"),
		HealthChecks:   or(k.HealthChecks, "tcp", "http", "motan", "fastcgi"),
		Serializations: or(k.Serializations, "simple", "breeze", "hessian2", "protobuf", "grpc-pb", "grpc-pb-json", "fastjson"),
	}
}

// oneOf reports a value that is not in a list of known ones.
func (c *checker) oneOf(e entry, path, key, what string, known []string) string {
	text := e.values.text(key)
	if text == "" {
		return ""
	}
	if slices.Contains(known, text) {
		return text
	}
	c.f.errorf(cmp.Or(e.values.set[key].at, e.at), path+"."+key, "%s: unknown %s %s%s", e.owner, what, quote(text), didYouMean(text, known))
	return text
}
