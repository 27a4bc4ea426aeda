package etcd

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/motand/motand/registry"
)

// The steps of a key that do not depend on the service; see the package comment.
const (
	root            = "/motan"
	kindServer      = "server"
	kindUnavailable = "unavailableServer"
)

// maxStep bounds one name in a key.
const maxStep = 255

// place is where a service is among the keys. It is comparable.
type place struct {
	group, path string
	base        string // everything up to the service
}

// place returns where s is.
func (o *Options) place(s registry.Service) (place, error) {
	if err := checkStep(s.Group); err != nil {
		return place{}, fmt.Errorf("registry/etcd: group of %q: %w", s.Path, err)
	}
	if err := checkStep(s.Path); err != nil {
		return place{}, fmt.Errorf("registry/etcd: service: %w", err)
	}
	if s.Path == "command" {
		return place{}, errors.New("registry/etcd: a service cannot be called \"command\": that key holds a group's commands")
	}
	return place{group: s.Group, path: s.Path, base: o.Prefix + root + "/" + s.Group + "/" + s.Path}, nil
}

// key returns the key of an entry; with an empty name, what the keys of all entries of that kind begin with.
func (p place) key(kind, name string) string { return p.base + "/" + kind + "/" + name }

// checkStep reports why s cannot be one step of a key. etcd itself would take anything.
func checkStep(s string) error {
	switch {
	case s == "":
		return errors.New("a name is missing")
	case s == "." || s == "..":
		return fmt.Errorf("%q is not a name", s)
	case len(s) > maxStep:
		return fmt.Errorf("%.60q... is longer than %d bytes", s, maxStep)
	case !utf8.ValidString(s):
		return fmt.Errorf("%q is not UTF-8", s)
	case strings.ContainsFunc(s, func(r rune) bool { return r == '/' || r < ' ' || r >= 0x7f && r < 0xa0 }):
		return fmt.Errorf("%q contains a slash or a control character", s)
	}
	return nil
}
