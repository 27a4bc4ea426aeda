package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// registryOptions are the flags of motand registry.
type registryOptions struct {
	conf    conf.Options
	id      string
	address string
	timeout time.Duration
	output  string
	long    bool
}

func registryCommand(x Extensions) *cobra.Command {
	o := new(registryOptions)
	cmd := &cobra.Command{
		Use:   "registry",
		Short: "Look into a registry: what is registered, and what changes",
		Long: `Look into a registry without changing it, and without the agent: its address is taken from the
configuration, or from --address. Exit code 0, 1 for a wrong command line or configuration, 3 when
the registry cannot be read.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("registry knows ls, get and watch, not %q", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	f := cmd.PersistentFlags()
	f.StringVarP(&o.conf.Path, "config", "c", "", "configuration: a file, or a folder in motan-go's form (default ./motan.yaml)")
	f.StringVar(&o.conf.Application, "application", "", "application, for a configuration folder")
	f.StringVar(&o.conf.Pool, "pool", "", "pool (application-idc-level), for a configuration folder")
	f.StringVarP(&o.id, "registry", "r", "", "id of the registry in the configuration; needed where there are several")
	f.StringVar(&o.address, "address", "", "registry to ask instead: protocol://host:port[,host:port...][/folder]")
	f.DurationVarP(&o.timeout, "timeout", "t", 10*time.Second, "how long to wait for the registry")
	f.StringVarP(&o.output, "output", "o", "table", "table, or json for scripts")
	cmd.AddCommand(registryLs(x, o), registryGet(x, o), registryWatch(x, o))
	return cmd
}

func registryLs(x Extensions, o *registryOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "ls [GROUP]",
		Short:   "List the groups, or the services of a group",
		Example: "  motand registry ls\n  motand registry ls demo-group",
		Args:    cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.use(x, cmd, func(ctx context.Context, reg registry.Registry) error {
				b, err := browser(reg)
				if err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(ctx, o.timeout)
				defer cancel()
				var names []string
				if len(args) == 0 {
					names, err = b.Groups(ctx)
				} else {
					names, err = b.Services(ctx, args[0])
				}
				if err != nil {
					return err
				}
				return o.printNames(cmd.OutOrStdout(), names)
			})
		},
	}
}

func registryGet(x Extensions, o *registryOptions) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "get GROUP SERVICE",
		Short:   "Show what is registered for a service: providers that callers see, those they do not, clients",
		Example: "  motand registry get demo-group com.example.HelloService",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.use(x, cmd, func(ctx context.Context, reg registry.Registry) error {
				b, err := browser(reg)
				if err != nil {
					return err
				}
				ctx, cancel := context.WithTimeout(ctx, o.timeout)
				defer cancel()
				entries, err := b.Entries(ctx, args[0], args[1])
				if err != nil {
					return err
				}
				if len(entries) == 0 {
					cmd.PrintErrf("motand: nothing is registered for %s in group %s; motand registry ls %s lists its services\n", args[1], args[0], args[0])
				}
				return o.printEntries(cmd.OutOrStdout(), entries)
			})
		},
	}
	cmd.Flags().BoolVarP(&o.long, "long", "l", false, "show each entry's URL as well")
	return cmd
}

func registryWatch(x Extensions, o *registryOptions) *cobra.Command {
	return &cobra.Command{
		Use:     "watch GROUP SERVICE",
		Short:   "Show who serves a service, and every change, until interrupted",
		Example: "  motand registry watch demo-group com.example.HelloService",
		Args:    cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.use(x, cmd, func(ctx context.Context, reg registry.Registry) error {
				return o.watch(ctx, cmd.OutOrStdout(), reg, registry.Service{Group: args[0], Path: args[1]})
			})
		},
	}
}

// watch prints the list of s and every change of it until ctx ends.
func (o *registryOptions) watch(ctx context.Context, w io.Writer, reg registry.Registry, s registry.Service) error {
	if b, ok := registry.As[registry.Browser](reg); ok { // a watch of what is not there would leave a folder behind
		first, cancel := context.WithTimeout(ctx, o.timeout)
		defer cancel()
		services, err := b.Services(first, s.Group)
		if err != nil {
			return err
		}
		if !slices.Contains(services, s.Path) {
			return fmt.Errorf("the registry has no service %s in group %s; motand registry ls %s lists them", s.Path, s.Group, s.Group)
		}
	}
	lists := make(chan []registry.Node, 1)
	if err := reg.Watch(ctx, s, func(nodes []registry.Node) {
		select {
		case lists <- nodes:
		case <-ctx.Done():
		}
	}); err != nil {
		return err
	}
	var before []string
	for {
		select {
		case <-ctx.Done():
			return nil
		case nodes := <-lists:
			now := make([]string, len(nodes))
			for i, n := range nodes {
				now[i] = n.Addr()
			}
			if err := o.printChange(w, before, now); err != nil {
				return err
			}
			before = now
		}
	}
}

// use runs f with the registry that the flags name, and ends its session afterwards. SIGINT and SIGTERM end f's context.
func (o *registryOptions) use(x Extensions, cmd *cobra.Command, f func(context.Context, registry.Registry) error) error {
	switch {
	case o.output != "table" && o.output != "json":
		return &ConfigError{fmt.Errorf("--output is table or json, not %q", o.output)}
	case o.timeout <= 0:
		return &ConfigError{fmt.Errorf("--timeout must be more than 0, such as 5s; got %s", o.timeout)}
	}
	r, err := o.registry(x, cmd.ErrOrStderr())
	if err != nil {
		return err
	}
	log := slog.New(&warnings{w: cmd.ErrOrStderr()})
	reg, err := x.Registries[r.Protocol](r, RegistryEnv{Local: new(registry.Local), Log: log})
	if err != nil {
		return &ConfigError{err}
	}
	ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	err = f(ctx, reg)
	if c, ok := registry.As[registry.Closer](reg); ok {
		words, cancel := context.WithTimeout(context.Background(), lastWords)
		defer cancel()
		_ = c.Close(words) // nothing of ours is there
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %s: %w", o.timeout, err)
	}
	return err
}

// registry finds the entry of the registry to ask.
func (o *registryOptions) registry(x Extensions, w io.Writer) (*conf.Registry, error) {
	if o.address != "" {
		protocol, address, ok := strings.Cut(o.address, "://")
		if _, known := x.Registries[protocol]; !ok || !known {
			return nil, &ConfigError{fmt.Errorf("--address must be such as zookeeper://zk1:2181,zk2:2181/folder, not %q", o.address)}
		}
		address, folder, _ := strings.Cut(address, "/")
		r := &conf.Registry{Protocol: protocol, Address: strings.Split(address, ","), Params: map[string]string{}}
		if folder != "" {
			r.Params["chroot"] = "/" + folder
		}
		return r, nil
	}
	o.conf.Known = x.known()
	configEnvironment(&o.conf)
	c, err := load(o.conf, w)
	if err != nil {
		return nil, err
	}
	var ids []string
	var last *conf.Registry
	for _, r := range c.Registries {
		if _, ok := x.Registries[r.Protocol]; !ok || r.Protocol == "local" || r.Protocol == "direct" {
			continue
		}
		if r.ID == o.id {
			return r, nil
		}
		ids, last = append(ids, r.ID), r
	}
	switch {
	case len(ids) == 0:
		return nil, &ConfigError{errors.New("the configuration has no registry that can be looked into; --address names one")}
	case o.id != "":
		return nil, &ConfigError{fmt.Errorf("registry %q is not one of %s", o.id, strings.Join(ids, ", "))}
	case len(ids) > 1:
		return nil, &ConfigError{fmt.Errorf("the configuration has several registries, choose one with -r: %s", strings.Join(ids, ", "))}
	}
	return last, nil
}

// browser returns the ability of reg to be looked through.
func browser(reg registry.Registry) (registry.Browser, error) {
	b, ok := registry.As[registry.Browser](reg)
	if !ok {
		return nil, errors.New("this kind of registry cannot be looked through; motand registry watch GROUP SERVICE shows what callers are told")
	}
	return b, nil
}
