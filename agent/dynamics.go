package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/motand/motand/conf"
)

const (
	maxDynamic      = 2048    // services, and refers, that programs can ask for; a host has some dozens
	maxDynamicBytes = 8 << 20 // of their text
)

// dynamics is what programs on this host have asked for while the agent ran. It is a value: a
// change makes another one.
type dynamics struct {
	services []dynamic[conf.Service]
	refers   []dynamic[conf.Refer]

	upstreams []upstream // services of domains that requests have asked for; not kept on disk
}

// dynamic is one service or refer.
type dynamic[T any] struct {
	url   meshURL // as it was completed
	entry *T      // nil: cannot be used with the configuration of the moment
}

// dynamicsFile is how dynamics is kept on disk and listed: motan-go's registry.snap.
type dynamicsFile struct {
	Services []meshURL `json:"register_nodes"`
	Refers   []meshURL `json:"subscribe_nodes"`
}

func dynamicsPath(runtimeDir string) string { return filepath.Join(runtimeDir, "registry.snap") }

// file is d as it is kept and listed, in the order in which it was asked for.
func (d dynamics) file() dynamicsFile {
	f := dynamicsFile{Services: []meshURL{}, Refers: []meshURL{}}
	for _, x := range d.services {
		u := x.url
		if x.entry != nil {
			u = u.shown(&x.entry.Entry)
		}
		u.Parameters = maps.Clone(u.Parameters)
		u.Parameters["nodeType"] = "service"
		f.Services = append(f.Services, u)
	}
	for _, x := range d.refers {
		u := x.url
		if x.entry != nil {
			u = u.shown(&x.entry.Entry)
		}
		f.Refers = append(f.Refers, u)
	}
	return f
}

// save writes d to the disk.
func (d dynamics) save(path string) error {
	text, err := json.Marshal(d.file())
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	return writeFile(path, string(text))
}

// readDynamics reads what was kept. A file that is not there is an empty one.
func readDynamics(path string) (dynamicsFile, error) {
	var f dynamicsFile
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return f, nil
	}
	if err != nil {
		return f, err
	}
	defer func() { _ = file.Close() }()
	text, err := io.ReadAll(io.LimitReader(file, 2*maxDynamicBytes))
	if err != nil {
		return f, err
	}
	if err := json.Unmarshal(text, &f); err != nil {
		return dynamicsFile{}, fmt.Errorf("%s: %w", path, err)
	}
	return f, nil
}

// effective is base with those entries of d that it does not have itself.
func (d dynamics) effective(base *conf.Config) *conf.Config {
	if len(d.services)+len(d.refers)+len(d.upstreams) == 0 {
		return base
	}
	type service struct{ group, path string }
	services, refers := make(map[service]bool), make(map[string]bool)
	for _, s := range base.Services {
		services[service{s.Group, s.Path}] = true
	}
	for _, r := range base.Refers {
		refers[r.Identity()] = true
	}
	all := *base
	all.HTTPClients = withUpstreams(base.HTTPClients, d.upstreams)
	all.Services, all.Refers = slices.Clip(base.Services), slices.Clip(base.Refers)
	for _, x := range d.services {
		if x.entry != nil && !services[service{x.url.Group, x.url.Path}] {
			all.Services = append(all.Services, x.entry)
		}
	}
	for _, x := range d.refers {
		if x.entry != nil && !refers[x.entry.Identity()] {
			all.Refers = append(all.Refers, x.entry)
		}
	}
	return &all
}

// dynamicService reads a completed URL.
func dynamicService(c *conf.Config, u meshURL) (*conf.Service, []conf.Diagnostic) {
	return c.DynamicService(conf.Dynamic{
		Protocol: u.Protocol, Path: u.Path, Group: u.Group, Registry: u.Parameters["registry"], Proxy: u.Parameters["proxy"], Params: u.Parameters,
	})
}

// dynamicRefer reads a completed URL.
func dynamicRefer(c *conf.Config, u meshURL) (*conf.Refer, []conf.Diagnostic) {
	return c.DynamicRefer(conf.Dynamic{
		Protocol: u.Protocol, Path: u.Path, Group: u.Group, Registry: u.Parameters["registry"], Params: u.Parameters,
	})
}

// put is list with u and its entry in the place of what has its key, or at the end. It is list
// itself where that is there already.
func put[T any](list []dynamic[T], u meshURL, key func(meshURL) meshKey, entry *T) []dynamic[T] {
	i := slices.IndexFunc(list, func(x dynamic[T]) bool { return key(x.url) == key(u) })
	switch {
	case i < 0:
		return append(slices.Clip(list), dynamic[T]{u, entry})
	case list[i].entry != nil && reflect.DeepEqual(list[i].url, u):
		return list
	}
	list = slices.Clone(list)
	list[i] = dynamic[T]{u, entry}
	return list
}

// drop is list without what has the key of u.
func drop[T any](list []dynamic[T], u meshURL, key func(meshURL) meshKey) []dynamic[T] {
	return slices.DeleteFunc(slices.Clone(list), func(x dynamic[T]) bool { return key(x.url) == key(u) })
}

// same tells whether nothing was changed between d and other.
func (d dynamics) same(other dynamics) bool {
	return sameEntries(d.services, other.services) && sameEntries(d.refers, other.refers) && slices.Equal(d.upstreams, other.upstreams)
}

func sameEntries[T any](a, b []dynamic[T]) bool {
	return slices.EqualFunc(a, b, func(x, y dynamic[T]) bool { return x.entry == y.entry })
}

// check refuses what is more than one host has.
func (d dynamics) check() error {
	if len(d.services) > maxDynamic || len(d.refers) > maxDynamic {
		return fmt.Errorf("programs on this host have asked for %d services and %d refers, %d of each are allowed: take some back, or write them into the configuration",
			len(d.services), len(d.refers), maxDynamic)
	}
	bytes := 0
	count := func(u meshURL) {
		bytes += len(u.Path) + len(u.Group)
		for k, v := range u.Parameters {
			bytes += len(k) + len(v)
		}
	}
	for _, x := range d.services {
		count(x.url)
	}
	for _, x := range d.refers {
		count(x.url)
	}
	if bytes > maxDynamicBytes {
		return fmt.Errorf("what programs on this host have asked for has %d bytes, %d are allowed", bytes, maxDynamicBytes)
	}
	return nil
}

// reread is d for another configuration. Entries that it cannot have are kept, without effect,
// and told to log.
func (d dynamics) reread(c *conf.Config, localIP string, log func(u meshURL, found []conf.Diagnostic)) dynamics {
	var next dynamics
	possible := upstreamsOf(c)
	next.upstreams = slices.DeleteFunc(slices.Clone(d.upstreams), func(u upstream) bool { return !slices.Contains(possible, u) })
	for _, x := range d.services {
		u := x.url.asService(c, localIP)
		s, found := dynamicService(c, u)
		if len(found) > 0 {
			log(u, found)
		}
		next.services = append(next.services, dynamic[conf.Service]{u, s})
	}
	for _, x := range d.refers {
		r, found := dynamicRefer(c, x.url)
		if len(found) > 0 {
			log(x.url, found)
		}
		next.refers = append(next.refers, dynamic[conf.Refer]{x.url, r})
	}
	return next
}

// diagnosis is the text of what conf has found, of errors alone where there are any.
func diagnosis(found []conf.Diagnostic) string {
	var errs, all []string
	for _, d := range found {
		all = append(all, d.Message)
		if d.Severity == conf.Error {
			errs = append(errs, d.Message)
		}
	}
	if len(errs) > 0 {
		all = errs
	}
	return strings.Join(all, "; ")
}
