package motango

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/weibocom/motan-go/core"

	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// maxConcurrent is how many calls may be in a filter of one entry at once, unless its key says otherwise.
const maxConcurrent = 1000

// Entry is the entry of the table of filters for a filter of motan-go: an EndPointFilter stands around each attempt, a
// ClusterFilter around the call. f is the prototype whose NewFilter makes the filters in use, one for each node or, for
// a service, one.
//
// The key <name>.maxConcurrent (default 1000), with the name that f gives itself, bounds the calls that may be in the
// filter of an entry at once; further ones are refused with errcode 10002. A filter that has not passed the call on when the call's
// time is over loses it: the call fails, and what the filter does later has no effect. On the way back such a
// filter has no effect on the answer. A filter that panics fails that call alone, and is cut out as any other.
func Entry(f core.Filter) filters.Entry {
	e := filters.Entry{Position: filters.Endpoint, Index: f.GetIndex()}
	if f.GetType() == core.ClusterFilterType {
		e.Position = filters.Cluster
	}
	e.New = func(s filters.Settings) (motan.Filter, error) { return newFilter(f, s) }
	return e
}

// filter is the filters of one entry that one prototype has made.
type filter struct {
	prototype core.Filter
	settings  filters.Settings
	timeout   int64 // ms, for calls that have no deadline yet
	longest   int64 // ms, that a caller may ask for
	room      chan struct{}

	mu    sync.RWMutex
	nodes map[string]*instance // guarded by mu; by address
}

// maxNodes bounds the filters of an entry; further nodes share one.
const maxNodes = 2000

// instance is a filter of motan-go for one node, which the bridge follows.
type instance struct {
	url      *core.URL
	endpoint core.EndPointFilter // one of the two is nil
	cluster  core.ClusterFilter
}

var errFull = motan.Errorf(motan.KindRefused, motan.CodeRejected, "too many calls are in the filter at once")

func newFilter(prototype core.Filter, s filters.Settings) (motan.Filter, error) {
	name := prototype.GetName()
	f := &filter{prototype: prototype, settings: s, nodes: make(map[string]*instance)}
	number := func(key string, otherwise int64) (int64, error) {
		text := s.Params[key]
		if text == "" {
			return otherwise, nil
		}
		n, err := strconv.ParseInt(text, 10, 32)
		if err != nil || n < 1 {
			return 0, &filters.SettingError{Key: key, Message: fmt.Sprintf("%.80q is not a whole number from 1 to 2147483647", text)}
		}
		return n, nil
	}
	room, err := number(name+".maxConcurrent", maxConcurrent)
	if err == nil && room > 1_000_000 {
		err = &filters.SettingError{Key: name + ".maxConcurrent", Message: "at most 1000000 calls may be in a filter"}
	}
	if err != nil {
		return nil, err
	}
	if f.timeout, err = number("requestTimeout", 1000); err != nil {
		return nil, err
	}
	f.longest = 2 * f.timeout
	if n, err := number("maxRequestTimeout", f.longest); err == nil {
		f.longest = n
	}
	f.room = make(chan struct{}, room)
	if _, err := f.instance(""); err != nil { // a filter that cannot be made is found before calls come
		return nil, err
	}
	return f, nil
}

// Request hands the call to a goroutine on which the filter runs.
func (f *filter) Request(c *motan.Call) motan.Verdict {
	if x, ok := c.Noted(f).(*exchange); ok { // it comes from the goroutine
		if x.panicked != nil {
			panic(x.panicked)
		}
		c.Note(f, x)
		return motan.Next
	}
	i, err := f.instance(c.Endpoint)
	if err != nil {
		c.Err = motan.Errorf(motan.KindOther, motan.CodeInternal, "%v", err)
		return motan.Answered
	}
	select {
	case f.room <- struct{}{}:
	default:
		c.Err = errFull
		return motan.Answered
	}
	x := &exchange{filter: f, instance: i, call: c, back: make(chan struct{}, 1)}
	go x.run() // ends when the filter returns; f.room bounds those that do not
	return motan.Held
}

// Reply gives the call back to the goroutine that waits for it.
func (f *filter) Reply(c *motan.Call) {
	if x, ok := c.Noted(f).(*exchange); ok {
		if x.panicked != nil {
			panic(x.panicked)
		}
		c.Keep(x)
	}
}

// instance is the filter for a node.
func (f *filter) instance(address string) (*instance, error) {
	f.mu.RLock()
	i := f.nodes[address]
	if i == nil && len(f.nodes) >= maxNodes {
		i = f.nodes[""]
	}
	f.mu.RUnlock()
	if i != nil {
		return i, nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if i = f.nodes[address]; i != nil {
		return i, nil
	}
	i = &instance{url: f.url(address)}
	made := f.prototype.NewFilter(i.url)
	switch made := made.(type) {
	case core.EndPointFilter:
		i.endpoint = made
		made.SetNext(bridge{i})
	case core.ClusterFilter:
		i.cluster = made
		made.SetNext(clusterBridge{bridge{i}})
	default:
		return nil, fmt.Errorf("motango: NewFilter of filter %s has made a %T, which is neither an EndPointFilter nor a ClusterFilter", f.prototype.GetName(), made)
	}
	f.nodes[address] = i
	return i, nil
}
