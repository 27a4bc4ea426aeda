package tests

import (
	"net/http"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

// TestPHPThroughZooKeeper has a motand register a "php -S" in ZooKeeper and a Motan2 client call it there. When motand stops,
// the node is gone from ZooKeeper before the first call is not answered any more.
func TestPHPThroughZooKeeper(t *testing.T) {
	need(t, "php")
	zk := zktest.Start(t)
	php := startScript(t, "php", "index.php")
	d := startMotand(t, agentYAML+`
motan-registry:
  zk: {protocol: zookeeper, address: "`+zk.Addr+`"}
motan-service:
  site: {path: com.example.Site, group: web, protocol: motan2, registry: zk, provider: http, proxyAddress: "`+php+`", domain: `+siteHost+`, enableRewrite: false,
    available: auto, export: "motan2:{{.export}}", requestTimeout: 20000}
`)
	conn := zk.Client()
	node := func() (path string, there bool) {
		names, _, err := conn.Children("/motan/web/com.example.Site/server")
		if err != nil || len(names) == 0 {
			return "", false
		}
		return names[0], true
	}
	await(t, "the node in ZooKeeper", func() bool { _, there := node(); return there })
	name, _ := node()
	if !strings.HasSuffix(name, d.addr("export")[strings.IndexByte(d.addr("export"), ':'):]) {
		t.Errorf("got the node %s, want the export port", name)
	}
	client := motan.NewConn(d.addr("export"), motan.ConnOptions{})
	defer client.Close()
	call := func() bool {
		c := motan.NewCall()
		defer c.Release()
		for key, value := range map[string]string{"M_p": "com.example.Site", "M_g": "web", "M_m": "/hello"} {
			c.Request.Set(key, value)
		}
		c.Request.SetSerialization(motan.SerializeSimple)
		c.Deadline = c.Start + int64(patience)
		motan.Do(client, c)
		value, _, err := simple.Decode(c.Reply.Body())
		body, _ := value.([]byte)
		return c.Err == nil && err == nil && string(body) == "GET /hello "
	}
	if !call() {
		t.Fatal("the PHP program does not answer through Motan2")
	}
	var early atomic.Bool
	var answered atomic.Int64
	done := make(chan struct{})
	go func() { // ends with the first call that is not answered
		defer close(done)
		for call() {
			answered.Add(1)
		}
		_, there := node()
		early.Store(there)
	}()
	await(t, "calls under way", func() bool { return answered.Load() > 10 })
	d.Signal(syscall.SIGTERM)
	await(t, "the node to be gone", func() bool { _, there := node(); return !there })
	if code := d.Wait(); code != 0 {
		t.Errorf("motand ended with %d, want 0", code)
	}
	<-done
	if early.Load() {
		t.Errorf("after %d answers a call failed while ZooKeeper still had the node", answered.Load())
	}
	if status, _, err := fetch(http.MethodGet, "http://"+php+"/x", ""); err != nil || status != http.StatusOK {
		t.Errorf("the PHP program itself: got %d, %v", status, err)
	}
}
