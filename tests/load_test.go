package tests

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// randomBytes are what bodies are cut from: making new ones for each call would cost more than the calls.
type randomBytes []byte

func newRandomBytes(size int) randomBytes {
	var seed [32]byte
	source := rand.NewChaCha8(seed)
	data := make([]byte, size)
	_, _ = source.Read(data) // never fails
	return data
}

// cut returns a part of 0 to most bytes that r chooses.
func (b randomBytes) cut(r *rand.Rand, most int) []byte {
	n := r.IntN(most + 1)
	from := r.IntN(len(b) - n + 1)
	return b[from : from+n]
}

// twoHosts are an agent for callers and an agent for the provider: A -> B -> provider.
type twoHosts struct{ a, b *daemon }

func startTwoHosts(t testing.TB, p *provider) twoHosts {
	t.Helper()
	b := startMotand(t, exportYAML(p.port, "here", "{protocol: local}"))
	patient := strings.Replace(outboundYAML("com.example.Both", b.addr("export")), "accessLog: off", "accessLog: off\n  gracePeriod: 40000", 1)
	return twoHosts{a: startMotand(t, patient), b: b}
}

// exportYAML exports the service com.example.Both from the provider's port, announced in one registry.
func exportYAML(port int, registry, settings string) string {
	return agentYAML + `  gracePeriod: 40000
motan-registry:
  ` + registry + `: ` + settings + `
motan-service:
  both:
    path: com.example.Both
    group: demo
    protocol: motan2
    provider: motan2
    proxy: motan2:` + strconv.Itoa(port) + `
    export: motan2:{{.export}}
    registry: ` + registry + `
    requestTimeout: 30000
    connectTimeout: 10000
    serialization: simple
    available: auto
`
}

// TestLoadOverTwoHosts holds that 1,000 calls at once, with bodies of up to 1 MiB, are all answered with what
// they sent, and that both agents end up with nothing in flight and with counts that agree.
func TestLoadOverTwoHosts(t *testing.T) {
	p := newProvider(t, "127.0.0.1", echo)
	hosts := startTwoHosts(t, p)
	const connections, window = 125, 8
	mostBytes := 1 << 20
	if raced { // it would take minutes of two processors, and whoever waits so long runs into time-outs
		mostBytes = 128 << 10
	}
	bodies, seed := newRandomBytes(4<<20), rand.Uint64()
	t.Logf("seed %d", seed)
	total := 0
	all := make([]*calls, connections)
	for n := range all {
		body := func(i int) []byte {
			return bodies.cut(rand.New(rand.NewPCG(seed, uint64(n)<<32|uint64(i))), mostBytes)
		}
		all[n] = &calls{
			n: 20, window: window,
			request: func(i int) *motan.Frame {
				return motantest.Request("com.example.Both", "echo", body(i), "M_g", "demo")
			},
			check: func(i int, reply *motan.Frame) error {
				if want := body(i); !bytes.Equal(reply.Body(), want) {
					return fmt.Errorf("answer of %d bytes is not the %d sent", len(reply.Body()), len(want))
				}
				return nil
			},
		}
		total += all[n].n
	}
	runAll(t, hosts.a.addr("motan"), all)
	for _, x := range []struct {
		name, listener string
		d              *daemon
	}{{"A", "motan", hosts.a}, {"B", "export", hosts.b}} {
		for _, figure := range []string{"motand_requests_total", "motand_answers_total"} {
			if got := x.d.metric(figure, "listener", x.listener); got != float64(total) {
				t.Errorf("%s of %s: got %v, want %d", figure, x.name, got, total)
			}
		}
		if got := x.d.metric("motand_requests_in_flight") + x.d.metric("motand_upstream_in_flight"); got != 0 {
			t.Errorf("in flight at %s after the load: got %v, want 0", x.name, got)
		}
		// Half a gigabyte is what the calls under way hold by themselves.
		t.Logf("%s: %d MiB resident, %d MiB at most", x.name, x.d.rss()>>20, x.d.peakRSS()>>20)
		if peak := x.d.peakRSS(); !raced && peak > 1<<30 {
			t.Errorf("%s held %d MiB, want at most 1024", x.name, peak>>20)
		}
	}
}
