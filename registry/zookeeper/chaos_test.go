package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// How long the chaos lasts, and the seed to repeat it with; "make chaos" sets the former.
const (
	chaosTimeEnv = "CHAOS_TIME"
	chaosSeedEnv = "CHAOS_SEED"
	chaosUsual   = 20 * time.Second
)

// chaos is a registry, what it is meant to do, and all that befalls it.
type chaos struct {
	t      *testing.T
	random *rand.Rand
	s      *zktest.Server
	c      *zk.Conn // as another program
	p      *proxy   // between the registry and the server
	r      *Registry

	lists   map[string]*receiver // by service
	command *texts
	wanted  map[registry.NodeKey]bool // whether available; absent: not announced
	cancel  map[registry.NodeKey]context.CancelFunc
	others  int // names that were made, so that each is new
}

// chaosEvents are what may happen, and how often beside the others.
var chaosEvents = []struct {
	name   string
	weight int
	run    func(x *chaos)
}{
	{"announce", 8, (*chaos).announce},
	{"withdraw", 4, (*chaos).withdraw},
	{"another provider comes", 8, (*chaos).come},
	{"another provider goes", 5, (*chaos).goAway},
	{"another provider is replaced", 3, (*chaos).rewrite},
	{"a thousand changes", 1, (*chaos).burst},
	{"own node deleted", 2, (*chaos).deleteOwn},
	{"own node changed", 2, (*chaos).spoilOwn},
	{"service deleted", 2, (*chaos).deleteService},
	{"all deleted", 1, (*chaos).deleteAll},
	{"command written", 4, (*chaos).order},
	{"command deleted", 2, (*chaos).countermand},
	{"connection lost", 4, func(x *chaos) { x.p.cut() }},
	{"connection half open", 2, func(x *chaos) { x.p.swallow() }},
	{"cut off for a while", 2, (*chaos).cutOff},
	{"session expires", 2, (*chaos).expire},
	{"server restarts", 1, func(x *chaos) { x.s.Restart() }},
	{"server restarts empty", 1, (*chaos).wipe},
}

// Whatever happens, in whatever order, in the end the tree holds what is wanted and nothing else of ours, in our session, and
// the receivers know what the tree holds.
func TestChaos(t *testing.T) {
	t.Parallel()
	length, seed := chaosUsual, uint64(time.Now().UnixNano())
	if text := os.Getenv(chaosTimeEnv); text != "" {
		var err error
		if length, err = time.ParseDuration(text); err != nil {
			t.Fatalf("%s: %v", chaosTimeEnv, err)
		}
	}
	if text := os.Getenv(chaosSeedEnv); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("%s: %v", chaosSeedEnv, err)
		}
	}
	t.Logf("repeat with %s=%d", chaosSeedEnv, seed)
	x := startChaos(t, rand.New(rand.NewPCG(seed, 0)))
	total := 0
	for _, e := range chaosEvents {
		total += e.weight
	}
	counts := make(map[string]int)
	for end := time.Now().Add(length); time.Now().Before(end); {
		n := x.random.IntN(total)
		for _, e := range chaosEvents {
			if n -= e.weight; n >= 0 {
				continue
			}
			began := time.Now()
			e.run(x)
			counts[e.name]++
			eventually(t, func() string {
				if problem := x.check(); problem != "" {
					return fmt.Sprintf("after %q: %s", e.name, problem)
				}
				return ""
			})
			t.Logf("chaos: %s: all is well after %v", e.name, time.Since(began).Round(time.Millisecond))
			break
		}
	}
	t.Logf("events: %v; %v", counts, x.r.State().Extra)
}

