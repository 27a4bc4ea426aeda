package httpbridge

import (
	"fmt"
	"regexp"
	"strings"
)

// Location is one rule of http-locations: which paths belong to which service, and how they are called there.
type Location struct {
	Match        string   // path, prefix or regular expression, as Type says
	Type         string   // exact, start, regexp or iregexp; empty means start
	Upstream     string   // the service
	RewriteRules []string // "[!]type condition pattern replacement"; the first that applies is taken, empty ones are skipped
}

// Locations are the compiled rules of one domain. They never change and may be used by many at once; nil has no rule.
type Locations struct {
	exact, regexps, prefixes []location
}

type location struct {
	match    string
	pattern  *regexp.Regexp // of the types regexp and iregexp
	upstream string
	rewrites []rewrite
}

// NewLocations compiles rules. Its errors name the rule that is wrong; the motan-go agent logs it and goes on without it.
func NewLocations(rules []Location) (*Locations, error) {
	l := &Locations{}
	for i, rule := range rules {
		if err := l.add(rule); err != nil {
			return nil, fmt.Errorf("location %d (%q): %w", i+1, rule.Match, err)
		}
	}
	return l, nil
}

func (l *Locations) add(rule Location) error {
	compiled := location{match: rule.Match, upstream: rule.Upstream}
	for i, text := range rule.RewriteRules {
		if text == "" {
			continue
		}
		r, err := newRewrite(text)
		if err != nil {
			return fmt.Errorf("rewrite rule %d (%q): %w", i+1, text, err)
		}
		compiled.rewrites = append(compiled.rewrites, r)
	}
	var err error
	switch rule.Type {
	case "exact":
		l.exact = append(l.exact, compiled)
	case "start", "":
		if rule.Match == "" {
			return fmt.Errorf("an empty prefix matches nothing; write /")
		}
		l.prefixes = append(l.prefixes, compiled)
	case "regexp", "iregexp":
		if compiled.pattern, err = compile(rule.Match, rule.Type == "iregexp"); err != nil {
			return err
		}
		l.regexps = append(l.regexps, compiled)
	default:
		return fmt.Errorf("type %q is none of exact, start, regexp, iregexp", rule.Type)
	}
	return nil
}

func compile(pattern string, anyCase bool) (*regexp.Regexp, error) {
	if anyCase {
		pattern = "(?i)" + pattern
	}
	return regexp.Compile(pattern)
}

// Pick returns the service that path belongs to: by the first rule of type exact, else by the first regular
// expression in the order of the configuration, else by the longest prefix (motan protocol, section 7.2). ok is false
// when no rule matches.
func (l *Locations) Pick(path string) (upstream string, ok bool) {
	if found := l.find(path); found != nil {
		return found.upstream, true
	}
	return "", false
}

// Rewrite returns the path that the web service is asked for when a call names path. query is the raw query string of
// the request, which rules of the type regexpVar read. ok is false when no rule matches.
func (l *Locations) Rewrite(path string, query []byte) (rewritten string, ok bool) {
	found := l.find(path)
	if found == nil {
		return "", false
	}
	for i := range found.rewrites {
		if rewritten, ok := found.rewrites[i].apply(path, query); ok {
			return rewritten, true
		}
	}
	return path, true
}

func (l *Locations) find(path string) *location {
	if l == nil {
		return nil
	}
	for i := range l.exact {
		if l.exact[i].match == path {
			return &l.exact[i]
		}
	}
	for i := range l.regexps {
		if l.regexps[i].pattern.MatchString(path) {
			return &l.regexps[i]
		}
	}
	var longest *location
	for i := range l.prefixes {
		if p := &l.prefixes[i]; strings.HasPrefix(path, p.match) && (longest == nil || len(p.match) > len(longest.match)) {
			longest = p
		}
	}
	return longest
}
