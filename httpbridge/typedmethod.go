package httpbridge

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/valyala/fasthttp"
)

// placeKind says where an argument goes.
type placeKind byte

const (
	placeRest   placeKind = iota // nothing is said: the body or, where there is none, the query
	placePath                    // a part of the path
	placeQuery                   // a parameter of the query
	placeHeader                  // a header
	placeBody                    // the body, or a member of the object that the body is
)

// argumentPlace is where one argument goes. name is empty for the whole body, and for what is known by its position.
type argumentPlace struct {
	kind placeKind
	name string
}

// piece is a part of a path: text, or an argument.
type piece struct {
	text     string
	argument int // -1 for text, methodPiece for the name of the method
}

const (
	textPiece   = -1
	methodPiece = -2
)

// typedMethod is a method that an HTTP/JSON service serves: how a call becomes a request, and the answer a value.
type typedMethod struct {
	verb   string
	path   []piece
	places []argumentPlace
	listed bool   // places says all arguments that there are
	result string // the type of the answer's value, "" as the JSON has it
}

// newTypedMethod compiles the rule of a method. A path has {0} or {name} for an argument and {method} for the method's name;
// Arguments lists the arguments in their order, each as name, query:name, header:name, body or body:name, where a name that
// the path has goes there.
func newTypedMethod(s MethodSettings) (*typedMethod, error) {
	m := &typedMethod{verb: s.HTTPRequestMethod, result: s.Result, listed: len(s.Arguments) > 0}
	if err := checkVerb([]byte(m.verb)); err != nil {
		return nil, fmt.Errorf("HTTP_REQUEST_METHOD: %w", err)
	}
	names := map[string]int{}
	for i, text := range s.Arguments {
		p, err := parsePlace(text)
		if err != nil {
			return nil, fmt.Errorf("arguments: %w", err)
		}
		if p.kind == placeRest || p.kind == placePath {
			names[p.name] = i
		}
		m.places = append(m.places, p)
	}
	if err := m.parsePath(s.Path, names); err != nil {
		return nil, fmt.Errorf("path %q: %w", s.Path, err)
	}
	return m, m.settle()
}

// parsePlace reads one item of Arguments.
func parsePlace(text string) (argumentPlace, error) {
	kind, name, named := strings.Cut(text, ":")
	switch {
	case text == "body":
		return argumentPlace{kind: placeBody}, nil
	case !named && text != "":
		return argumentPlace{name: text}, nil
	case kind == "query" && name != "":
		return argumentPlace{placeQuery, name}, nil
	case kind == "body" && name != "":
		return argumentPlace{placeBody, name}, nil
	case kind == "header" && isToken([]byte(name)):
		h := fasthttp.AppendNormalizedHeaderKey(nil, name)
		if isHopByHop(h) || isOwnHeader(h) || string(h) == "Host" {
			return argumentPlace{}, fmt.Errorf("%q: that header is not for arguments", text)
		}
		return argumentPlace{placeHeader, name}, nil
	}
	return argumentPlace{}, fmt.Errorf("%q is none of name, query:name, header:Name, body, body:name", text)
}

// parsePath takes a path apart. names are the arguments that it may have by name.
func (m *typedMethod) parsePath(path string, names map[string]int) error {
	if !strings.HasPrefix(path, "/") || strings.ContainsAny(path, "?# \t") || !isVisible([]byte(path)) {
		return errors.New("it must begin with / and have neither a query nor blanks nor control characters")
	}
	for path != "" {
		before, rest, opened := strings.Cut(path, "{")
		if before != "" {
			m.path = append(m.path, piece{before, textPiece})
		}
		if !opened {
			break
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return errors.New("a { has no }")
		}
		path = after
		at, known := names[name]
		if !known && name == "method" {
			at = methodPiece
		} else if !known {
			n, err := strconv.ParseUint(name, 10, 8)
			if err != nil || m.listed && int(n) >= len(m.places) {
				return fmt.Errorf("{%s} is neither the number nor the name of an argument", name)
			}
			at = int(n)
			for len(m.places) <= at {
				m.places = append(m.places, argumentPlace{})
			}
		}
		if at >= 0 {
			m.places[at].kind = placePath
		}
		m.path = append(m.path, piece{argument: at})
	}
	return nil
}

// settle gives the arguments their place that have only a name, and checks that the body is one thing.
func (m *typedMethod) settle() error {
	whole, members := 0, 0
	for i := range m.places {
		p := &m.places[i]
		if p.kind == placeRest && p.name != "" {
			p.kind = placeQuery
			if m.hasBody() {
				p.kind = placeBody
			}
		}
		switch {
		case p.kind == placeBody && !m.hasBody():
			return fmt.Errorf("arguments: a %s has no body", m.verb)
		case p.kind == placeBody && p.name == "":
			whole++
		case p.kind == placeBody:
			members++
		}
	}
	if whole > 1 || whole == 1 && members > 0 {
		return errors.New("arguments: the body can be one argument, or members of an object, not both")
	}
	return nil
}

// hasBody tells whether requests of the method's verb have a body.
func (m *typedMethod) hasBody() bool {
	switch m.verb {
	case fasthttp.MethodGet, fasthttp.MethodHead, fasthttp.MethodDelete, fasthttp.MethodOptions:
		return false
	}
	return true
}

// addTyped compiles the methods that have a Path.
func (p *Provider) addTyped() error {
	for name, s := range p.settings.Methods {
		if s.Path == "" {
			continue
		}
		if p.settings.ProxyAddress == "" {
			return errors.New("http-service: path needs the proxyAddress of the service")
		}
		if s.HTTPRequestMethod == "" {
			s.HTTPRequestMethod = p.settings.HTTPRequestMethod
		}
		m, err := newTypedMethod(s)
		if err != nil {
			return fmt.Errorf("http-service: method %s: %w", name, err)
		}
		if p.typed == nil {
			p.typed = map[string]*typedMethod{}
		}
		p.typed[name] = m
	}
	return nil
}

// typedFor is the rule of a method, that of all others where it has none; nil where there is neither.
func (p *Provider) typedFor(method []byte) *typedMethod {
	if m := p.typed[string(method)]; m != nil {
		return m
	}
	return p.typed[""]
}
