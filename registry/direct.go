package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
)

// DirectOptions says where a Direct registry's providers are. Addresses and Host with Port may be given together.
type DirectOptions struct {
	Host     string
	Port     int
	Address  string       // "ip:port,ip:port,unix:///path"
	Group    string       // the group of every node, whatever group was asked for; empty: the one asked for
	Protocol string       // the protocol of every node; empty: the one asked for, else motan2
	Log      *slog.Logger // nil means slog.Default()
}

// Direct is the registry protocol "direct": every service is served at addresses that the configuration names.
type Direct struct {
	o     DirectOptions
	nodes []Node // host and port only
	feeds Feeds
}

var (
	_ Registry = (*Direct)(nil)
	_ Stater   = (*Direct)(nil)
)

// NewDirect checks o. It is an error when there is no address, or one that cannot be read.
func NewDirect(o DirectOptions) (*Direct, error) {
	d := &Direct{o: o}
	if d.o.Log == nil {
		d.o.Log = slog.Default()
	}
	if o.Host != "" {
		if err := d.add(Node{Host: strings.Trim(o.Host, "[]"), Port: o.Port}.Addr()); err != nil {
			return nil, err
		}
	}
	for address := range strings.SplitSeq(o.Address, ",") {
		if address = strings.TrimSpace(address); address != "" {
			if err := d.add(address); err != nil {
				return nil, err
			}
		}
	}
	if len(d.nodes) == 0 {
		return nil, errors.New("registry: direct: no address: give host and port, or address: ip:port,ip:port")
	}
	return d, nil
}

func (d *Direct) add(address string) error {
	host, port, err := ParseAddr(address)
	if err != nil {
		return fmt.Errorf("registry: direct: %w", err)
	}
	n := Node{Host: host, Port: port, Available: true}
	if port == 0 && !strings.HasPrefix(host, unixScheme) {
		return fmt.Errorf("registry: direct: address %q has no port", address)
	}
	if !slices.ContainsFunc(d.nodes, func(m Node) bool { return sameNode(m, n) }) {
		d.nodes = append(d.nodes, n)
	}
	return nil
}

// Watch implements Registry: update is called once, with all addresses as providers of s.
func (d *Direct) Watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	nodes := slices.Clone(d.nodes)
	for i := range nodes {
		nodes[i].Service = s
		if d.o.Group != "" {
			nodes[i].Group = d.o.Group
		}
		switch {
		case d.o.Protocol != "":
			nodes[i].Protocol = d.o.Protocol
		case s.Protocol == "":
			nodes[i].Protocol = "motan2"
		}
	}
	d.feeds.Watch(ctx, Service{}, update, nil).Put(nodes) // no service: the configuration is right about what its addresses serve
	return nil
}

// Announce implements Registry. There is nobody to tell, so it only writes a line of debug log.
func (d *Direct) Announce(_ context.Context, n Node) error {
	d.o.Log.Debug("registry: direct: not announced, there is nobody to tell", "service", n.Path, "address", n.Addr())
	return nil
}

// State implements Stater.
func (d *Direct) State() State {
	return State{Kind: "direct", Connected: true}
}
