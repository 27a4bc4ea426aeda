package zookeeper

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/motand/motand/registry"
)

// Motan's tree (motan protocol, section 5.1).
const (
	root           = "/motan"
	dirServer      = "server"
	dirUnavailable = "unavailableServer"
	dirClient      = "client"
	commandNode    = "command" // below a group, or below an application in agentTree
	configNode     = "config"  // below an application in agentTree
	agentTree      = "agent"   // the folder of the applications whose agents show themselves
	dirAgents      = "node"    // below an application
)

// place is where a service is in the tree. It is comparable.
type place struct {
	group, path string
	base        string // chroot, root, group and service
}

// placeOf returns where s is. Both group and path must be names that ZooKeeper takes as one step of a path.
func placeOf(chroot string, s registry.Service) (place, error) {
	if err := checkSegment(s.Group); err != nil {
		return place{}, fmt.Errorf("registry/zookeeper: group of %q: %w", s.Path, err)
	}
	if err := checkSegment(s.Path); err != nil {
		return place{}, fmt.Errorf("registry/zookeeper: service: %w", err)
	}
	if s.Path == commandNode {
		return place{}, errors.New("registry/zookeeper: a service cannot be called \"command\": that node holds a group's commands")
	}
	return place{group: s.Group, path: s.Path, base: chroot + root + "/" + s.Group + "/" + s.Path}, nil
}

// dir returns the folder of p with that name.
func (p place) dir(name string) string { return p.base + "/" + name }

// checkSegment reports why ZooKeeper would not take s as one step of a path.
func checkSegment(s string) error {
	switch {
	case s == "":
		return errors.New("a name is missing")
	case s == "." || s == "..":
		return fmt.Errorf("%q is not a name", s)
	case len(s) > 255:
		return fmt.Errorf("%.60q... is longer than 255 bytes", s)
	case !utf8.ValidString(s):
		return fmt.Errorf("%q is not UTF-8", s)
	case strings.ContainsRune(s, '/'):
		return fmt.Errorf("%q contains a slash", s)
	}
	for _, r := range s {
		// What the server's PathUtils.validatePath refuses.
		if r <= 0x1f || (r >= 0x7f && r <= 0x9f) || (r >= 0xd800 && r <= 0xf8ff) || (r >= 0xfff0 && r <= 0xffff) {
			return fmt.Errorf("%q contains the character %U, which ZooKeeper refuses", s, r)
		}
	}
	return nil
}

// parents returns the nodes above path, the outermost first.
func parents(path string) []string {
	var above []string
	for i := 1; i < len(path); i++ {
		if path[i] == '/' {
			above = append(above, path[:i])
		}
	}
	return above
}
