package motango

import (
	"maps"
	"net"
	"strconv"

	"github.com/weibocom/motan-go/core"
)

// url is what motan-go would give a filter for a node: every key of the entry is a parameter.
func (f *filter) url(address string) *core.URL {
	s := f.settings
	params := make(map[string]string, len(s.Params)+2)
	maps.Copy(params, s.Params)
	params[core.ApplicationKey] = s.Application
	if params[core.URLConfKey] == "" {
		params[core.URLConfKey] = s.ID
	}
	u := &core.URL{Protocol: "motan2", Path: s.Service, Group: s.Group, Parameters: params}
	if host, port, err := net.SplitHostPort(address); err == nil {
		u.Host = host
		u.Port, _ = strconv.Atoi(port) // 0 where it is none
	}
	return u
}
