package relay

import (
	"maps"
	"slices"
	"strings"

	"github.com/motand/motand/registry"
)

// marked returns the copy of n that goes to the service into, false when n is a copy that must not be copied again: it was
// copied as often as it may, it has been in one of the two meshes before, or its mark makes no sense.
func (o *Options) marked(n registry.Node, into registry.Service) (registry.Node, bool) {
	path := o.FromMesh
	if before, isCopy := n.Params[registry.SyncedFrom]; isCopy {
		meshes := strings.Split(before, ",")
		if len(meshes) >= o.Hops || slices.ContainsFunc(meshes, func(m string) bool { return m == o.FromMesh || m == o.ToMesh || !isName(m) }) {
			return registry.Node{}, false
		}
		path = before + "," + o.FromMesh
	}
	params := maps.Clone(n.Params)
	if params == nil {
		params = make(map[string]string, 3)
	}
	params[registry.SyncedFrom] = path
	delete(params, registry.SyncedBy)
	if o.Host != "" {
		params[registry.SyncedBy] = o.Host
	}
	switch served := served(n); served {
	case into.Group:
		delete(params, registry.SyncedGroup)
	default:
		params[registry.SyncedGroup] = served
	}
	n.Group, n.Path, n.Params, n.Available = into.Group, into.Path, params, true
	return n, true
}

// served is the group under which the provider of n serves.
func served(n registry.Node) string {
	if g := n.Params[registry.SyncedGroup]; g != "" && isCopy(n) {
		return g
	}
	return n.Group
}

func isCopy(n registry.Node) bool {
	_, yes := n.Params[registry.SyncedFrom]
	return yes
}
