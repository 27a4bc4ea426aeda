package filters

import (
	"net/netip"
	"strings"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// ACL says who may call a service: by the calling application (M_s) and by the address that
// the call comes from. What is denied is refused, whatever is allowed; where there is a list
// of what is allowed, everything else is refused; both the application and the address have
// to be. A refused call ends with errcode 403.
//
// An application is what its caller says: it keeps mistakes out, not attackers. The address is
// that of the connection: behind another agent it is the agent's. Calls over a unix socket
// have none; they count as 127.0.0.1.
//
// Settings, also of one method:
//   - acl.allow, acl.deny: applications, with * at the end for all that begin so
//   - acl.allowIP, acl.denyIP: addresses or networks, such as 10.1.0.0/16
//
// Metrics: motand_filter_calls_total with the result refused. If it ever failed to work, no
// call would pass.
//
// Example:
//
//	motan-service:
//	  echo:
//	    path: com.example.EchoService
//	    group: demo
//	    export: "motan2:9982"
//	    proxy: "motan2:8100"
//	    filter: "acl"
//	    acl.allow: "shop-web,shop-job-*"
//	    acl.allowIP: "10.1.0.0/16"
//	    drop().acl.allow: "shop-admin"
type ACL struct {
	knobs[byMethod[aclSettings]]
	state *aclState
}

type aclSettings struct {
	allow, deny     []string
	allowIP, denyIP []netip.Prefix
}

type aclState struct {
	override[byMethod[aclSettings]]
	refused atomic.Int64
}

func (s *aclState) report(count func(string, int64), _ func(string, float64)) {
	count("refused", s.refused.Load())
}

var (
	_ motan.Filter = (*ACL)(nil)
	_ Essential    = (*ACL)(nil)
)

// NewACL is the filter "acl".
func NewACL(s Settings) (motan.Filter, error) {
	if err := s.check("acl"); err != nil {
		return nil, err
	}
	f := &ACL{state: shared[aclState](s, "acl")}
	var err error
	f.knobs, err = newKnobs(s, &f.state.override, func(p *params) *byMethod[aclSettings] {
		return readMethods(p, func(p *params) aclSettings {
			return aclSettings{
				allow: p.list("acl.allow"), deny: p.list("acl.deny"),
				allowIP: p.prefixes("acl.allowIP"), denyIP: p.prefixes("acl.denyIP"),
			}
		}, "acl.allow", "acl.deny", "acl.allowIP", "acl.denyIP")
	})
	return f, err
}

// prefixes reads a list of addresses and networks.
func (p *params) prefixes(key string) []netip.Prefix {
	_, written := p.look(key)
	var all []netip.Prefix
	for _, item := range p.list(key) {
		prefix, err := netip.ParsePrefix(item)
		if addr, e := netip.ParseAddr(item); e == nil {
			addr = addr.Unmap().WithZone("")
			prefix, err = netip.PrefixFrom(addr, addr.BitLen()), nil
		}
		if err != nil {
			p.fail(written, "%.80q is neither an address nor a network such as 10.1.0.0/16", item)
			continue
		}
		all = append(all, prefix)
	}
	return all
}

// Essential tells that no call may pass without it.
func (*ACL) Essential() {}

var errForbidden = motan.Errorf(motan.KindRefused, 403, "the caller may not call this")

// Request refuses who may not call.
func (f *ACL) Request(c *motan.Call) motan.Verdict {
	if f.get().of(c).admits(c) {
		return motan.Next
	}
	f.state.refused.Add(1)
	c.Err = errForbidden
	return motan.Answered
}

func (x *aclSettings) admits(c *motan.Call) bool {
	if len(x.allow) > 0 || len(x.deny) > 0 {
		caller := c.Request.Source()
		if named(x.deny, caller) || len(x.allow) > 0 && !named(x.allow, caller) {
			return false
		}
	}
	if len(x.allowIP) == 0 && len(x.denyIP) == 0 {
		return true
	}
	addr := local
	if c.Remote != "" {
		parsed, err := netip.ParseAddr(c.Remote)
		if err != nil {
			return false
		}
		addr = parsed.Unmap().WithZone("")
	}
	return !within(x.denyIP, addr) && (len(x.allowIP) == 0 || within(x.allowIP, addr))
}

var local = netip.AddrFrom4([4]byte{127, 0, 0, 1})

func named(list []string, caller []byte) bool {
	for _, name := range list {
		if begin, ok := strings.CutSuffix(name, "*"); ok && len(caller) >= len(begin) && string(caller[:len(begin)]) == begin {
			return true
		}
		if name == string(caller) {
			return true
		}
	}
	return false
}

func within(list []netip.Prefix, addr netip.Addr) bool {
	for _, p := range list {
		if p.Contains(addr) {
			return true
		}
	}
	return false
}

// Reply does nothing.
func (*ACL) Reply(*motan.Call) {}
