package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"strings"

	"github.com/motand/motand/registry"
)

// showClient has our watch of p appear in the tree, as motan-go does. The caller holds mu.
func (r *Registry) showClient(p place, s registry.Service) {
	if r.options.LocalIP == "" || r.readable(r.options.LocalIP) != nil {
		return
	}
	n := registry.Node{Service: s, Host: r.options.LocalIP}
	u := n.URL()
	if u.Protocol == "" {
		u.Protocol = "motan2"
	}
	maps.Copy(u.Params, r.options.ClientParams)
	u.Params["nodeType"] = "referer"
	name := claimName(p, dirClient, "")
	m := r.claims[name]
	if m == nil {
		m = &claim{place: p}
		r.claims[name] = m
	}
	m.change(wish{
		path:  p.dir(dirClient) + "/" + n.Addr(),
		data:  r.options.Form.Encode(string(registry.AppendURL(nil, u))),
		addr:  n.Addr(),
		yield: true, silent: true,
	})
}

// Announce implements registry.Registry. n needs a host that others can reach and read: a unix socket is refused, and an IPv6
// address where Options.IPv6 does not say that everybody understands it.
func (r *Registry) Announce(ctx context.Context, n registry.Node) error {
	p, text, err := r.checked(n)
	if err != nil {
		return err
	}
	w := wish{data: r.options.Form.Encode(text), addr: n.Addr(), available: n.Available, goneFirst: !n.Available}
	w.path, w.instead = p.dir(dirServer)+"/"+w.addr, p.dir(dirUnavailable)+"/"+w.addr
	if !n.Available {
		w.path, w.instead = w.instead, w.path
	}
	return r.want(ctx, p, dirServer, w)
}

// checked returns where n is announced and its text, or what is wrong with it.
func (r *Registry) checked(n registry.Node) (p place, text string, err error) {
	if p, err = placeOf(r.address.chroot, n.Service); err != nil {
		return p, "", err
	}
	if text, err = n.Text(); err != nil {
		return p, "", err
	}
	if err := r.reachable(n); err != nil {
		return p, "", fmt.Errorf("registry/zookeeper: announce %s at %s: %w", n.Path, n.Addr(), err)
	}
	return p, text, nil
}

// AnnounceAgent implements registry.AgentAnnouncer as motan-go does, except that the node says nothing of folders on this
// host, and that the agent never appears as a service (motan protocol, sections 5.1 and 9.4).
func (r *Registry) AnnounceAgent(ctx context.Context, n registry.Node) error {
	if err := checkSegment(n.Group); err != nil {
		return fmt.Errorf("registry/zookeeper: announce agent: application: %w", err)
	}
	if err := r.reachable(n); err != nil {
		return fmt.Errorf("registry/zookeeper: announce agent at %s: %w", n.Addr(), err)
	}
	u := n.URL()
	u.Params["nodeType"] = agentTree
	delete(u.Params, "version")
	p := place{group: n.Group, path: n.Path, base: r.address.chroot + root + "/" + agentTree + "/" + n.Group}
	return r.want(ctx, p, dirAgents, wish{
		path: p.dir(dirAgents) + "/" + n.Addr(), addr: n.Addr(),
		data: r.options.Form.Encode(string(registry.AppendURL(nil, u))),
	})
}

// reachable reports why others could not use the address of n.
func (r *Registry) reachable(n registry.Node) error {
	if n.Port <= 0 || n.Port > 65535 || strings.ContainsRune(n.Host, '/') {
		return errors.New("other hosts need an IP or name, and a port")
	}
	if err := checkSegment(n.Addr()); err != nil {
		return err
	}
	return r.readable(n.Host)
}

// readable reports why host cannot be written into the tree.
func (r *Registry) readable(host string) error {
	if a, err := netip.ParseAddr(host); err == nil && a.Is6() && !r.options.IPv6 {
		return errors.New("readers of Motan Java and motan-go fail on IPv6 addresses in the registry; " +
			"give the agent an IPv4 address (-localIP), or set ipv6: true for a registry that only motand reads")
	}
	return nil
}

// want has w be in the tree until ctx ends or something else is wanted under the same name.
func (r *Registry) want(ctx context.Context, p place, kind string, w wish) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return err
	}
	name := claimName(p, kind, w.addr)
	m := r.claims[name]
	if m == nil {
		m = &claim{place: p}
		r.claims[name] = m
	}
	if m.stop != nil {
		m.stop()
	}
	m.change(w)
	generation := m.generation
	m.stop = context.AfterFunc(ctx, func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.claims[name] == m && m.generation == generation {
			m.withdraw()
			poke(r.wake)
		}
	})
	poke(r.wake)
	return nil
}

// claimName returns what a claim is kept under: the place of the node whether available or not.
func claimName(p place, kind, name string) string {
	return strings.Join([]string{p.base, kind, name}, "/")
}
