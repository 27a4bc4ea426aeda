package registry

import (
	"errors"
	"fmt"
	"maps"
	"strings"
)

const (
	// defaultNodePort is the port of a node whose name has none and whose text is empty; motan-go and Java agree on it.
	defaultNodePort = 80
	// maxRegisteredValue bounds one value in what we register: other agents keep all of it in memory.
	maxRegisteredValue = 4 << 10
)

// ParseNode reads one entry of a provider list: name is its name in the list ("host:port"), text what is stored there
// in any form that ParseURL reads, s the service whose list it is. Group and path of the node are those of s. Empty text
// means that the name is all there is to know.
func ParseNode(s Service, name, text string) (Node, error) {
	n := Node{Service: Service{Group: s.Group, Path: s.Path, Protocol: s.Protocol}}
	u, err := ParseURL(text)
	if errors.Is(err, ErrNoURL) {
		return n, n.setName(name)
	}
	if err != nil {
		return Node{}, err
	}
	if service, _, _ := strings.Cut(u.Path, "/"); u.Path != "" && service != s.Path && u.Path != s.Path {
		return Node{}, fmt.Errorf("registry: parse node %q: it describes service %.100q, not %q", name, u.Path, s.Path)
	}
	n.Protocol, n.Host, n.Port, n.Params = u.Protocol, u.Host, u.Port, u.Params
	n.Version = u.Params["version"]
	if n.Port == 0 && !strings.HasPrefix(n.Host, unixScheme) {
		return Node{}, fmt.Errorf("registry: parse node %q: the URL has no port", name)
	}
	return n, nil
}

// setName takes host and port from the name of an entry.
func (n *Node) setName(name string) error {
	host, port, rest, err := splitAddress(name)
	if err != nil || rest != "" {
		return fmt.Errorf("registry: parse node: it has no URL, and its name %.100q is not host:port", name)
	}
	n.Host, n.Port = host, port
	if port == 0 && !strings.HasPrefix(host, unixScheme) {
		n.Port = defaultNodePort
	}
	if n.Protocol == "" {
		n.Protocol = "motan2"
	}
	return nil
}

// ParseAddr reads "host:port", "[v6]:port" or "unix:///path"; a host without a port has port 0.
func ParseAddr(text string) (host string, port int, err error) {
	host, port, rest, err := splitAddress(text)
	if err == nil && rest != "" {
		err = fmt.Errorf("%q follows the port", "/"+rest)
	}
	if err != nil {
		return "", 0, fmt.Errorf("registry: parse address %.100q: %w", text, err)
	}
	return host, port, nil
}

// URL returns what a registry stores about n. Version ("1.0" when n has none) and nodeType are always there, as Java
// demands them. Parameters whose value another implementation's reader would take apart or not understand (with "://",
// "%", "?", control characters, or longer than 4 KiB) are left out.
func (n Node) URL() URL {
	u := URL{Protocol: n.Protocol, Host: n.Host, Port: n.Port, Path: n.Path, Group: n.Group}
	u.Params = make(map[string]string, len(n.Params)+2)
	maps.Copy(u.Params, n.Params)
	maps.DeleteFunc(u.Params, func(k, v string) bool { return k == "" || k == "group" || !registrable(k) || !registrable(v) })
	if n.Version != "" {
		u.Params["version"] = n.Version
	}
	if u.Params["version"] == "" {
		u.Params["version"] = "1.0"
	}
	if u.Params["nodeType"] == "" {
		u.Params["nodeType"] = "service"
	}
	return u
}

func registrable(s string) bool {
	return len(s) <= maxRegisteredValue && !strings.Contains(s, "://") && !strings.ContainsAny(s, "%?") &&
		!strings.ContainsFunc(s, isControl)
}

// Text returns what a registry stores about n, as text. The error says what about n cannot be written, or that it is
// longer than others can be expected to read.
func (n Node) Text() (string, error) {
	if err := checkHost(n.Host); err != nil {
		return "", fmt.Errorf("registry: write node: %w", err)
	}
	if n.Path == "" || strings.ContainsAny(n.Path, "/?&=%") || strings.ContainsFunc(n.Path, isControl) {
		return "", fmt.Errorf("registry: write node: service %.100q: a path has no / ? & = %% and is not empty", n.Path)
	}
	if !validScheme(n.Protocol) {
		return "", fmt.Errorf("registry: write node: protocol %.60q is not a name", n.Protocol)
	}
	if n.Port < 0 || n.Port > 65535 {
		return "", fmt.Errorf("registry: write node: port %d is not a number from 0 to 65535", n.Port)
	}
	u := n.URL()
	if len(u.Params) > maxURLParams {
		return "", fmt.Errorf("registry: write node %s: %d parameters are more than the %d allowed", n.Addr(), len(u.Params), maxURLParams)
	}
	text := AppendURL(nil, u)
	if len(text) > maxURLBytes {
		return "", fmt.Errorf("registry: write node %s: %d bytes of text are more than the %d allowed", n.Addr(), len(text), maxURLBytes)
	}
	return string(text), nil
}
