package conf

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Setting is one key's value as it counts, and where that comes from.
type Setting struct {
	Section string `json:"section"`
	ID      string `json:"id,omitempty"` // of the entry in its section
	Key     string `json:"key"`
	Value   string `json:"value"`
	Origin  string `json:"origin"` // file:line:column, OriginDefault or OriginCommand
}

// What a value comes from that stands in no file.
const (
	OriginDefault = "default"
	OriginCommand = "command line or environment"
)

// Name is the setting's full name, such as motan-refer.hello.requestTimeout.
func (s Setting) Name() string {
	if s.ID == "" {
		return s.Section + "." + s.Key
	}
	return s.Section + "." + s.ID + "." + s.Key
}

// Settings gives every key as it counts, after inheritance, flags and the environment: those that are written and those that
// have a default, sorted within each entry. Lists of mappings (http-locations, motan-traffic and the like) are in the
// merged YAML only. Values of Secret keys are three stars.
func (c *Config) Settings() []Setting {
	out := c.agentSettings()
	for _, r := range c.Registries {
		if !r.Implicit {
			out = append(out, settings(sectionRegistry, r.ID, r.Params, r.At, r.Position,
				field{"protocol", r.Protocol}, field{"host", r.Host}, port("port", r.Port))...)
		}
	}
	for _, r := range c.Refers {
		out = append(out, r.settings(sectionRefer)...)
	}
	for _, s := range c.Services {
		out = append(out, s.settings(sectionService)...)
	}
	for _, h := range c.HTTPClients {
		out = append(out, h.settings(sectionHTTPClient)...)
	}
	out = append(out, settings(sectionMetrics, "", nil, func(string) Position { return c.Metrics.PeriodAt }, Position{},
		field{"period", strconv.Itoa(int(c.Metrics.Period.Seconds()))})...)
	for _, s := range c.Switchers {
		out = append(out, Setting{Section: sectionSwitchers, Key: s.Name, Value: s.Value, Origin: s.Position.String()})
	}
	return out
}

// settings are those of a refer, a service or an http-client.
func (e *Entry) settings(section string) []Setting {
	return settings(section, e.ID, e.Params, e.At, e.Position,
		field{"protocol", e.Protocol}, field{"host", e.Host}, port("port", e.Port), field{"path", e.Path}, field{"group", e.Group})
}

func (c *Config) agentSettings() []Setting {
	a := &c.Agent
	out := settings(sectionAgent, "", a.Params, a.At, a.Position, field{"host", a.Host}, field{"port", strconv.Itoa(a.Port)},
		field{"group", a.Group}, field{"path", a.Path})
	counts := map[string]string{
		"port": strconv.Itoa(a.Port), "eport": strconv.Itoa(a.ExportPort), "hport": strconv.Itoa(a.HTTPPort), "mport": strconv.Itoa(a.ManagementPort),
		"log_dir": a.LogDir, "pidfile": a.PIDFile, "recover": strconv.FormatBool(a.Recover),
	}
	for i := range out {
		s := &out[i]
		if value, ok := counts[s.Key]; ok && value != s.Value {
			s.Value, s.Origin = value, OriginCommand
		}
		if s.Key == "port" && s.Origin == OriginDefault {
			if k, _ := lookup(sectionAgent, "port"); k.Default != s.Value {
				s.Origin = OriginCommand
			}
		}
	}
	return out
}

type field struct{ key, value string }

func port(key string, n int) field {
	if n == 0 {
		return field{key, ""}
	}
	return field{key, strconv.Itoa(n)}
}

// settings makes them of the parameters, of the fields that are not among them, and of the defaults of all other keys.
func settings(section, id string, params map[string]string, at func(string) Position, entry Position, fields ...field) []Setting {
	values := maps.Clone(params)
	if values == nil {
		values = make(map[string]string, len(fields))
	}
	for _, f := range fields {
		if f.value != "" {
			values[f.key] = f.value
		}
	}
	var out []Setting
	add := func(key, value, origin string) {
		if k, ok := lookup(section, baseKey(key)); ok && k.Secret && value != "" {
			value = "***"
		}
		out = append(out, Setting{section, id, key, value, origin})
	}
	for key, value := range values {
		origin := OriginDefault
		if p := at(key); p != entry && p != (Position{}) {
			origin = p.String()
		}
		add(key, value, origin)
	}
	for name, k := range table().bySection[section] {
		if _, written := values[name]; !written && k.Default != "" && !k.NoEffect {
			add(name, k.Default, OriginDefault)
		}
	}
	slices.SortFunc(out, func(a, b Setting) int { return strings.Compare(a.Key, b.Key) })
	return out
}

// Difference is a setting that two configurations have differently.
type Difference struct {
	Name   string `json:"name"`
	Before string `json:"before,omitempty"` // empty: the key, or its whole entry, is new
	After  string `json:"after,omitempty"`  // empty: it is gone
	Origin string `json:"origin"`           // of the value after, else of that before
}

// String is the difference in a line.
func (d Difference) String() string {
	switch {
	case d.Before == "":
		return fmt.Sprintf("+ %s: %s  # %s", d.Name, d.After, d.Origin)
	case d.After == "":
		return fmt.Sprintf("- %s: %s  # %s", d.Name, d.Before, d.Origin)
	}
	return fmt.Sprintf("~ %s: %s -> %s  # %s", d.Name, d.Before, d.After, d.Origin)
}

// Differences tells what changes from the settings before to those after, sorted by name. Where an entry is new or gone
// it is one difference, under the entry's name with its path; defaults of its other keys are not named.
func Differences(before, after []Setting) []Difference {
	was, is := bySetting(before), bySetting(after)
	entriesBefore, entriesAfter := entriesOf(before), entriesOf(after)
	var out []Difference
	for entry, s := range entriesAfter {
		if _, had := entriesBefore[entry]; !had {
			out = append(out, Difference{Name: entry, After: s.Value, Origin: s.Origin})
		}
	}
	for entry, s := range entriesBefore {
		if _, has := entriesAfter[entry]; !has {
			out = append(out, Difference{Name: entry, Before: s.Value, Origin: s.Origin})
		}
	}
	gone := func(s Setting, entries map[string]Setting) bool {
		_, ok := entries[s.entry()]
		return s.ID != "" && !ok
	}
	for name, s := range is {
		if old := was[name]; old.Value != s.Value && !gone(s, entriesBefore) {
			out = append(out, Difference{name, old.Value, s.Value, s.Origin})
		}
	}
	for name, old := range was {
		if _, has := is[name]; !has && old.Value != "" && !gone(old, entriesAfter) {
			out = append(out, Difference{Name: name, Before: old.Value, Origin: old.Origin})
		}
	}
	slices.SortFunc(out, func(a, b Difference) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

func (s Setting) entry() string { return s.Section + "." + s.ID }

func bySetting(all []Setting) map[string]Setting {
	out := make(map[string]Setting, len(all))
	for _, s := range all {
		out[s.Name()] = s
	}
	return out
}

// entriesOf finds the entries, each with the setting that tells most of it.
func entriesOf(all []Setting) map[string]Setting {
	out := make(map[string]Setting)
	for _, s := range all {
		if s.ID == "" {
			continue
		}
		if _, there := out[s.entry()]; !there || s.Key == "path" || s.Key == "protocol" && s.Section == sectionRegistry {
			out[s.entry()] = s
		}
	}
	return out
}
