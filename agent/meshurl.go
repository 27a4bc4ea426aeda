package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// meshURL is a Motan URL as JSON: what programs whose registry is this agent (mesh in motan-go,
// weibomesh in Java) send and are answered with, and how it is kept on disk (motan protocol,
// section 7.7).
type meshURL struct {
	Protocol   string            `json:"protocol"`
	Host       string            `json:"host"`
	Port       int               `json:"port"`
	Path       string            `json:"path"`
	Group      string            `json:"group"`
	Parameters map[string]string `json:"parameters"`
}

const (
	maxMeshBody   = 32 << 10 // bytes of a request; the longest seen in the field is about 2 KiB
	maxMeshName   = 256      // bytes of a path or a group
	maxMeshGroups = 64       // of one request
)

// agentFilterPrefix marks those filters of a program's URL that are meant for the agent.
const agentFilterPrefix = "af_"

// errNoProxyRegistry is motan-go's answer for a URL that names no registry of the agent.
var errNoProxyRegistry = errors.New("registry not found")

// readMeshURL reads what a program has sent. Errors of JSON are in the words of motan-go, whose
// type is named URL.
func readMeshURL(r io.Reader) (meshURL, error) {
	body, err := io.ReadAll(r)
	if err != nil {
		return meshURL{}, fmt.Errorf("read the request: %w", err)
	}
	type URL meshURL
	var u URL
	if err := json.Unmarshal(body, &u); err != nil {
		return meshURL{}, err
	}
	if u.Parameters == nil {
		u.Parameters = map[string]string{}
	}
	if u.Group == "" {
		u.Group = u.Parameters["group"]
		delete(u.Parameters, "group")
	}
	return meshURL(u), nil
}

// in is u for one group and registry, with the filters that are meant for the agent.
func (u meshURL) in(group, registryID string) meshURL {
	u.Group = group
	u.Parameters = maps.Clone(u.Parameters)
	u.Parameters["registry"] = registryID
	var own []string
	for name := range strings.SplitSeq(u.Parameters["filter"], ",") {
		if name, ok := strings.CutPrefix(strings.TrimSpace(name), agentFilterPrefix); ok && name != "" {
			own = append(own, strings.TrimSpace(name))
		}
	}
	if len(own) > 0 {
		u.Parameters["filter"] = strings.Join(own, ",")
	}
	return u
}

// check refuses what no registry could hold.
func (u meshURL) check() error {
	for what, text := range map[string]string{"path": u.Path, "group": u.Group} {
		if len(text) > maxMeshName {
			return fmt.Errorf("the %s has %d bytes, more than the %d allowed", what, len(text), maxMeshName)
		}
	}
	if strings.ContainsAny(u.Group, "/?&=% \t\r\n\x00") {
		return fmt.Errorf("group %q: a group has no / ? & = %% and no blanks", u.Group)
	}
	params := maps.Clone(u.Parameters)
	delete(params, "path")
	node := registry.Node{Host: "127.0.0.1", Port: 1, Params: params}
	node.Service = registry.Service{Group: u.Group, Path: u.Path, Protocol: u.Protocol}
	_, err := node.Text()
	return err
}

// proxyRegistry finds the registry of c that stands behind the agent for u: the one with the
// protocol, host and port of proxyRegistry or else of proxyRegistryUrlString. Of a registry
// with several addresses each will do.
func (u meshURL) proxyRegistry(c *conf.Config) (id string, err error) {
	if text := u.Parameters["proxyRegistry"]; text != "" {
		if id := registryAt(c, text); id != "" {
			return id, nil
		}
	}
	if text, err := url.QueryUnescape(u.Parameters["proxyRegistryUrlString"]); err == nil && text != "" {
		if id := registryAt(c, text); id != "" {
			return id, nil
		}
	}
	return "", errNoProxyRegistry
}

// registryAt is the id of the first registry with the protocol, host and port of a URL.
func registryAt(c *conf.Config, text string) string {
	x, err := registry.ParseURL(text)
	if err != nil {
		return ""
	}
	if x.Protocol == "local" { // there is one, wherever it says that it is
		if i := slices.IndexFunc(c.Registries, func(r *conf.Registry) bool { return r.Protocol == "local" }); i >= 0 {
			return c.Registries[i].ID
		}
	}
	addr := registry.Node{Host: x.Host, Port: x.Port}.Addr()
	for _, r := range c.Registries {
		if plainProtocol(r.Protocol) == plainProtocol(x.Protocol) && slices.ContainsFunc(r.Address, func(a string) bool {
			hostPort, _, _ := strings.Cut(a, "/") // what follows is the chroot of ZooKeeper
			return a == addr || hostPort == addr
		}) {
			return r.ID
		}
	}
	return ""
}

// plainProtocol gives one name for the two of ZooKeeper.
func plainProtocol(name string) string {
	if name == "zk" {
		return "zookeeper"
	}
	return name
}

// meshKey tells what programs have asked for apart: what is asked for again replaces what was.
type meshKey struct{ group, path, protocol, version, registry string }

func (u meshURL) serviceKey() meshKey {
	return meshKey{group: u.Group, path: u.Path, registry: u.Parameters["registry"]}
}

func (u meshURL) referKey() meshKey {
	return meshKey{group: u.Group, path: u.Path, protocol: u.Protocol, version: u.Parameters["version"]}
}

// asProvider notes that the port of u is that of the program's own server.
func (u meshURL) asProvider() meshURL {
	u.Parameters = maps.Clone(u.Parameters)
	u.Parameters["proxy"] = u.Protocol + ":" + strconv.Itoa(u.Port)
	return u
}

// asService puts this host and its export port into u, as motan-go does for what a program serves.
func (u meshURL) asService(c *conf.Config, localIP string) meshURL {
	u.Parameters = maps.Clone(u.Parameters)
	u.Parameters["export"] = conf.ProtocolPort{Protocol: u.Protocol, Port: c.Agent.ExportPort}.String()
	u.Host, u.Port = localIP, c.Agent.ExportPort
	return u
}

// asRefer completes u as motan-go does for what a program calls.
func (u meshURL) asRefer() meshURL {
	u.Host, u.Port = "", 0
	return u
}

// shown is u with what the configuration has added, as motan-go lists it.
func (u meshURL) shown(e *conf.Entry) meshURL {
	u.Parameters = maps.Clone(u.Parameters)
	u.Parameters["application"] = e.Application
	if len(e.Filters) > 0 {
		u.Parameters["filter"] = strings.Join(e.Filters, ",")
	}
	return u
}
