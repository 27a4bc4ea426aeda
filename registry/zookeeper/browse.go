package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
)

// browsePause is how often it is looked whether the servers have let us in.
const browsePause = 20 * time.Millisecond

var (
	_ registry.Browser       = (*Registry)(nil)
	_ registry.CallerCounter = (*Registry)(nil)
)

// Groups implements registry.Browser.
func (r *Registry) Groups(ctx context.Context) ([]string, error) {
	return r.names(ctx, r.address.chroot+root, "agent") // that folder holds agents
}

// Services implements registry.Browser.
func (r *Registry) Services(ctx context.Context, group string) ([]string, error) {
	if err := checkSegment(group); err != nil {
		return nil, fmt.Errorf("registry/zookeeper: group: %w", err)
	}
	return r.names(ctx, r.address.chroot+root+"/"+group, "command") // that node holds the group's commands
}

// Entries implements registry.Browser.
func (r *Registry) Entries(ctx context.Context, group, service string) ([]registry.Entry, error) {
	p, err := placeOf(r.address.chroot, registry.Service{Group: group, Path: service})
	if err != nil {
		return nil, err
	}
	c, err := r.visit(ctx)
	if err != nil {
		return nil, err
	}
	var all []registry.Entry
	for _, kind := range []string{dirServer, dirUnavailable, dirClient} {
		names, _, err := c.children(p.dir(kind), false)
		if errors.Is(err, zk.ErrNoNode) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("registry/zookeeper: %w", err)
		}
		slices.Sort(names)
		for _, name := range names[:min(len(names), maxChildren)] {
			e, there, err := c.entry(ctx, p, kind, name)
			if err != nil {
				return nil, fmt.Errorf("registry/zookeeper: %w", err)
			}
			if there {
				all = append(all, e)
			}
		}
	}
	return all, nil
}

// Callers implements registry.CallerCounter: agents, and programs that watch the service without one.
func (r *Registry) Callers(ctx context.Context, group, service string) (int, error) {
	p, err := placeOf(r.address.chroot, registry.Service{Group: group, Path: service})
	if err != nil {
		return 0, err
	}
	c, err := r.visit(ctx)
	if err != nil {
		return 0, err
	}
	names, _, err := c.children(p.dir(dirClient), false)
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return 0, fmt.Errorf("registry/zookeeper: %w", err)
	}
	return len(names), nil
}

// entry reads one entry; there is false for one that has vanished meanwhile.
func (c client) entry(ctx context.Context, p place, kind, name string) (e registry.Entry, there bool, err error) {
	if err := ctx.Err(); err != nil {
		return e, false, err
	}
	data, stat, err := c.get(p.dir(kind) + "/" + name)
	if errors.Is(err, zk.ErrNoNode) {
		return e, false, nil
	}
	e = registry.Entry{Kind: kind, Name: name}
	if err != nil {
		e.Problem = err.Error()
		return e, !isLost(err), lostOnly(err)
	}
	if e.Modified = time.UnixMilli(stat.Mtime); stat.EphemeralOwner != 0 {
		e.Session = fmt.Sprintf("%#x", stat.EphemeralOwner)
	}
	e.Text, err = registry.DecodeText(data)
	switch {
	case err != nil:
	case kind == dirClient:
		e.Node, err = consumer(p, e.Text)
	default:
		e.Node, err = registry.ParseNode(registry.Service{Group: p.group, Path: p.path}, name, e.Text)
		e.Node.Available = kind == dirServer
	}
	if err != nil {
		e.Problem = err.Error()
	}
	return e, true, nil
}

// consumer reads what a caller has written of itself, who has no port; motan-go and Java write little more than the address.
func consumer(p place, text string) (registry.Node, error) {
	u, err := registry.ParseURL(text)
	if errors.Is(err, registry.ErrNoURL) {
		err = nil
	}
	return registry.Node{
		Service: registry.Service{Group: p.group, Path: p.path, Protocol: u.Protocol, Version: u.Params["version"]},
		Host:    u.Host, Port: u.Port, Params: u.Params,
	}, err
}

// names lists the names below a folder without one that means something else; no folder has no names.
func (r *Registry) names(ctx context.Context, folder, other string) ([]string, error) {
	c, err := r.visit(ctx)
	if err != nil {
		return nil, err
	}
	names, _, err := c.children(folder, false)
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return nil, fmt.Errorf("registry/zookeeper: %w", err)
	}
	names = slices.DeleteFunc(names, func(name string) bool { return name == other })
	slices.Sort(names)
	return names, nil
}

// visit waits until the servers have let us in.
func (r *Registry) visit(ctx context.Context) (client, error) {
	tick := time.NewTicker(browsePause)
	defer tick.Stop()
	for {
		c, problem, err := r.enter()
		if err != nil || problem == "" {
			return c, err
		}
		select {
		case <-ctx.Done():
			return client{}, fmt.Errorf("registry/zookeeper: %s: %w", problem, ctx.Err())
		case <-tick.C:
		}
	}
}

// enter returns what requests are made with, or why that is not possible yet.
func (r *Registry) enter() (c client, problem string, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.start(); err != nil {
		return client{}, "", err
	}
	switch {
	case r.connected && r.authorized:
		return r.client(), "", nil
	case r.failure != "":
		problem = r.failure
	default:
		problem = r.link.problem()
	}
	if problem == "" {
		problem = "no server has answered"
	}
	return client{}, problem, nil
}

// lostOnly returns err if it is about the connection.
func lostOnly(err error) error {
	if isLost(err) {
		return err
	}
	return nil
}
