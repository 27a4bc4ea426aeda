package httpbridge

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// rewrite is one rewrite rule of a location, four words: "[!]type condition pattern replacement".
//
// It applies when the condition holds for the path (or, with !, does not) and the pattern is found in it. The result
// is the replacement alone, with $1 and ${name} for the pattern's groups; what the pattern leaves of the path is dropped.
type rewrite struct {
	not         bool
	exact       bool           // the condition is the whole path; else, without condition, a prefix
	text        string         // of the types exact and start
	condition   *regexp.Regexp // of the types regexp, iregexp and regexpVar
	variables   bool           // type regexpVar: {name} in the result is the query parameter of that name
	pattern     *regexp.Regexp
	replacement string
}

// variable is {name} in a result.
var variable = regexp.MustCompile(`\{[0-9a-zA-Z_-]+\}`)

func newRewrite(text string) (rewrite, error) {
	words := strings.Fields(text)
	if len(words) != 4 {
		return rewrite{}, fmt.Errorf(`has %d words, want 4: "[!]type condition pattern replacement"`, len(words))
	}
	r := rewrite{text: words[1], replacement: words[3]}
	var kind string
	kind, r.not = strings.CutPrefix(words[0], "!")
	var err error
	switch kind {
	case "exact":
		r.exact = true
	case "start":
	case "regexp", "iregexp", "regexpVar":
		r.variables = kind == "regexpVar"
		if r.condition, err = compile(words[1], kind == "iregexp"); err != nil {
			return rewrite{}, fmt.Errorf("condition: %w", err)
		}
	case "":
		return rewrite{}, errors.New("there is no type behind the ! mark")
	default:
		return rewrite{}, fmt.Errorf("type %q is none of exact, start, regexp, iregexp, regexpVar", kind)
	}
	if r.pattern, err = regexp.Compile(words[2]); err != nil {
		return rewrite{}, fmt.Errorf("pattern: %w", err)
	}
	return r, nil
}

// apply returns what becomes of path; ok is false when the rule does not apply.
func (r *rewrite) apply(path string, query []byte) (result string, ok bool) {
	holds := false
	switch {
	case r.condition != nil:
		holds = r.condition.MatchString(path)
	case r.exact:
		holds = path == r.text
	default:
		holds = strings.HasPrefix(path, r.text)
	}
	if holds == r.not {
		return "", false
	}
	at := r.pattern.FindStringSubmatchIndex(path)
	if at == nil {
		return "", false
	}
	result = string(r.pattern.ExpandString(nil, r.replacement, path, at))
	if r.variables && len(query) > 0 {
		// A query that is malformed in places still has the parameters that are not.
		values, _ := url.ParseQuery(string(query))
		result = variable.ReplaceAllStringFunc(result, func(name string) string {
			return values.Get(name[1 : len(name)-1])
		})
	}
	return result, true
}
