package conf

import (
	"regexp"
	"regexp/syntax"
	"strings"
)

// Pattern is what a value may be: a text, all texts with a beginning, or those that a regular expression matches.
type Pattern struct {
	Text   string         // as written; empty where only the beginning counts
	Begin  string         // with which every text that fits begins; empty where nothing is known
	Regexp *regexp.Regexp // nil for none
}

// Exact tells whether one text fits only.
func (p *Pattern) Exact() bool { return p.Regexp == nil && p.Text != "" }

// Match tells whether value fits. It does not allocate.
func (p *Pattern) Match(value []byte) bool {
	if p.Exact() {
		return string(value) == p.Text
	}
	if len(value) < len(p.Begin) || string(value[:len(p.Begin)]) != p.Begin {
		return false
	}
	return p.Regexp == nil || p.Regexp.Match(value)
}

// beginning is the text with which everything begins that a regular expression matches; empty where there is none that is
// easily seen.
func beginning(expr string) string {
	re, err := syntax.Parse(expr, syntax.Perl)
	if err != nil {
		return ""
	}
	re = re.Simplify()
	if re.Op != syntax.OpConcat || len(re.Sub) < 2 || re.Sub[0].Op != syntax.OpBeginText {
		return ""
	}
	var b strings.Builder
	for _, r := range re.Sub[1:] {
		if r.Op != syntax.OpLiteral || r.Flags&syntax.FoldCase != 0 {
			break
		}
		b.WriteString(string(r.Rune))
	}
	return b.String()
}