func startChaos(t *testing.T, random *rand.Rand) *chaos {
	t.Helper()
	s := zktest.Start(t)
	x := &chaos{
		t: t, random: random, s: s, c: s.Client(), p: startProxy(t, s.Addr), lists: make(map[string]*receiver),
		wanted: make(map[registry.NodeKey]bool), cancel: make(map[registry.NodeKey]context.CancelFunc),
	}
	x.r = open(t, s, func(o *Options) {
		o.Address, o.SessionTimeout, o.SelfCheck, o.Relist = x.p.addr, time.Second, 300*time.Millisecond, time.Second
		o.Log = newLog(new(logged)) // the events are told; what led to them is too much
	})
	for i := range 3 {
		path := fmt.Sprintf("com.example.S%d", i)
		x.lists[path] = watch(t, x.r, registry.Service{Group: testGroup, Path: path})
	}
	x.command = watchCommand(t, x.r, registry.Scope{Group: testGroup})
	return x
}

// check compares what is wanted, the tree, and what the receivers know.
func (x *chaos) check() string {
	id := x.r.ownSession()
	if st := x.r.State(); !st.Connected {
		return "not connected: " + st.LastError
	}
	for path, list := range x.lists {
		var served []string
		for _, folder := range []string{dirServer, dirUnavailable} {
			names, problem := x.names(path, folder)
			if problem != "" {
				return problem
			}
			for _, name := range names {
				if folder == dirServer && !strings.HasPrefix(name, "junk") {
					served = append(served, name)
				}
				if port, ours := strings.CutPrefix(name, "10.0.0.1:"); ours {
					n, _ := strconv.Atoi(port)
					available, wanted := x.wanted[registry.NodeKey{Group: testGroup, Path: path, Host: "10.0.0.1", Port: n}]
					if !wanted || available != (folder == dirServer) {
						return fmt.Sprintf("%s is in %s of %s; wanted %v, available %v", name, folder, path, wanted, available)
					}
				}
			}
		}
		slices.Sort(served)
		if got, _, _ := list.latest(); !slices.Equal(got, served) {
			return fmt.Sprintf("%s: the tree has %d nodes, the receiver %d: %.300q and %.300q", path, len(served), len(got), served, got)
		}
	}
	for key, available := range x.wanted {
		path := x.path(key, available)
		_, stat, err := x.c.Get(path)
		if err != nil || stat.EphemeralOwner != id {
			return fmt.Sprintf("%s: %v; want it in session %x, got %+v", path, err, id, stat)
		}
	}
	for _, a := range x.r.State().Announced {
		if a.LastError != "" || !a.Written {
			return fmt.Sprintf("state: %+v", a)
		}
	}
	data, _, err := x.c.Get(groupCommand)
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return err.Error()
	}
	if got, count := x.command.latest(); got != string(data) || count == 0 {
		return fmt.Sprintf("command: got %q, the tree has %q", got, data)
	}
	return ""
}

// names lists a folder of a service; one that does not exist is empty.
func (x *chaos) names(service, folder string) (names []string, problem string) {
	names, _, err := x.c.Children(root + "/" + testGroup + "/" + service + "/" + folder)
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		return nil, err.Error()
	}
	return names, ""
}

func (x *chaos) path(key registry.NodeKey, available bool) string {
	folder := dirUnavailable
	if available {
		folder = dirServer
	}
	return fmt.Sprintf("%s/%s/%s/%s/%s:%d", root, key.Group, key.Path, folder, key.Host, key.Port)
}

func (x *chaos) service() string { return fmt.Sprintf("com.example.S%d", x.random.IntN(3)) }

// own returns one of the announced nodes, false when there is none.
func (x *chaos) own() (registry.NodeKey, bool) {
	keys := make([]registry.NodeKey, 0, len(x.wanted))
	for key := range x.wanted {
		keys = append(keys, key)
	}
	if len(keys) == 0 {
		return registry.NodeKey{}, false
	}
	slices.SortFunc(keys, func(a, b registry.NodeKey) int { return strings.Compare(fmt.Sprint(a), fmt.Sprint(b)) })
	return keys[x.random.IntN(len(keys))], true
}
