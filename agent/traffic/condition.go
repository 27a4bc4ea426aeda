package traffic

import (
	"net/netip"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// subject is what of a call a condition looks at.
type subject struct {
	kind  kind
	key   string // of metadata, or the place of an argument as text
	place place
}

type kind uint8

const (
	caller kind = iota
	method
	metadata
	argument
	network
)

// value returns the text that the subject is for c; ok is false where there is none. Of a network there is none.
func (s *subject) value(c *motan.Call, room *scratch) (text []byte, ok bool) {
	switch s.kind {
	case caller:
		return c.Request.Source(), true
	case method:
		return c.Request.Method(), true
	case metadata:
		text = c.Request.Get(s.key)
		return text, text != nil
	case argument:
		return s.place.of(&c.Request, room)
	}
	return nil, false
}

// condition is what a rule wants of one subject.
type condition struct {
	subject
	values   []conf.Pattern // one of them
	networks []netip.Prefix // likewise
}

// conditions are those of x.
func conditions(x *conf.TrafficRule) []condition {
	var all []condition
	if len(x.Callers) > 0 {
		all = append(all, condition{subject: subject{kind: caller}, values: x.Callers})
	}
	if len(x.Methods) > 0 {
		all = append(all, condition{subject: subject{kind: method}, values: x.Methods})
	}
	for _, m := range x.Metadata {
		all = append(all, condition{subject: subject{kind: metadata, key: m.Key}, values: m.Values})
	}
	if len(x.Networks) > 0 {
		all = append(all, condition{subject: subject{kind: network}, networks: x.Networks})
	}
	for _, m := range x.Arguments { // last: they cost most
		all = append(all, condition{subject: subject{kind: argument, key: m.Key, place: parsePlace(m.Key)}, values: m.Values})
	}
	return all
}

// holds tells whether c is as the condition wants it.
func (x *condition) holds(c *motan.Call, room *desk) bool {
	if x.kind == network {
		addr, ok := from(c)
		for _, p := range x.networks {
			if ok && p.Contains(addr) {
				return true
			}
		}
		return false
	}
	text, ok := x.value(c, room.forRule())
	if !ok {
		return false
	}
	for i := range x.values {
		if x.values[i].Match(text) {
			return true
		}
	}
	return false
}

// from is where c comes from: this host where it came over a unix socket.
func from(c *motan.Call) (netip.Addr, bool) {
	if c.Remote == "" {
		return netip.AddrFrom4([4]byte{127, 0, 0, 1}), true
	}
	addr, err := netip.ParseAddr(c.Remote)
	return addr.Unmap().WithZone(""), err == nil
}
