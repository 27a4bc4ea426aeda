package conf

import (
	"regexp"
	"slices"
	"strings"
)

// Domain is the location rules of one domain.
type Domain struct {
	Position
	Name      string
	Locations []Location // in the order of the file
}

// MatchType says how a location or the condition of a rewrite rule looks at a path.
type MatchType string

// The types of the motan-go agent.
const (
	MatchExact     MatchType = "exact"     // the whole path
	MatchStart     MatchType = "start"     // a prefix
	MatchRegexp    MatchType = "regexp"    // a regular expression
	MatchIRegexp   MatchType = "iregexp"   // the same without regard to case
	MatchRegexpVar MatchType = "regexpVar" // rewrite rules only: regexp, and {name} in the result is a query parameter
)

// Location is one rule: requests whose path it matches are calls of the service Upstream.
type Location struct {
	Position
	Match    string
	Type     MatchType
	Upstream string
	Regexp   *regexp.Regexp // compiled Match of the types regexp and iregexp, else nil
	Rewrites []Rewrite      // of which the first that applies is taken
}

// Rewrite is one entry of rewriteRules: "[!]type condition pattern replacement".
type Rewrite struct {
	Position
	Text            string // the rule as written, its words one space apart
	Not             bool
	Type            MatchType
	Condition       string
	ConditionRegexp *regexp.Regexp // nil for the types exact and start
	Pattern         *regexp.Regexp
	Replacement     string // with $1 for groups
}

// readLocations reads http-locations.
func (c *checker) readLocations() {
	p, ok := c.section(sectionLocations)
	if !ok {
		return
	}
	for _, d := range p.value.pairs {
		if d.value.null() {
			continue
		}
		path := sectionLocations + "." + d.key
		if d.value.kind != listNode {
			c.f.errorf(d.value.at, path, "locations of %s must be a list of match, type and upstream; got %s", quote(d.key), d.value.describe())
			continue
		}
		domain := Domain{Position: d.at, Name: d.key}
		for _, item := range d.value.items {
			domain.Locations = append(domain.Locations, c.location(item, path))
		}
		c.cfg.HTTPLocations = append(c.cfg.HTTPLocations, domain)
	}
}

func (c *checker) location(n *node, path string) Location {
	v := c.read(source{section: sectionLocations, path: path, owner: "a location", strict: true}, n)
	l := Location{Position: n.at, Match: v.text("match"), Type: MatchType(v.text("type")), Upstream: v.text("upstream")}
	if n.kind != mapNode {
		return l
	}
	for _, key := range []string{"match", "upstream"} {
		if p, ok := n.get(key); !v.has(key) && (!ok || p.value.null() || p.value.text == "") {
			c.f.errorf(n.at, path, "a location has no %s; write match, type and upstream", key)
		}
	}
	if l.Type == MatchRegexp || l.Type == MatchIRegexp {
		l.Regexp = c.compile(l.Match, l.Type == MatchIRegexp, v.set["match"].at, path+".match")
	}
	rules, ok := n.get("rewriteRules")
	switch {
	case !ok || rules.value.null():
	case rules.value.kind != listNode:
		c.f.errorf(rules.value.at, path+".rewriteRules", "rewriteRules must be a list of texts; got %s", rules.value.describe())
	default:
		for _, item := range rules.value.items {
			if r, ok := c.rewrite(item, path+".rewriteRules"); ok {
				l.Rewrites = append(l.Rewrites, r)
			}
		}
	}
	return l
}

// compile gives nil for what is no regular expression, which it reports.
func (c *checker) compile(text string, fold bool, at Position, path string) *regexp.Regexp {
	if c.compiled++; c.compiled > maxRegexps {
		c.f.errorf(at, path, "more than %d regular expressions; use locations of the type start", maxRegexps)
		return nil
	}
	expr := text
	if fold {
		expr = "(?i)" + text
	}
	re, err := regexp.Compile(expr)
	if err != nil {
		c.f.errorf(at, path, "%s is no regular expression: %v", quote(text), err)
		return nil
	}
	return re
}

// rewrite reads a rule of four words. An empty text is none.
func (c *checker) rewrite(n *node, path string) (Rewrite, bool) {
	if n.null() || n.kind == scalarNode && strings.TrimSpace(n.text) == "" {
		return Rewrite{}, false
	}
	words := strings.Fields(n.text)
	if n.kind != scalarNode || len(words) != 4 {
		c.f.errorf(n.at, path, "a rewrite rule is four words, such as \"!regexp ^/2/.* ^/(.*) /2/$1\"; got %s", n.describe())
		return Rewrite{}, false
	}
	name, not := strings.CutPrefix(words[0], "!")
	r := Rewrite{Position: n.at, Text: strings.Join(words, " "), Not: not, Type: MatchType(name), Condition: words[1], Replacement: words[3]}
	types := []string{string(MatchExact), string(MatchStart), string(MatchRegexp), string(MatchIRegexp), string(MatchRegexpVar)}
	if !slices.Contains(types, name) {
		c.f.errorf(n.at, path, "unknown condition type %s%s", quote(words[0]), didYouMean(name, types))
		return Rewrite{}, false
	}
	if r.Type != MatchExact && r.Type != MatchStart {
		r.ConditionRegexp = c.compile(words[1], r.Type == MatchIRegexp, n.at, path)
	}
	r.Pattern = c.compile(words[2], false, n.at, path)
	return r, true
}
