package zookeeper

import (
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// scaleEnv holds "services x nodes" of the scale test, such as 1000x100.
const scaleEnv = "SCALE"

// Many services over one connection: each node is read once, a node that changes costs a request or two, a reconnect one or
// two per service. Times and memory are told, not checked.
func TestScale(t *testing.T) {
	services, nodes, changes := 100, 20, 20
	if text := os.Getenv(scaleEnv); text != "" {
		if n, err := fmt.Sscanf(text, "%dx%d", &services, &nodes); err != nil || n != 2 {
			t.Fatalf("%s: %q is not like 1000x100", scaleEnv, text)
		}
		changes = 100
	}
	s := zktest.Start(t)
	c := s.Client()
	for i := range services {
		fill(t, c, i, nodes)
	}
	w := &wire{}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	began := time.Now()
	r := open(t, s, func(o *Options) {
		o.Dial, o.SessionTimeout, o.Log = w.dial, 4*time.Second, slog.New(slog.DiscardHandler)
	})
	full := make(chan int, services*10) // services whose list has become whole
	updated := make(chan time.Time, services*10)
	var updates atomic.Int64
	for i := range services {
		err := r.Watch(t.Context(), scaleService(i), func(list []registry.Node) {
			updates.Add(1)
			updated <- time.Now()
			if len(list) == nodes {
				full <- i
			}
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	for range services {
		<-full
		<-updated
	}
	t.Logf("%d services of %d nodes are known after %v, %v", services, nodes, time.Since(began).Round(time.Millisecond), r.State().Extra)
	runtime.GC()
	runtime.ReadMemStats(&after)
	t.Logf("heap: %d bytes per node", (int64(after.HeapAlloc)-int64(before.HeapAlloc))/int64(services*nodes))
	if n := w.reads.Load(); n != int64(services*nodes) {
		t.Errorf("entries read: got %d, want each of %d once", n, services*nodes)
	}

	requests := r.State().Extra["requests"]
	var times []time.Duration
	for i := range changes {
		path := fmt.Sprintf("%s/%s/%s/server/10.9.9.9:%d", root, testGroup, scaleService(i%services).Path, 1000+i)
		changed := time.Now()
		makeQuick(t, c, path, nil)
		times = append(times, (<-updated).Sub(changed))
	}
	slices.Sort(times)
	perChange := float64(r.State().Extra["requests"]-requests) / float64(changes)
	t.Logf("from a node's creation to the update: median %v, most %v; %.1f requests per change", times[changes/2], times[changes-1], perChange)
	if perChange > 4 {
		t.Errorf("requests per changed node: got %.1f, want a list and an entry, and little else", perChange)
	}

	requests = r.State().Extra["requests"]
	reads, count := w.reads.Load(), updates.Load()
	again := time.Now()
	readings := r.State().Extra["readings"]
	r.link.kick("kicked by the test")
	eventually(t, func() string {
		if n := r.State().Extra["readings"] - readings; n < int64(services) {
			return fmt.Sprintf("%d of %d lists read again", n, services)
		}
		return ""
	})
	t.Logf("after a reconnect all lists are read again after %v with %d requests", time.Since(again).Round(time.Millisecond), r.State().Extra["requests"]-requests)
	if w.reads.Load() != reads || updates.Load() != count {
		t.Errorf("after a reconnect: %d entries read, %d updates; want none, nothing has changed", w.reads.Load()-reads, updates.Load()-count)
	}
}

func scaleService(i int) registry.Service {
	return registry.Service{Group: testGroup, Path: fmt.Sprintf("com.example.Service%04d", i)}
}

// fill makes the nodes of service number i.
func fill(t *testing.T, c *zk.Conn, i, nodes int) {
	t.Helper()
	dir := root + "/" + testGroup + "/" + scaleService(i).Path + "/server"
	if i == 0 {
		makeNode(t, c, root+"/"+testGroup, nil, 0)
	}
	everybody := zk.WorldACL(zk.PermAll)
	ops := []any{
		&zk.CreateRequest{Path: root + "/" + testGroup + "/" + scaleService(i).Path, Acl: everybody},
		&zk.CreateRequest{Path: dir, Acl: everybody},
	}
	for n := range nodes {
		addr := fmt.Sprintf("10.%d.%d.%d:8001", i/250, i%250, n%250)
		text := "motan2://" + addr + "/" + scaleService(i).Path + "?group=" + testGroup +
			"&application=agent-test&export=motan2:8001&nodeType=service&requestTimeout=1000&serialization=simple&version=1.0"
		ops = append(ops, &zk.CreateRequest{Path: dir + "/" + addr, Data: []byte(text), Acl: everybody})
	}
	if _, err := c.Multi(ops...); err != nil {
		t.Fatalf("make %d nodes: %v", nodes, err)
	}
}
