package tests

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// TestForwardsAnyBody sends random bytes, half of them declared as gzip, in serializations that nobody has
// defined, out of one motand port and in by the other, and back.
func TestForwardsAnyBody(t *testing.T) {
	provider := newProvider(t, "127.0.0.1", func(_ string, request, reply *motan.Frame) time.Duration {
		sum := sha256.Sum256(request.Body())
		reply.Set("sha256", hex.EncodeToString(sum[:]))
		return echo("", request, reply)
	})
	d := startMotand(t, bothYAML(provider.port))
	const connections = 8
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var sent atomic.Int64
	all := make([]*calls, connections)
	for n := range all {
		request := func(i int) *motan.Frame { return randomFrame(rand.New(rand.NewPCG(seed, uint64(n)<<32|uint64(i)))) }
		all[n] = &calls{
			n: scaled(100_000) / connections, window: 64, request: request,
			check: func(i int, reply *motan.Frame) error {
				sent.Add(1)
				return sameBody(request(i), reply)
			},
		}
	}
	runAll(t, d.addr("motan"), all)
	if got := provider.calls.Load(); got != sent.Load() {
		t.Errorf("the provider got %d calls, want %d", got, sent.Load())
	}
}

// randomFrame has a body of 0 to 4 KiB, at times of up to 200 KiB.
func randomFrame(r *rand.Rand) *motan.Frame {
	size := r.IntN(4 << 10)
	if r.IntN(200) == 0 {
		size = r.IntN(200 << 10)
	}
	body := make([]byte, size)
	for i := range body {
		body[i] = byte(r.Uint32())
	}
	f := motantest.Request("com.example.Both", "any", body, "M_g", "demo")
	unknown := []int{3, 4, 9, 10, 15, 16, 30, 31}
	f.SetSerialization(unknown[r.IntN(len(unknown))])
	if r.IntN(2) == 0 {
		f.Type |= motan.FlagGzip
	}
	return f
}

// sameBody tells whether the provider saw the body of request, and reply carries it and how it is to be read.
func sameBody(request, reply *motan.Frame) error {
	sum := sha256.Sum256(request.Body())
	if got, want := string(reply.Get("sha256")), hex.EncodeToString(sum[:]); got != want {
		return fmt.Errorf("the provider saw a body of SHA-256 %s, want %s", got, want)
	}
	if !bytes.Equal(reply.Body(), request.Body()) {
		return fmt.Errorf("answer has %d bytes that differ from the %d sent", len(reply.Body()), len(request.Body()))
	}
	if reply.Serialize != request.Serialize || reply.Gzipped() != request.Gzipped() {
		return fmt.Errorf("answer has serialization byte %#02x, gzip %t, want %#02x, %t", reply.Serialize, reply.Gzipped(), request.Serialize, request.Gzipped())
	}
	return nil
}

// bothYAML refers to a service that the same agent exports from the provider's port.
func bothYAML(port int) string {
	return agentYAML + `
motan-registry:
  self: {protocol: direct, address: "127.0.0.1:{{.export}}"}
  none: {protocol: local}
motan-refer:
  both: {path: com.example.Both, group: demo, protocol: motan2, registry: self, requestTimeout: 30000, serialization: simple}
motan-service:
  both:
    path: com.example.Both
    group: demo
    protocol: motan2
    provider: motan2
    proxy: motan2:` + strconv.Itoa(port) + `
    export: motan2:{{.export}}
    registry: none
    requestTimeout: 30000
    serialization: simple
`
}

// Figures of TestRoutes.
const (
	routedServices = 500
	routedVersions = 2
	routedGroups   = 2
	routedBackends = routedServices * routedVersions * routedGroups
)

// backend is one of the targets of TestRoutes: a service in a version and a group. Each has an address of
// its own within 127.0.0.0/8, by which the provider knows whom a call was led to.
type backend int

