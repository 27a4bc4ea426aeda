package command

import (
	"fmt"
	"strings"
)

// Rule says that callers at From may use only nodes at To.
type Rule struct{ From, To Hosts }

// ParseRule reads "from to to", for example "10.73.1.* to !10.75.*".
func ParseRule(text string) (Rule, error) {
	// The word stands between blanks, so that a host name may contain it; Motan Java has none, and knows only addresses.
	from, to, ok := strings.Cut(strings.Join(strings.Fields(text), " "), " to ")
	if !ok {
		from, to, ok = strings.Cut(strings.Join(strings.Fields(text), ""), "to")
	}
	if !ok {
		return Rule{}, fmt.Errorf("route rule %q is not of the form \"from to to\"", text)
	}
	r := Rule{From: ParseHosts(from), To: ParseHosts(to)}
	if r.From.text == "" || r.To.text == "" {
		return Rule{}, fmt.Errorf("route rule %q names no host on one side", text)
	}
	return r, nil
}

// Keep tells whether a caller at local may use the node at host as far as r is concerned.
func (r Rule) Keep(local, host string) bool { return !r.From.Match(local) || r.To.Match(host) }

// Hosts are the hosts that one side of a rule means: "10.73.1.5", "10.73.*", "*", each also with a "!" before it for all
// others.
type Hosts struct {
	text   string // without "!" and what follows "*"
	others bool
	prefix bool
}

// ParseHosts reads text.
func ParseHosts(text string) Hosts {
	var h Hosts
	h.text, h.others = strings.CutPrefix(strings.TrimSpace(text), "!")
	if before, _, ok := strings.Cut(h.text, "*"); ok {
		h.text, h.prefix = before, true
		if before == "" {
			h.text = "*"
		}
	}
	return h
}

// Match tells whether host is meant.
func (h Hosts) Match(host string) bool {
	switch {
	case h.prefix && h.text == "*":
		return !h.others
	case h.prefix:
		return strings.HasPrefix(host, h.text) != h.others
	}
	return (host == h.text) != h.others
}
