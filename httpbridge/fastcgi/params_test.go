package fastcgi

import (
	"strings"
	"testing"
)

func TestParams(t *testing.T) {
	long := strings.Repeat("x", 70000)
	pairs := []struct{ name, value string }{{"A", ""}, {"", "b"}, {strings.Repeat("n", 127), strings.Repeat("v", 128)}, {long, long}}
	var p Params
	for range 2 {
		p.Reset()
		for _, x := range pairs {
			p.Add(x.name, x.value)
		}
		rest := p.encoded
		for _, want := range pairs {
			name, value, next, ok := cutPair(rest)
			if !ok || string(name) != want.name || string(value) != want.value {
				t.Fatalf("got %.20q=%.20q %t, want %.20q=%.20q", name, value, ok, want.name, want.value)
			}
			rest = next
		}
		if len(rest) > 0 {
			t.Errorf("%d bytes are left", len(rest))
		}
	}
}

func TestCutPairRefuses(t *testing.T) {
	for _, b := range []string{"", "\x01", "\x01\x01", "\x01\x01a", "\x80\x00\x00", "\x80\x00\x00\x01", "\xff\xff\xff\xff\xff\xff\xff\xffab"} {
		if _, _, _, ok := cutPair([]byte(b)); ok {
			t.Errorf("%q: got a pair", b)
		}
	}
}
