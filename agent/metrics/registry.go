package metrics

import (
	"strings"
	"sync"
	"sync/atomic"
	"unicode/utf8"

	"github.com/prometheus/client_golang/prometheus"
)

// Other is the method, and beyond the limit of services the service, under which everything
// is counted that got no series of its own.
const Other = "_other"

const (
	defaultMaxMethods = 200  // per service; far more than any interface has
	defaultMaxSeries  = 5000 // in all: about 7 MiB, and 130,000 lines for Prometheus
	maxNameBytes      = 128  // a longer method is no name but data
)

// Options are the limits of a [Registry]. The zero value is ready for use.
type Options struct {
	Kinds      []string // names of the kinds of errors by number, see [Kind]; 1 to 13, all different
	MaxMethods int      // methods with a series of their own per service; 0 means 200
	MaxSeries  int      // series in all; 0 means 5000
	Version    string   // of the program, for motand_build_info
}

// Registry holds everything that is counted. All its methods may be called at once.
type Registry struct {
	outcomes   []string // names by [Outcome]
	maxMethods int
	maxSeries  int
	gatherer   *prometheus.Registry
	exemplars  atomic.Bool

	series   atomic.Int64 // how many there are, those of Other left out
	services sync.Map     // Key to *Service; written under mu

	mu    sync.Mutex // held to add a service or a method, never to count
	count int        // guarded by mu; of services
}

// Key says whose calls are counted: one chain of filters.
type Key struct {
	Role        string // motan-go's: motan-client-agent or motan-server-agent
	Application string
	Group       string
	Service     string
	Cluster     bool // calls, over all their attempts; false for attempts
}

// New returns an empty Registry.
func New(o Options) *Registry {
	r := &Registry{
		outcomes:   outcomeNames(o.Kinds),
		maxMethods: o.MaxMethods,
		maxSeries:  o.MaxSeries,
		gatherer:   prometheus.NewRegistry(),
	}
	if r.maxMethods <= 0 {
		r.maxMethods = defaultMaxMethods
	}
	if r.maxSeries <= 0 {
		r.maxSeries = defaultMaxSeries
	}
	r.registerOwn(o.Version)
	return r
}

// Service returns the counters of k, the same ones for the same key. Those that know their
// key beforehand resolve it once; it is cheap enough for each call, and allocates only for
// a key that is new. Text that is not UTF-8 is made so. Beyond the limit of series there is one
// Service for each role, with Other as its service.
func (r *Registry) Service(k Key) *Service {
	if s, ok := r.services.Load(k); ok {
		return s.(*Service)
	}
	if !k.valid() {
		return r.Service(k.cleaned())
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, known := r.services.Load(k); !known && r.count >= r.maxSeries {
		k = k.overflow()
	}
	if s, ok := r.services.Load(k); ok {
		return s.(*Service)
	}
	s := newService(r, k)
	r.services.Store(k, s)
	r.count++
	return s
}

// Each calls f with a copy of every series that has counted something, in no order.
func (r *Registry) Each(f func(Series)) {
	r.services.Range(func(_, s any) bool {
		s.(*Service).each(f)
		return true
	})
}

func (k Key) valid() bool {
	return utf8.ValidString(k.Role) && utf8.ValidString(k.Application) &&
		utf8.ValidString(k.Group) && utf8.ValidString(k.Service)
}

func (k Key) cleaned() Key {
	const replacement = string(utf8.RuneError)
	k.Role = strings.ToValidUTF8(k.Role, replacement)
	k.Application = strings.ToValidUTF8(k.Application, replacement)
	k.Group = strings.ToValidUTF8(k.Group, replacement)
	k.Service = strings.ToValidUTF8(k.Service, replacement)
	return k
}

// overflow is the key under which k is counted when there are too many: roles are few.
func (k Key) overflow() Key {
	return Key{Role: k.Role, Service: Other, Cluster: k.Cluster}
}
