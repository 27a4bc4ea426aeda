package httpbridge

import (
	"cmp"
	"net/url"
	"slices"
	"strings"
)

// index is what GET /rpc/ tells.
type index struct {
	Address  string         `json:"-"`
	Services []indexService `json:"services"`
}

type indexService struct {
	Name        string   `json:"service"`
	Description string   `json:"description,omitempty"`
	Groups      []string `json:"groups"`
	Methods     int      `json:"methods"` // that are known
	Path        string   `json:"describe"`
}

// description is what GET /rpc/{service} tells.
type description struct {
	Address     string              `json:"-"`
	Name        string              `json:"service"`
	Description string              `json:"description,omitempty"`
	Groups      []string            `json:"groups"`
	Generic     string              `json:"call"` // a command for any method
	Methods     []methodDescription `json:"methods"`
}

type methodDescription struct {
	Name        string `json:"method"`
	Signature   string `json:"signature,omitempty"`
	Description string `json:"description,omitempty"`
	Arguments   string `json:"arguments,omitempty"` // as a JSON array
	Answer      string `json:"answer,omitempty"`    // its shape, as JSON
	Seen        bool   `json:"seen"`                // in a call; else it is described by the configuration alone
	Get         bool   `json:"get"`                 // GET may call it
	Command     string `json:"command"`
}

// services lists what can be called: what the catalog has or, without one, what calls have shown.
func (s *Server) services() (all []*Service) {
	if s.Catalog != nil {
		return s.Catalog.Services()
	}
	for _, name := range s.learned.names() {
		all = append(all, &Service{Name: name})
	}
	return all
}

// service is one of them; nil if there is none of the name.
func (s *Server) service(name []byte) *Service {
	if s.Catalog != nil {
		return s.Catalog.Service(name)
	}
	if len(s.learned.of(string(name))) > 0 {
		return &Service{Name: string(name)}
	}
	return nil
}

// index describes all services to a client that knows this server by the address.
func (s *Server) index(address string) *index {
	x := &index{Address: address, Services: []indexService{}}
	for _, one := range s.services() {
		x.Services = append(x.Services, indexService{
			Name: one.Name, Description: one.Description, Groups: append([]string{}, one.Groups...),
			Methods: len(s.methods(one, address)), Path: "/rpc/" + url.PathEscape(one.Name),
		})
	}
	return x
}

// describe describes a service.
func (s *Server) describe(one *Service, address string) *description {
	return &description{
		Address: address, Name: one.Name, Description: one.Description, Groups: append([]string{}, one.Groups...),
		Generic: one.command(address, "METHOD", "", `["…"]`), Methods: s.methods(one, address),
	}
}

// methods are those that the configuration describes and those that calls have shown, by name and signature.
func (s *Server) methods(one *Service, address string) []methodDescription {
	all, seen := []methodDescription{}, s.learned.of(one.Name)
	for name, described := range one.Methods {
		for _, m := range described {
			x, found := seen[name]
			d := methodDescription{Name: name, Signature: m.Signature, Description: m.Description, Arguments: m.Example, Get: one.mayGet([]byte(name))}
			if d.Seen = found && (len(described) == 1 || x.signature == m.Signature); d.Seen {
				d.Answer = x.answer
				d.Arguments = cmp.Or(d.Arguments, x.arguments)
			}
			signature := m.Signature
			if len(described) == 1 {
				signature = "" // which the agent adds
			}
			d.Command = one.command(address, name, signature, cmp.Or(d.Arguments, "[]"))
			all = append(all, d)
		}
	}
	for name, x := range seen {
		if len(one.Methods[name]) > 0 {
			continue
		}
		all = append(all, methodDescription{
			Name: name, Signature: x.signature, Arguments: x.arguments, Answer: x.answer, Seen: true, Get: one.mayGet([]byte(name)),
			Command: one.command(address, name, x.signature, x.arguments),
		})
	}
	slices.SortFunc(all, func(a, b methodDescription) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Signature, b.Signature))
	})
	return all
}

// command is a line for a shell that calls the method.
func (s *Service) command(address, method, signature, arguments string) string {
	line := "curl -s"
	if len(s.Groups) > 1 {
		line += " -H " + quoted("MOTAN-g: "+s.Groups[0])
	}
	if signature != "" {
		line += " -H " + quoted("MOTAN-md: "+signature)
	}
	return line + " -d " + quoted(arguments) + " " + quoted(address+"/rpc/"+url.PathEscape(s.Name)+"/"+url.PathEscape(method))
}

// quoted is text as one word of a shell.
func quoted(text string) string {
	if strings.Trim(text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.:/%") == "" {
		return text
	}
	return "'" + strings.ReplaceAll(text, "'", `'\''`) + "'"
}
