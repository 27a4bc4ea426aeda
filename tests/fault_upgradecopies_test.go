package tests

import (
	"testing"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// TestFaultUpgradeCopies has an agent replaced that copies a service between two registries: the copy is there at each moment,
// and becomes the new session's.
func TestFaultUpgradeCopies(t *testing.T) {
	east, west := zktest.Start(t), zktest.Start(t)
	settings := func(zk *zktest.Server) string { return `{protocol: zookeeper, address: "` + zk.Addr + `"}` }
	w := newWitness(t)
	provider := startMotand(t, exportYAML(w.port, "zk", settings(east)), "-localIP", "127.0.0.1")
	border := startMotand(t, borderYAML(settings(east), settings(west), "  there: {from: east, to: west, group: demo, service: \"com.example.*\", lookInterval: 1000}\n"), "-localIP", "127.0.0.1")
	node := watchNode(t, west.Client(), bothFolder+"/server", provider.addr("export"))
	await(t, "the copy", func() bool { return node.owner() != 0 })
	node.look(t)
	for range briefly(2, 10) {
		before := node.owner()
		border.upgrade()
		if now := node.owner(); now == before || now == 0 {
			t.Errorf("the copy's owner is %x, and was %x before the upgrade", now, before)
		}
	}
	if n := node.gone(); n > 0 {
		t.Errorf("the copy was gone %d times", n)
	}
	border.Stop()
	await(t, "the copy to go with its agent", func() bool { return node.owner() == 0 })
}