func (b backend) service() string { return "com.example.Service" + strconv.Itoa(int(b)/4) }
func (b backend) version() string { return []string{"1.0", "2.0"}[int(b)/2%2] }
func (b backend) group() string   { return []string{"north", "south"}[int(b)%2] }
func (b backend) host() string    { return fmt.Sprintf("127.1.%d.%d", int(b)/250, int(b)%250+1) }

// exported is the host behind the export of the service in the group; exports have no version.
func (b backend) exported() string { return fmt.Sprintf("127.2.%d.%d", int(b)/250, int(b)%250+1) }

// TestRoutes leads calls for random ones of 2,000 targets through one port, and through the export port for
// its 1,000, and looks where each has come out.
func TestRoutes(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("skipped: only Linux has all of 127.0.0.0/8, which this test gives to its backends")
	}
	provider := newProvider(t, "0.0.0.0", func(local string, request, reply *motan.Frame) time.Duration {
		reply.Set("served-by", local[:strings.LastIndexByte(local, ':')])
		for _, name := range []string{"M_p", "M_v", "M_g", "call"} {
			reply.SetBytes("asked-"+name, request.Get(name))
		}
		return 0
	})
	d := startMotand(t, routesYAML(provider.port))
	const connections = 4
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	load := func(port string, total int, host func(backend) string) {
		all := make([]*calls, connections)
		for n := range all {
			target := func(i int) backend {
				return backend(rand.New(rand.NewPCG(seed, uint64(n)<<32|uint64(i))).IntN(routedBackends))
			}
			all[n] = &calls{
				n: total / connections, window: 256,
				request: func(i int) *motan.Frame { return target(i).request(n, i) },
				check:   func(i int, reply *motan.Frame) error { return target(i).check(n, i, host, reply) },
			}
		}
		runAll(t, d.addr(port), all)
	}
	load("motan", scaled(300_000), backend.host)
	load("export", scaled(100_000), func(b backend) string { return (b &^ 2).exported() })
	if got := d.metric("motand_unknown_service_total"); got != 0 {
		t.Errorf("calls of unknown services: got %v, want 0", got)
	}
}

func (b backend) request(connection, i int) *motan.Frame {
	return motantest.Request(b.service(), "who", nil, "M_g", b.group(), "M_v", b.version(), "M_pp", "motan2",
		"call", fmt.Sprint(connection, "/", i))
}

func (b backend) check(connection, i int, host func(backend) string, reply *motan.Frame) error {
	want := map[string]string{
		"served-by": host(b), "asked-M_p": b.service(), "asked-M_v": b.version(), "asked-M_g": b.group(),
		"asked-call": fmt.Sprint(connection, "/", i),
	}
	got := motantest.Metadata(reply)
	for name, value := range want {
		if got[name] != value {
			return fmt.Errorf("%s is %q, want %q", name, got[name], value)
		}
	}
	return nil
}

func routesYAML(port int) string {
	var registries, refers, services strings.Builder
	for b := range backend(routedBackends) {
		fmt.Fprintf(&registries, "  r%d: {protocol: direct, address: \"%s:%d\"}\n", b, b.host(), port)
		fmt.Fprintf(&refers, "  r%d: {path: %s, group: %s, version: \"%s\", protocol: motan2, registry: r%d, requestTimeout: 30000, connectTimeout: 30000}\n",
			b, b.service(), b.group(), b.version(), b)
		if b&2 == 0 {
			fmt.Fprintf(&services, "  s%d: {path: %s, group: %s, protocol: motan2, provider: motan2, proxy: \"motan2:%d\", proxy.host: %s, "+
				"export: \"motan2:{{.export}}\", registry: none, requestTimeout: 30000, connectTimeout: 30000}\n", b, b.service(), b.group(), port, b.exported())
		}
	}
	return agentYAML + "\nmotan-registry:\n  none: {protocol: local}\n" + registries.String() +
		"motan-refer:\n" + refers.String() + "motan-service:\n" + services.String()
}
