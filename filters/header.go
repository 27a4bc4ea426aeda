package filters

import (
	"strings"

	"github.com/motand/motand/motan"
)

// Header changes the metadata of calls and of their answers: what a provider is told of
// its caller's surroundings, and what a caller is told of the provider's. Pairs that the
// protocol itself uses (M_p, M_g, M_tmo and so on) are left alone, but for M_s and M_mdu.
//
// Settings, also of one method; each is done in this order:
//   - header.remove: names
//   - header.rename: old=new; a name that is there already is replaced
//   - header.add: name=value, where the name is not there
//   - header.set: name=value, whether it is there or not
//   - header.replyRemove, header.replySet: the same for answers
//
// Metrics: none.
//
// Example:
//
//	motan-refer:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    registry: direct
//	    filter: "header"
//	    header.set: "zone=north"
//	    header.add: "priority=low"
//	    header.remove: "debug"
//	    header.replyRemove: "x-internal-host"
type Header struct {
	knobs[byMethod[headerSettings]]
}

type headerSettings struct {
	remove      []string
	rename      [][2]string
	add         [][2]string
	set         [][2]string
	replyRemove []string
	replySet    [][2]string
}

var _ motan.Filter = (*Header)(nil)

type headerState struct {
	override[byMethod[headerSettings]]
}

// NewHeader is the filter "header".
func NewHeader(s Settings) (motan.Filter, error) {
	if err := s.check("header"); err != nil {
		return nil, err
	}
	f := new(Header)
	var err error
	f.knobs, err = newKnobs(s, &shared[headerState](s, "header").override, func(p *params) *byMethod[headerSettings] {
		return readMethods(p, readHeader, "header.remove", "header.rename", "header.add", "header.set", "header.replyRemove", "header.replySet")
	})
	return f, err
}

func readHeader(p *params) headerSettings {
	x := headerSettings{
		remove: p.list("header.remove"), rename: p.pairs("header.rename"), add: p.pairs("header.add"), set: p.pairs("header.set"),
		replyRemove: p.list("header.replyRemove"), replySet: p.pairs("header.replySet"),
	}
	free := func(key string, names ...string) {
		_, written := p.look(key)
		for _, name := range names {
			if strings.HasPrefix(name, "M_") && name != "M_s" && name != "M_mdu" {
				p.fail(written, "%.80q belongs to the protocol and cannot be changed", name)
			}
			if len(name) > maxNameBytes {
				p.fail(written, "%.80q is longer than %d bytes", name, maxNameBytes)
			}
		}
	}
	free("header.remove", x.remove...)
	free("header.replyRemove", x.replyRemove...)
	for _, pair := range x.rename {
		free("header.rename", pair[0], pair[1])
	}
	for key, pairs := range map[string][][2]string{"header.add": x.add, "header.set": x.set, "header.replySet": x.replySet} {
		for _, pair := range pairs {
			free(key, pair[0])
		}
	}
	return x
}

// Request changes what the provider is told.
func (f *Header) Request(c *motan.Call) motan.Verdict {
	x, q := f.get().of(c), &c.Request
	for _, name := range x.remove {
		q.Del(name)
	}
	for _, pair := range x.rename {
		if value := q.Get(pair[0]); value != nil {
			q.SetBytes(pair[1], value)
			q.Del(pair[0])
		}
	}
	for _, pair := range x.add {
		if q.Get(pair[0]) == nil {
			q.Set(pair[0], pair[1])
		}
	}
	for _, pair := range x.set {
		q.Set(pair[0], pair[1])
	}
	return motan.Next
}

// Reply changes what the caller is told.
func (f *Header) Reply(c *motan.Call) {
	x := f.get().of(c)
	for _, name := range x.replyRemove {
		c.Reply.Del(name)
	}
	for _, pair := range x.replySet {
		c.Reply.Set(pair[0], pair[1])
	}
}
