package conf

import (
	"path"
	"slices"
	"strings"
	"time"
)

// RegistrySync is one entry of registry-sync: services that are copied from one registry to another.
type RegistrySync struct {
	Position
	ID           string
	From, To     string   // ids of registries
	Groups       []string // names, or patterns as path.Match has them
	Services     []string // likewise
	ToGroup      string   // "" is that of the node
	GroupPrefix  string
	GroupSuffix  string
	Hops         int
	MaxNodes     int
	LookInterval time.Duration

	places map[string]Position
}

// At gives the position of a key, or that of the entry where the key is not written.
func (s *RegistrySync) At(key string) Position {
	if p, ok := s.places[key]; ok {
		return p
	}
	return s.Position
}

// readSyncs reads registry-sync.
func (c *checker) readSyncs() {
	p, ok := c.section(sectionSync)
	if !ok {
		return
	}
	for _, e := range p.value.pairs {
		owner := "registry-sync " + quote(e.key)
		v := c.read(source{section: sectionSync, path: sectionSync + "." + e.key, owner: owner, strict: true}, e.value)
		s := &RegistrySync{
			Position: e.at, ID: e.key, From: v.text("from"), To: v.text("to"), Groups: v.list("group"), Services: v.list("service"),
			ToGroup: v.text("toGroup"), GroupPrefix: v.text("groupPrefix"), GroupSuffix: v.text("groupSuffix"),
			Hops: v.int("hops"), MaxNodes: v.int("maxNodes"), LookInterval: v.duration("lookInterval"),
		}
		_, s.places = v.params()
		c.syncEnds(s, owner)
		c.syncChoice(s, owner)
		c.cfg.Syncs = append(c.cfg.Syncs, s)
	}
	c.syncCircles()
}

// syncEnds checks the two registries.
func (c *checker) syncEnds(s *RegistrySync, owner string) {
	path := sectionSync + "." + s.ID
	for key, id := range map[string]string{"from": s.From, "to": s.To} {
		r := c.registries[id]
		switch {
		case id == "":
			c.f.errorf(s.Position, path, "%s has no %s; add %s: and an id of motan-registry%s", owner, key, key, hint(c.f, "", c.registries))
		case r == nil:
			c.f.errorf(s.At(key), path+"."+key, "%s: registry %s is not defined in motan-registry%s", owner, quote(id), hint(c.f, id, c.registries))
		case key == "to" && slices.Contains([]string{"direct", "file", "local", "mesh"}, r.Protocol):
			c.f.errorf(s.At(key), path+"."+key, "%s: nothing can be copied to registry %s, whose protocol is %s; zookeeper and etcd take copies", owner, quote(id), r.Protocol)
		case key == "from" && slices.Contains([]string{"local", "mesh"}, r.Protocol):
			c.f.errorf(s.At(key), path+"."+key, "%s: registry %s lists nobody that other hosts could call, its protocol is %s", owner, quote(id), r.Protocol)
		}
	}
	from, to := c.registries[s.From], c.registries[s.To]
	switch {
	case from == nil || to == nil:
	case !markName(from.MeshName) || !markName(to.MeshName):
		c.f.errorf(s.Position, path, "%s: registries %s and %s need a meshName of letters, digits and ._-, 64 at most, for the marks of the copies", owner, quote(from.ID), quote(to.ID))
	case from == to || from.sameServer(to):
		c.f.errorf(s.At("to"), path+".to", "%s copies from a registry to itself; from and to must be different servers, or different chroots of them", owner)
	case from.MeshName == to.MeshName:
		c.f.errorf(s.At("to"), path+".to", "%s: registries %s and %s have the same meshName, %s; copies would be taken for what was copied", owner, quote(from.ID), quote(to.ID), quote(from.MeshName))
	}
}

// markName tells whether a mesh of that name can be named in a copy's parameters.
func markName(name string) bool {
	return name != "" && len(name) <= 64 && !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	})
}

// sameServer tells whether both are the same data as far as their addresses say.
func (r *Registry) sameServer(other *Registry) bool {
	return r.Protocol == other.Protocol && len(r.Address) > 0 && r.Params["chroot"] == other.Params["chroot"] &&
		slices.ContainsFunc(r.Address, func(a string) bool { return slices.Contains(other.Address, a) })
}

// syncChoice checks what is copied and where it goes.
func (c *checker) syncChoice(s *RegistrySync, owner string) {
	at := sectionSync + "." + s.ID
	if len(s.Groups) == 0 {
		c.f.errorf(s.Position, at, "%s has no group; add group: and the groups that are copied, or '*' for all", owner)
	}
	for key, patterns := range map[string][]string{"group": s.Groups, "service": s.Services} {
		for _, p := range patterns {
			if _, err := path.Match(p, ""); err != nil {
				c.f.errorf(s.At(key), at+"."+key, "%s: %s is no pattern; * stands for any text, ? for a character, [a-z] for one of these", owner, quote(p))
			}
		}
	}
	if s.ToGroup != "" && (len(s.Groups) > 1 || len(s.Groups) == 1 && strings.ContainsAny(s.Groups[0], `*?[\`)) {
		c.f.errorf(s.At("toGroup"), at+".toGroup", "%s: toGroup needs a group without a pattern: of several groups that become one, a provider may be in two; use groupPrefix or groupSuffix", owner)
	}
	for key, text := range map[string]string{"toGroup": s.ToGroup, "groupPrefix": s.GroupPrefix, "groupSuffix": s.GroupSuffix} {
		if strings.ContainsAny(text, "/,%?&= \t\n") || len(text) > 100 {
			c.f.errorf(s.At(key), at+"."+key, "%s: %s cannot be part of a group's name", owner, quote(text))
		}
	}
}

// syncCircles finds entries that lead back to where they begin and let copies be copied on: a mark stops a copy before it
// comes back, but what such a circle is meant for can only be a mistake.
func (c *checker) syncCircles() {
	next := map[string][]*RegistrySync{}
	for _, s := range c.cfg.Syncs {
		if s.Hops > 1 {
			next[s.From] = append(next[s.From], s)
		}
	}
	for _, s := range c.cfg.Syncs {
		seen, todo := map[string]bool{}, []string{s.To}
		for s.Hops > 1 && len(todo) > 0 {
			id := todo[0]
			todo = todo[1:]
			if id == s.From {
				c.f.errorf(s.At("hops"), sectionSync+"."+s.ID+".hops", "registry-sync %s is part of a circle of entries with hops above 1, so that copies would go round; leave hops at 1 where registries are copied both ways", quote(s.ID))
				break
			}
			for _, n := range next[id] {
				if !seen[n.To] {
					seen[n.To] = true
					todo = append(todo, n.To)
				}
			}
		}
	}
}
