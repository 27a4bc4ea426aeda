package conf

import (
	"strings"
)

// HTTPService is one entry of http-service: URLs per method for the service (provider http) of the same id.
type HTTPService struct {
	Position
	ID      string
	Methods []HTTPMethod // http_default_motan_method, if written, has the empty Name
}

// HTTPMethod is how one method becomes an HTTP request.
type HTTPMethod struct {
	Position
	Name          string // "" for all others
	URLFormat     string // with at most one %s for the method's name
	RequestMethod string // GET where not written
	// Of an HTTP/JSON service: the path of the method, where its arguments go, the type of its value. Path is "" otherwise.
	Path      string
	Arguments []string
	Result    string
}

// defaultMethod is the name under which http-service has what is used for all other methods.
const defaultMethod = "http_default_motan_method"

// readHTTPServices reads http-service: id of a service, then methods with commas between, then their keys.
func (c *checker) readHTTPServices() {
	p, ok := c.section(sectionHTTPService)
	if !ok {
		return
	}
	services := map[string]bool{}
	for _, s := range c.cfg.Services {
		services[s.ConfID] = true
	}
	for _, s := range p.value.pairs {
		path := sectionHTTPService + "." + s.key
		if s.value.null() {
			continue
		}
		if s.value.kind != mapNode {
			c.f.errorf(s.value.at, path, "http-service %s must be a mapping of methods; got %s", quote(s.key), s.value.describe())
			continue
		}
		if !services[s.key] {
			c.f.warnf(s.at, path, "http-service %s has no effect: no service has that id%s", quote(s.key), hint(c.f, s.key, services))
		}
		h := HTTPService{Position: s.at, ID: s.key}
		for _, m := range s.value.pairs {
			h.Methods = append(h.Methods, c.httpMethods(m, path)...)
		}
		c.cfg.HTTPServices = append(c.cfg.HTTPServices, h)
	}
}

func (c *checker) httpMethods(m pair, path string) []HTTPMethod {
	v := c.read(source{section: sectionHTTPService, path: path + "." + m.key, owner: "method " + quote(m.key), strict: true}, m.value)
	c.urlFormat(v, path+"."+m.key)
	switch at := v.set["path"].at; {
	case v.has("path") && (!strings.HasPrefix(v.text("path"), "/") || strings.ContainsAny(v.text("path"), "?# \t")):
		c.f.errorf(at, path+"."+m.key+".path", "path must begin with / and have neither a query nor blanks, such as /users/{0}; got %s", quote(v.text("path")))
	case v.has("path") && v.has("URL_FORMAT"):
		c.f.errorf(at, path+"."+m.key+".path", "path and URL_FORMAT cannot both say where a method is; take one out")
	case !v.has("path") && (v.has("arguments") || v.has("result")):
		c.f.errorf(m.at, path+"."+m.key, "arguments and result have a meaning only with path; add path: /users/{0}")
	}
	var out []HTTPMethod
	for _, name := range splitList(m.key) {
		if name == defaultMethod {
			name = ""
		}
		out = append(out, HTTPMethod{
			Position: m.at, Name: name, URLFormat: v.text("URL_FORMAT"), RequestMethod: v.text("HTTP_REQUEST_METHOD"),
			Path: v.text("path"), Arguments: v.list("arguments"), Result: v.text("result"),
		})
	}
	return out
}

// urlFormat checks the form of URL_FORMAT where it is written.
func (c *checker) urlFormat(v values, path string) {
	text, at := v.text("URL_FORMAT"), v.set["URL_FORMAT"].at
	switch {
	case text == "":
	case !strings.HasPrefix(text, "http://") && !strings.HasPrefix(text, "https://"):
		c.f.errorf(at, path+".URL_FORMAT", "URL_FORMAT must be a URL such as http://127.0.0.1:8080/%%s; got %s", quote(text))
	case strings.Count(text, "%s") > 1:
		c.f.errorf(at, path+".URL_FORMAT", "URL_FORMAT takes one %%s, for the method; got %s", quote(text))
	}
}
