// Package motantest has the two peers that tests of Motan2 need: [Server], a provider that
// answers by a function and remembers the bytes that came, and [Client], a caller that
// writes and reads frames one by one.
//
// Neither uses motan's own server or connection, so that a test of those is not a test of
// something against itself. They are simple rather than fast, and end with their test.
package motantest

import (
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// Patience is how long anything here waits before it fails the test.
const Patience = time.Minute

// Request returns a request of the service's method with the body, in the simple
// serialization, and the metadata given as key, value, key, value …
func Request(service, method string, body []byte, pairs ...string) *motan.Frame {
	f := new(motan.Frame)
	f.SetSerialization(motan.SerializeSimple)
	f.Set("M_p", service)
	f.Set("M_m", method)
	setPairs(f, pairs)
	f.SetBody(body)
	return f
}

// Bytes is f as it goes onto the wire with the id.
func Bytes(f *motan.Frame, id uint64) []byte { return f.AppendTo(nil, id, f.Type) }

// Metadata is f's metadata as a map.
func Metadata(f *motan.Frame) map[string]string {
	pairs := make(map[string]string)
	for name, value := range f.All() {
		pairs[string(name)] = string(value)
	}
	return pairs
}

// Await polls until condition holds and fails the test when it does not within Patience.
func Await(t testing.TB, what string, condition func() bool) {
	t.Helper()
	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-tick.C:
		case <-timeout.C:
			t.Fatalf("waited %s in vain: %s", Patience, what)
		}
	}
}

func setPairs(f *motan.Frame, pairs []string) {
	for i := 0; i+1 < len(pairs); i += 2 {
		f.Set(pairs[i], pairs[i+1])
	}
}
