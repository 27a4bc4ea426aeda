package tests

import (
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/motand/motand/registry/zookeeper/zktest"
)

// TestHealthInTheRegistry stops and starts the provider of a service that is available by itself, and finds
// the service out of and back in use, in a real ZooKeeper.
func TestHealthInTheRegistry(t *testing.T) {
	server := zktest.Start(t)
	z := tree{t, server.Client()}
	port := freePort(t)
	listen := func() net.Listener {
		t.Helper()
		l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	addr := (&net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: port}).String()
	yaml := strings.Replace(meshYAML(server.Addr, portOf(addr)), "    provider: motan2\n",
		"    provider: motan2\n    available: auto\n    healthCheck.interval: 100\n", 1)
	d := startMotandUp(t, newSetup(t), yaml)
	node := d.addr("export")
	z.awaitNode(node, "unavailableServer")
	provider := listen()
	z.awaitNode(node, "server")
	if status, body := d.get("mgmt", "/readyz?verbose"); status != http.StatusOK || !strings.Contains(body, "registry zk: available\n") {
		t.Errorf("/readyz?verbose: got %d %q, want the service available", status, body)
	}
	provider.Close()
	z.awaitNode(node, "unavailableServer")
	if _, body := d.get("mgmt", "/api/v1/services"); !strings.Contains(body, `"passes":false`) || !strings.Contains(body, "refused") {
		t.Errorf("/api/v1/services: got %s, want the failing check", body)
	}
	d.get("mgmt", "/200") // does not help a provider that is down
	d.get("mgmt", "/503")
	defer listen().Close()
	await(t, "the check to pass", func() bool { return d.metric("motand_service_healthy", "service", echoService) == 1 })
	z.awaitNode(node, "unavailableServer")
	d.get("mgmt", "/200")
	z.awaitNode(node, "server")
}
