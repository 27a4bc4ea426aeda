package conf

import (
	"slices"
	"strings"
	"sync"
)

// Key describes one key of the configuration. The table that Keys gives is the only place where a key is defined:
// checks, defaults, suggestions and documentation come from it.
type Key struct {
	Name        string
	Sections    []string // where it may stand, such as motan-agent or motan-refer; "" is the top level of a file
	Type        Type
	Unit        string   // ms, s, bytes, %; "" for none
	Default     string   // as it would be written; "" for none
	Values      []string // what may be written; nil for anything of the type
	Min, Max    int64    // of Int; Max of List is the number of items; Max 0 stands for 2147483647, and 1000 items
	Method      bool     // may also be written for one method, as name(description).key
	NoEffect    bool     // accepted with a warning: nobody reads it
	Secret      bool     // shown to nobody
	Since       string   // motan-go, or motand where motan-go has no such key
	Description string   // one line
}

// Type is the kind of value that a key takes.
type Type string

// The types of values.
const (
	String  Type = "string"
	Bool    Type = "bool"
	Int     Type = "int"
	Float   Type = "float"
	List    Type = "list" // text with commas between the items
	Port    Type = "port"
	Mapping Type = "mapping"
	Items   Type = "items" // a YAML list
)

// The sections of a file.
const (
	sectionAgent        = "motan-agent"
	sectionClient       = "motan-client"
	sectionServer       = "motan-server"
	sectionRegistry     = "motan-registry"
	sectionSync         = "registry-sync"
	sectionBasicRefer   = "motan-basicRefer"
	sectionRefer        = "motan-refer"
	sectionBasicService = "motan-basicService"
	sectionService      = "motan-service"
	sectionHTTPClient   = "http-client"
	sectionLocations    = "http-locations"
	sectionHTTPService  = "http-service"
	sectionMetrics      = "metrics"
	sectionGraphite     = "metrics.graphite"
	sectionTraffic      = "motan-traffic"
	sectionSwitcher     = "switcher"
	sectionSwitchers    = "switchers"
	sectionDynamic      = "dynamic-param"
	sectionImportRefer  = "import-refer"
	sectionImportHTTP   = "import-http-location"
)

const motanGo, motand = "motan-go", "motand"

const maxInt = 2147483647 // motan-go reads times as 32-bit numbers

// keyTable is the definitions in the form in which they are looked up.
type keyTable struct {
	all       []Key
	bySection map[string]map[string]Key
}

var table = sync.OnceValue(func() keyTable {
	all := slices.Concat(topKeys(), agentKeys(), registryKeys(), zookeeperKeys(), syncKeys(), entryKeys(), callKeys(), serveKeys(), filterKeys(), trafficKeys(), otherKeys())
	slices.SortStableFunc(all, func(a, b Key) int {
		if c := strings.Compare(a.Sections[0], b.Sections[0]); c != 0 {
			return c
		}
		return strings.Compare(a.Name, b.Name)
	})
	bySection := map[string]map[string]Key{}
	for _, k := range all {
		for _, s := range k.Sections {
			if bySection[s] == nil {
				bySection[s] = map[string]Key{}
			}
			bySection[s][k.Name] = k
		}
	}
	return keyTable{all: all, bySection: bySection}
})

// Keys gives the table of all keys, sorted by first section and name. The caller owns the slice, not what the keys
// point to.
func Keys() []Key {
	return slices.Clone(table().all)
}

// lookup finds a key of a section. In the five entry sections the keys of all of them are known, because a basicRefer
// or basicService may hold what only some of its heirs read.
func lookup(section, name string) (Key, bool) {
	t := table()
	if k, ok := t.bySection[section][name]; ok {
		return k, true
	}
	if !slices.Contains(entrySections, section) {
		return Key{}, false
	}
	for _, s := range entrySections {
		if k, ok := t.bySection[s][name]; ok {
			return k, true
		}
	}
	return Key{}, false
}

// names gives the known keys of a section, sorted, for suggestions.
func names(section string) []string {
	sections := []string{section}
	if slices.Contains(entrySections, section) {
		sections = entrySections
	}
	var out []string
	for _, s := range sections {
		for name := range table().bySection[s] {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}
