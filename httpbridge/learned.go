package httpbridge

import (
	"hash/maphash"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Bounds of what is remembered of calls.
const (
	seenSlots      = 4096 // hashes of methods; a power of two
	seenProbes     = 8
	learnedMethods = 2000 // of all services together
	signatureBytes = 512
)

// learned is what calls have shown of methods: that they are there, and the shape of their arguments and answers, never
// what was in them. It looks at the first good call of each method; a further one costs a look at a table.
type learned struct {
	seed maphash.Seed
	seen [seenSlots]atomic.Uint64 // hashes of service and method; 0 is a free slot

	mu       sync.Mutex
	services map[string]map[string]shown // guarded by mu; by service and method
	count    int                         // guarded by mu; methods in it
}

// shown is a method as a call has shown it.
type shown struct {
	signature string // M_md of the call; empty if it had none
	arguments string // an example of their shape, as a JSON array
	answer    string // likewise, as a JSON value
}

// note remembers the method of a call that was answered well.
func (l *learned) note(c *motan.Call, arguments []byte) {
	service, method := c.Request.Service(), c.Request.Method()
	hash := max(maphash.Bytes(l.seed, service)*31^maphash.Bytes(l.seed, method), 1)
	for i := range uint64(seenProbes) {
		slot := &l.seen[(hash+i)%seenSlots]
		switch slot.Load() {
		case hash:
			return
		case 0:
			l.learn(c, string(service), string(method), arguments)
			slot.Store(hash)
			return
		}
	} // full here: what is new is not learned any more
}

func (l *learned) learn(c *motan.Call, service, method string, arguments []byte) {
	signature := c.Request.MethodDesc()
	if len(signature) > signatureBytes {
		signature = nil
	}
	s := shown{
		signature: string(signature),
		arguments: shapeOfAll(arguments, len(signature) == 0),
		answer:    shapeOf(c.Reply.Body()),
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, known := l.services[service][method]; known || l.count >= learnedMethods {
		return
	}
	if l.services == nil {
		l.services = map[string]map[string]shown{}
	}
	if l.services[service] == nil {
		l.services[service] = map[string]shown{}
	}
	l.services[service][method] = s
	l.count++
}

// of returns the methods that calls have shown of a service.
func (l *learned) of(service string) map[string]shown {
	l.mu.Lock()
	defer l.mu.Unlock()
	return maps.Clone(l.services[service])
}

// names returns the services that calls have shown, sorted.
func (l *learned) names() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Sorted(maps.Keys(l.services))
}
