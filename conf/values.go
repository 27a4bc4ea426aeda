package conf

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// value is one key's value in canonical text.
type value struct {
	text  string
	at    Position // of the value
	owner string   // the entry where it is written, such as refer "hello"
}

// values is the keys of one mapping, checked against the table. Getters of keys that are not written give the table's
// default; they cannot fail, because what is wrong was reported and left out.
type values struct {
	section string
	set     map[string]value
}

// with lays own over v, as an entry inherits from a basic one.
func (v values) with(own values) values {
	merged := values{section: own.section, set: make(map[string]value, len(v.set)+len(own.set))}
	maps.Copy(merged.set, v.set)
	for k, x := range own.set {
		if x.text != "" || !slices.Contains(urlKeys, k) { // an empty field of the URL inherits, as in motan-go
			merged.set[k] = x
		}
	}
	return merged
}

// has says whether a key is written with a text that is not empty.
func (v values) has(key string) bool {
	return v.set[key].text != ""
}

func (v values) text(key string) string {
	if t := v.set[key].text; t != "" {
		return t
	}
	k, _ := lookup(v.section, baseKey(key))
	return k.Default
}

// baseKey gives requestTimeout for hello(java.lang.String).requestTimeout, and any other key as it is.
func baseKey(key string) string {
	if i := strings.LastIndex(key, ")."); i > 0 && strings.Contains(key[:i], "(") {
		return key[i+2:]
	}
	return key
}

func (v values) bool(key string) bool {
	return v.text(key) == "true"
}

func (v values) int(key string) int {
	n, _ := strconv.Atoi(v.text(key))
	return n
}

func (v values) float(key string) float64 {
	x, _ := strconv.ParseFloat(v.text(key), 64)
	return x
}

// duration reads a key whose unit in the table is ms or s.
func (v values) duration(key string) time.Duration {
	if k, _ := lookup(v.section, baseKey(key)); k.Unit == "s" {
		return time.Duration(v.int(key)) * time.Second
	}
	return time.Duration(v.int(key)) * time.Millisecond
}

// list splits at commas, without blanks, empty items and repetitions.
func (v values) list(key string) []string {
	return splitList(v.text(key))
}

func splitList(text string) []string {
	var out []string
	seen := map[string]bool{}
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" && !seen[item] {
			seen[item] = true
			out = append(out, item)
		}
	}
	return out
}

// params gives every key but those of skip as text, and the places of all keys.
func (v values) params(skip ...string) (map[string]string, map[string]Position) {
	params, places := make(map[string]string, len(v.set)), make(map[string]Position, len(v.set))
	for k, x := range v.set {
		places[k] = x.at
		if !slices.Contains(skip, k) {
			params[k] = x.text
		}
	}
	return params, places
}

// source is where a mapping stands, for messages.
type source struct {
	section string // of the table
	path    string // such as motan-refer.hello
	owner   string // such as refer "hello"
	strict  bool   // unknown keys are errors
	fold    bool   // keys are read without regard to case
}

// read checks the keys of a mapping against the table. A node that is no mapping is reported; nothing gives no values.
func (c *checker) read(s source, n *node) values {
	out := values{section: s.section, set: map[string]value{}}
	if n.null() {
		return out
	}
	if n.kind != mapNode {
		c.f.errorf(n.at, s.path, "%s must be a mapping of keys, such as \"%s: value\" indented below it; got %s", s.owner, names(s.section)[0], n.describe())
		return out
	}
	for _, p := range n.pairs {
		name := p.key
		if s.fold {
			name = strings.ToLower(name)
		}
		if p.value.null() {
			c.key(s, name, p)
			continue
		}
		k, known := c.key(s, name, p)
		if !known && s.strict || known && (k.Type == Items || k.Type == Mapping) {
			continue
		}
		if text, ok := c.scalar(s, k, p); ok {
			out.set[name] = value{text: text, at: p.value.at, owner: s.owner}
		}
	}
	return out
}

// key finds the definition of a key. Unknown ones are reported; where they are allowed, only those that look like a
// misspelt known one.
func (c *checker) key(s source, name string, p pair) (Key, bool) {
	base := name
	if !s.strict {
		base = baseKey(name)
	}
	k, ok := lookup(s.section, base)
	path := s.path + "." + p.key
	switch {
	case ok && base != name && !k.Method:
		c.f.warnf(p.at, path, "%s cannot be set for one method and has no effect; write it as a key of its own", quote(base))
	case ok && k.NoEffect:
		c.f.warnf(p.at, path, "%s has no effect: %s", quote(base), k.Description)
	case ok:
		c.misplaced(s, k, p)
	case s.strict:
		c.f.errorf(p.at, path, "unknown key %s%s", quote(p.key), c.suggest(base, s.section, true))
	default:
		if hint := c.suggest(base, s.section, false); hint != "" && !strings.HasPrefix(base, "rateLimit.") && !strings.HasPrefix(base, "rateLimitCaller.") {
			c.f.warnf(p.at, path, "unknown key %s%s", quote(p.key), hint)
		}
	}
	return k, ok
}

// misplaced warns of inheritance that does not happen.
func (c *checker) misplaced(s source, k Key, p pair) {
	if (k.Name == "basicRefer" || k.Name == "basicService") && !slices.Contains(k.Sections, s.section) {
		instead := map[string]string{sectionRefer: "basicRefer", sectionHTTPClient: "basicRefer", sectionService: "basicService"}[s.section]
		if instead == "" {
			c.f.warnf(p.at, s.path+"."+p.key, "%s has no effect in %s, which inherits nothing", k.Name, s.section)
			return
		}
		c.f.warnf(p.at, s.path+"."+p.key, "%s has no effect in %s; write %s", k.Name, s.section, instead)
	}
}

// suggest gives "; did you mean ...?" for an unknown key, or for strict sections the known keys. Answers are kept,
// since the same unknown key may stand in thousands of entries; past a bound of different ones there are none.
func (c *checker) suggest(name, section string, strict bool) string {
	const bound = 5000
	id := section + " " + name
	if hint, ok := c.hints[id]; ok || len(c.hints) >= bound {
		return hint
	}
	hint := ""
	if strict {
		hint = didYouMean(name, names(section))
	} else if known, ok := near(name, names(section)); ok {
		hint = "; did you mean " + quote(known) + "?"
	}
	c.hints[id] = hint
	return hint
}
