package zookeeper

import (
	"context"
	"fmt"

	"github.com/motand/motand/registry"
)

// kindCopy is what the claims of copies are kept under: their nodes are in dirServer, but a node that we serve ourselves has
// a claim of its own.
const kindCopy = "copy"

// AnnounceCopy implements registry.Copier. Of the hosts that Announce refuses it refuses all.
func (r *Registry) AnnounceCopy(ctx context.Context, n registry.Node) error {
	n.Available = true
	p, text, err := r.checked(n)
	if err != nil {
		return fmt.Errorf("%w; it is not copied", err)
	}
	addr := n.Addr()
	return r.want(ctx, p, kindCopy, wish{
		path: p.dir(dirServer) + "/" + addr, unless: p.dir(dirUnavailable) + "/" + addr,
		data: r.options.Form.Encode(text), addr: addr, available: true, yield: true,
	})
}

// overrules reports whether m, kept under name, is a copy of what we announce ourselves. The caller holds mu.
func (r *Registry) overrules(name string, m *claim) bool {
	return name == claimName(m.place, kindCopy, m.want.addr) && r.claims[claimName(m.place, dirServer, m.want.addr)] != nil
}
