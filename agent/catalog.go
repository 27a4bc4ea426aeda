package agent

import (
	"cmp"
	"maps"
	"slices"
	"sync/atomic"

	"github.com/motand/motand/httpbridge"
)

// catalog tells HTTP in what the routes in use lead to.
type catalog struct{ routes *atomic.Pointer[routes] }

var _ httpbridge.Catalog = catalog{}

func (c catalog) Service(name []byte) *httpbridge.Service {
	return c.routes.Load().described[string(name)]
}

func (c catalog) Services() []*httpbridge.Service {
	return slices.SortedFunc(maps.Values(c.routes.Load().described), func(a, b *httpbridge.Service) int { return cmp.Compare(a.Name, b.Name) })
}

// describe fills described from byService: what the refers of a service say together. What several say of one method
// counts once, the first.
func (r *routes) describe() {
	r.described = make(map[string]*httpbridge.Service, len(r.byService))
	for path, list := range r.byService {
		s := &httpbridge.Service{Name: path, Methods: map[string][]httpbridge.Method{}}
		for _, x := range list {
			s.Description = cmp.Or(s.Description, x.refer.Description)
			if !slices.Contains(s.Groups, x.refer.Group) {
				s.Groups = append(s.Groups, x.refer.Group)
			}
			s.Get = append(s.Get, x.refer.HTTPGet...)
			for _, m := range x.refer.Described {
				one := httpbridge.Method{Name: m.Name, Signature: m.Types, Description: m.Description, Example: m.Example}
				if !slices.ContainsFunc(s.Methods[m.Name], func(m httpbridge.Method) bool { return m.Signature == one.Signature }) {
					s.Methods[m.Name] = append(s.Methods[m.Name], one)
				}
			}
		}
		r.described[path] = s
	}
}
