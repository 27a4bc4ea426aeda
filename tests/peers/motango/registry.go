package main

import (
	"fmt"
	"net"
	"net/url"
	"strconv"

	"github.com/weibocom/motan-go/core"
)

// registryID is the name under which the one registry of a process is known to motan-go.
const registryID = "registry"

// parseRegistry turns "direct://host:port", "zookeeper://host:port" or "mesh://host:port?proxyRegistry=..." (the management
// port of an agent, and the registry behind it) into motan-go's URL of a registry.
func parseRegistry(s string) (*core.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, fmt.Errorf("registry %q: %w", s, err)
	}
	parameters := map[string]string{core.TimeOutKey: "5000"}
	switch u.Scheme {
	case "direct", "zookeeper":
	case "mesh":
		if parameters[core.ProxyRegistryKey] = u.Query().Get(core.ProxyRegistryKey); parameters[core.ProxyRegistryKey] == "" {
			return nil, fmt.Errorf("registry %q: want ?%s=zookeeper://host:port after the address of the agent", s, core.ProxyRegistryKey)
		}
	default:
		return nil, fmt.Errorf("registry %q: want direct://host:port, zookeeper://host:port or mesh://host:port", s)
	}
	host, port, err := splitAddr(u.Host)
	if err != nil {
		return nil, fmt.Errorf("registry %q: %w", s, err)
	}
	return &core.URL{
		Protocol:   u.Scheme,
		Host:       host,
		Port:       port,
		Parameters: parameters,
	}, nil
}

// splitAddr splits "host:port"; the host must not be empty.
func splitAddr(addr string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("want host:port: %w", err)
	}
	if host == "" {
		return "", 0, fmt.Errorf("address %q: the host is missing", addr)
	}
	port, err = strconv.Atoi(text)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("address %q: the port must be 1 to 65535", addr)
	}
	return host, port, nil
}
