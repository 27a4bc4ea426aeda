package conf

import "time"

// Config is a checked configuration. It is a value: nothing changes it after Load.
type Config struct {
	Files         []string        // the files read, in the order in which they were merged
	Agent         Agent           // section motan-agent with its defaults, flags and environment
	Registries    []*Registry     // in the order of the files
	Syncs         []*RegistrySync // in the order of the files
	Refers        []*Refer        // in the order of the files, one per group
	Services      []*Service      // in the order of the files, one per group
	HTTPClients   []*HTTPClient
	HTTPLocations []Domain      // section http-locations
	HTTPServices  []HTTPService // section http-service
	Traffic       []Traffic     // section motan-traffic
	Metrics       Metrics
	Switchers     []Switcher        // sections switchers and switcher; of two with one name that of switchers
	DirectRPC     []DirectRPC       // MESH_DIRECT_RPC
	MetaPrefix    string            // envMetaPrefix, default META_
	Meta          map[string]string // static metadata: the environment variables that begin with MetaPrefix
	MetaCache     time.Duration     // metaCacheExpireSecond, default 3 s
	YAML          []byte            // the merged configuration with placeholders filled in, as YAML

	opts Options // what it was read with, for DynamicRefer and DynamicService
}

// Registry finds a registry by its id, nil if there is none.
func (c *Config) Registry(id string) *Registry {
	for _, r := range c.Registries {
		if r.ID == id {
			return r
		}
	}
	return nil
}

// Locations gives the rules of a domain in the order of the file, nil if there are none.
func (c *Config) Locations(domain string) []Location {
	for _, d := range c.HTTPLocations {
		if d.Name == domain {
			return d.Locations
		}
	}
	return nil
}

// Options are what the configuration was read with.
func (c *Config) Options() Options { return c.opts }
