package relay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/motand/motand/registry"
)

const (
	defaultHops      = 1
	maxHops          = 16
	defaultMaxNodes  = 10_000
	defaultLookEvery = 30 * time.Second
	maxNameBytes     = 64
)

// Options say what is copied from where to where.
type Options struct {
	// Name is what the log calls the relay.
	Name string
	// From is where services are watched. It needs the ability Browser where Groups or Services has patterns. Put a
	// registry.Cached before it: what it tells is believed.
	From registry.Registry
	// To is where copies are announced; it, or what it stands in front of, is a registry.Copier.
	To registry.Registry
	// FromMesh and ToMesh are what all relays that may meet call the two registries: letters, digits and ._- only.
	FromMesh, ToMesh string
	// Host is the host of this agent, for whoever looks at a copy; may be empty.
	Host string

	// Groups and Services are names, or patterns as path.Match has them (*, ?, [a-z]). A service is copied when its group is
	// among the one and its name among the other.
	Groups, Services []string
	// Rename is the group of the copies.
	Rename Rename
	// Hops is how often a node may be copied, by this relay too: 1, which 0 means, copies only providers that came by
	// themselves.
	Hops int
	// MaxNodes bounds how many nodes are copied, in case a pattern says more than was meant; 0 means 10,000.
	MaxNodes int
	// LookEvery is how often patterns are compared with what there is; 0 means 30 s, and some more for many groups.
	LookEvery time.Duration

	Log *slog.Logger // nil means slog.Default()
}

// Rename makes the group of copies from that of the nodes: Prefix, Group or else the node's group, Suffix.
type Rename struct{ Group, Prefix, Suffix string }

// complete checks o and fills in what was left out.
func (o *Options) complete() error {
	if o.From == nil || o.To == nil {
		return errors.New("registry/relay: two registries are needed")
	}
	for _, name := range []string{o.FromMesh, o.ToMesh} {
		if !isName(name) {
			return fmt.Errorf("registry/relay: mesh %.80q: a name has 1 to %d letters, digits, or ._-", name, maxNameBytes)
		}
	}
	if o.FromMesh == o.ToMesh {
		return fmt.Errorf("registry/relay: both registries are of the mesh %s; a copy would not be told from what was copied", o.FromMesh)
	}
	if len(o.Groups) == 0 || len(o.Services) == 0 {
		return errors.New("registry/relay: name the groups and services that are copied")
	}
	for _, pattern := range slices.Concat(o.Groups, o.Services) {
		if _, err := path.Match(pattern, ""); err != nil {
			return fmt.Errorf("registry/relay: %.100q is no pattern: %w", pattern, err)
		}
	}
	if o.Rename.Group != "" && (len(o.Groups) > 1 || isPattern(o.Groups[0])) {
		return errors.New("registry/relay: several groups cannot become one: a provider may be in both")
	}
	if o.Hops == 0 {
		o.Hops = defaultHops
	}
	if o.Hops < 1 || o.Hops > maxHops {
		return fmt.Errorf("registry/relay: %d hops are not between 1 and %d", o.Hops, maxHops)
	}
	if o.MaxNodes == 0 {
		o.MaxNodes = defaultMaxNodes
	}
	if o.LookEvery <= 0 {
		o.LookEvery = defaultLookEvery
	}
	o.Log = o.logger()
	return nil
}

// isName tells whether a name of a mesh can stand in a mark, so that every registry keeps it as it is.
func isName(s string) bool {
	return s != "" && len(s) <= maxNameBytes && !strings.ContainsFunc(s, func(c rune) bool {
		return !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-')
	})
}

func isPattern(s string) bool { return strings.ContainsAny(s, `*?[\`) }

// exact are the services whose group and name are both written without a pattern.
func (o *Options) exact() (all []registry.Service) {
	for _, g := range o.Groups {
		for _, s := range o.Services {
			if !isPattern(g) && !isPattern(s) {
				all = append(all, registry.Service{Group: g, Path: s})
			}
		}
	}
	return all
}

func (o *Options) isExact(s registry.Service) bool {
	return slices.Contains(o.Groups, s.Group) && !isPattern(s.Group) && slices.Contains(o.Services, s.Path) && !isPattern(s.Path)
}

// browses tells whether there are patterns.
func (o *Options) browses() bool {
	return slices.ContainsFunc(o.Groups, isPattern) || slices.ContainsFunc(o.Services, isPattern)
}

// find returns the services that are chosen, as far as From names them, and how many groups it was asked for.
func (o *Options) find(ctx context.Context) (found []registry.Service, asked int, err error) {
	browser, ok := registry.As[registry.Browser](o.From)
	if !ok {
		return nil, 0, errors.New("registry/relay: the registry cannot tell what it holds")
	}
	groups := slices.DeleteFunc(slices.Clone(o.Groups), isPattern)
	if len(groups) < len(o.Groups) {
		all, err := browser.Groups(ctx)
		if err != nil {
			return nil, 0, fmt.Errorf("registry/relay: groups: %w", err)
		}
		for _, g := range all {
			if matches(o.Groups, g) && !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
	}
	for _, g := range groups {
		services, err := browser.Services(ctx, g)
		if err != nil {
			return nil, len(groups), fmt.Errorf("registry/relay: services of group %s: %w", g, err)
		}
		for _, s := range services {
			if !matches(o.Services, s) {
				continue
			}
			if len(found) == maxServices {
				return found, len(groups), fmt.Errorf("registry/relay: more than %d services are chosen; choose fewer", maxServices)
			}
			found = append(found, registry.Service{Group: g, Path: s})
		}
	}
	return found, len(groups), nil
}

func matches(patterns []string, name string) bool {
	return slices.ContainsFunc(patterns, func(p string) bool {
		yes, err := path.Match(p, name)
		return err == nil && yes
	})
}

// renamed is where the copies of s go.
func (o *Options) renamed(s registry.Service) registry.Service {
	group := s.Group
	if o.Rename.Group != "" {
		group = o.Rename.Group
	}
	s.Group = o.Rename.Prefix + group + o.Rename.Suffix
	return s
}
