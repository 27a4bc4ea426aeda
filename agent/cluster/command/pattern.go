package command

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const (
	maxPattern = 4096 // bytes
	maxNesting = 64   // of parentheses and negations
)

// Pattern tells which services a command is about. It is a value and may be used by many goroutines at once.
//
// The text is first read in the language of Motan Java: names, "!", "&", "|" and parentheses, binding in that order
// after the parentheses; a name with a "*" stands for all that begin as it does up to there, any other for itself.
// White space has no meaning. Text that is no such expression means what it means to motan-go: a beginning of the
// service's path, or a regular expression that matches somewhere in it.
type Pattern struct {
	text string
	expr expression
}

// expression tells whether a service path matches.
type expression func(path string) bool

// ParsePattern reads text.
func ParsePattern(text string) (Pattern, error) {
	if len(text) > maxPattern {
		return Pattern{}, fmt.Errorf("a pattern of %d bytes is longer than the %d allowed", len(text), maxPattern)
	}
	r := patternReader{rest: strings.Join(strings.Fields(text), "")}
	if r.rest == "" {
		return Pattern{}, errors.New("the pattern is empty: \"*\" stands for all services")
	}
	expr, err := r.either()
	if err == nil && r.rest != "" {
		err = fmt.Errorf("%q is left over", r.rest)
	}
	if err == nil {
		return Pattern{text: text, expr: expr}, nil
	}
	re, reErr := regexp.Compile(text)
	if reErr != nil {
		return Pattern{}, fmt.Errorf("pattern %q is neither an expression (%w) nor a regular expression: %w", text, err, reErr)
	}
	return Pattern{text: text, expr: func(path string) bool { return strings.HasPrefix(path, text) || re.MatchString(path) }}, nil
}

// Match tells whether the service with that path is meant. The zero Pattern matches nothing.
func (p Pattern) Match(path string) bool { return p.expr != nil && p.expr(path) }

// String returns the text as it was given.
func (p Pattern) String() string { return p.text }

// patternReader reads an expression without white space.
type patternReader struct {
	rest  string
	depth int
}

// either reads terms joined by "|".
func (r *patternReader) either() (expression, error) {
	return r.joined('|', r.both, func(a, b expression) expression {
		return func(path string) bool { return a(path) || b(path) }
	})
}

// both reads terms joined by "&".
func (r *patternReader) both() (expression, error) {
	return r.joined('&', r.term, func(a, b expression) expression {
		return func(path string) bool { return a(path) && b(path) }
	})
}

func (r *patternReader) joined(sign byte, term func() (expression, error), join func(a, b expression) expression) (expression, error) {
	all, err := term()
	for err == nil && r.takes(sign) {
		var next expression
		if next, err = term(); err == nil {
			all = join(all, next)
		}
	}
	return all, err
}

// term reads a name, a negation or what stands in parentheses.
func (r *patternReader) term() (expression, error) {
	r.depth++
	defer func() { r.depth-- }()
	if r.depth > maxNesting {
		return nil, fmt.Errorf("nested more than %d deep", maxNesting)
	}
	switch {
	case r.takes('!'):
		inner, err := r.term()
		if err != nil {
			return nil, err
		}
		return func(path string) bool { return !inner(path) }, nil
	case r.takes('('):
		inner, err := r.either()
		if err != nil {
			return nil, err
		}
		if !r.takes(')') {
			return nil, errors.New("a \")\" is missing")
		}
		return inner, nil
	}
	return r.name()
}

func (r *patternReader) name() (expression, error) {
	n := 0
	for n < len(r.rest) && isNameByte(r.rest[n]) {
		n++
	}
	if n == 0 {
		return nil, fmt.Errorf("a name is missing before %q", r.rest)
	}
	name := r.rest[:n]
	r.rest = r.rest[n:]
	if before, _, ok := strings.Cut(name, "*"); ok {
		return func(path string) bool { return strings.HasPrefix(path, before) }, nil
	}
	return func(path string) bool { return path == name }, nil
}

func (r *patternReader) takes(sign byte) bool {
	if r.rest == "" || r.rest[0] != sign {
		return false
	}
	r.rest = r.rest[1:]
	return true
}

func isNameByte(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9' || strings.IndexByte("_$.*", b) >= 0
}
