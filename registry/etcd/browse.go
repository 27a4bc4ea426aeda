package etcd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	clientv3 "go.etcd.io/etcd/client/v3"

	"github.com/motand/motand/registry"
)

// maxNames bounds a list of groups or services.
const maxNames = 100000

// Groups implements registry.Browser.
func (r *Registry) Groups(ctx context.Context) ([]string, error) {
	return r.names(ctx, r.options.Prefix+root+"/", "agent") // below that are agents
}

// Services implements registry.Browser.
func (r *Registry) Services(ctx context.Context, group string) ([]string, error) {
	if err := checkStep(group); err != nil {
		return nil, fmt.Errorf("registry/etcd: group: %w", err)
	}
	return r.names(ctx, r.options.Prefix+root+"/"+group+"/", "command") // that key holds the group's commands
}

// visit returns the link, for which it waits until ctx ends.
func (r *Registry) visit(ctx context.Context) (*link, error) {
	r.mu.Lock()
	err := r.start()
	r.mu.Unlock()
	if err != nil {
		return nil, err
	}
	if l := r.await(ctx); l != nil {
		return l, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failure != "" {
		return nil, fmt.Errorf("registry/etcd: %s", r.failure)
	}
	return nil, fmt.Errorf("registry/etcd: connect to %s: %w", r.options.Address, ctx.Err())
}

// names returns the next step of all keys below prefix. Having found one, it skips all that is below it: etcd has
// no folders, but what it stores is in order.
func (r *Registry) names(ctx context.Context, prefix, except string) ([]string, error) {
	l, err := r.visit(ctx)
	if err != nil {
		return nil, err
	}
	var names []string
	from, end := prefix, clientv3.GetPrefixRangeEnd(prefix)
	for len(names) < maxNames {
		answer, err := l.client.Get(ctx, from, clientv3.WithRange(end), clientv3.WithLimit(1), clientv3.WithKeysOnly())
		if err != nil {
			return nil, fmt.Errorf("registry/etcd: list %s: %w", prefix, err)
		}
		if len(answer.Kvs) == 0 {
			slices.Sort(names) // "a-b/" stands before "a/"
			return names, nil
		}
		name, _, below := strings.Cut(strings.TrimPrefix(string(answer.Kvs[0].Key), prefix), "/")
		from = prefix + name + "\x00"
		if below {
			from = prefix + name + "0" // which follows the slash
			if name != except && name != "" {
				names = append(names, name)
			}
		}
	}
	return nil, errors.New("registry/etcd: " + prefix + " has more than " + strconv.Itoa(maxNames) + " names")
}

// Entries implements registry.Browser.
func (r *Registry) Entries(ctx context.Context, group, service string) ([]registry.Entry, error) {
	p, err := r.options.place(registry.Service{Group: group, Path: service})
	if err != nil {
		return nil, err
	}
	l, err := r.visit(ctx)
	if err != nil {
		return nil, err
	}
	var all []registry.Entry
	for _, kind := range []string{kindServer, kindUnavailable} {
		prefix := p.key(kind, "")
		answer, err := l.client.Get(ctx, prefix, clientv3.WithPrefix(), clientv3.WithLimit(maxEntries))
		if err != nil {
			return nil, fmt.Errorf("registry/etcd: list %s: %w", prefix, err)
		}
		for _, kv := range answer.Kvs {
			e := registry.Entry{Kind: kind, Name: strings.TrimPrefix(string(kv.Key), prefix)}
			if kv.Lease != 0 {
				e.Session = strconv.FormatInt(kv.Lease, 16)
			}
			if e.Text, err = registry.DecodeText(kv.Value); err == nil {
				e.Node, err = registry.ParseNode(registry.Service{Group: group, Path: service}, e.Name, e.Text)
			}
			if err != nil {
				e.Problem = err.Error()
			}
			e.Node.Available = kind == kindServer
			all = append(all, e)
		}
	}
	return all, nil
}
