package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"gopkg.in/yaml.v3"
)

// maxListBytes bounds a file of nodes; 1 MiB holds about 20,000 of them.
const maxListBytes = 1 << 20

// listFile is a file of services and nodes as a whole.
type listFile struct {
	Services []listService `yaml:"services"`
}

// listService is one service in a file.
type listService struct {
	Path     string     `yaml:"path"`
	Group    string     `yaml:"group"`
	Version  string     `yaml:"version"`
	Protocol string     `yaml:"protocol"`
	Nodes    []listNode `yaml:"nodes"`
	line     int
}

// UnmarshalYAML reads a service and remembers its line.
func (s *listService) UnmarshalYAML(v *yaml.Node) error {
	type plain listService // without this method
	if v.Kind == yaml.MappingNode {
		for i := 0; i < len(v.Content); i += 2 {
			switch k := v.Content[i]; k.Value {
			case "path", "group", "version", "protocol", "nodes":
			default:
				return fmt.Errorf("line %d: unknown key %q: a service has path, group, version, protocol and nodes", k.Line, k.Value)
			}
		}
	}
	if err := v.Decode((*plain)(s)); err != nil {
		return err
	}
	s.line = v.Line
	return nil
}

// listNode is one node in a file: "host:port", or a mapping with address and parameters.
type listNode struct {
	host   string
	port   int
	params map[string]string
}

// UnmarshalYAML reads either form. Values are taken as they are written: 1.10 stays "1.10".
func (n *listNode) UnmarshalYAML(v *yaml.Node) error {
	address := ""
	switch v.Kind {
	case yaml.ScalarNode:
		address = v.Value
	case yaml.MappingNode:
		n.params = make(map[string]string, len(v.Content)/2)
		for i := 0; i < len(v.Content); i += 2 {
			key, value := v.Content[i], v.Content[i+1]
			switch {
			case value.Kind != yaml.ScalarNode:
				return fmt.Errorf("line %d: %s: a parameter of a node is one text or number", value.Line, key.Value)
			case key.Value == "address":
				address = value.Value
			default:
				n.params[key.Value] = value.Value
			}
		}
	default:
		return fmt.Errorf("line %d: a node is host:port, or a mapping with address", v.Line)
	}
	var err error
	n.host, n.port, err = ParseAddr(address)
	if err == nil && n.port == 0 && !strings.HasPrefix(n.host, unixScheme) {
		err = errors.New("it has no port")
	}
	if err != nil {
		return fmt.Errorf("line %d: address %.100q: %w", v.Line, address, err)
	}
	return nil
}

// readList reads the bytes of a file of nodes, at most maxListBytes.
func readList(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	data, err := io.ReadAll(io.LimitReader(f, maxListBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxListBytes {
		return nil, fmt.Errorf("it is larger than the %d bytes allowed; split it", maxListBytes)
	}
	return data, nil
}

// parseList turns the text of a file of nodes into lists.
func parseList(data []byte) (map[serviceKey][]Node, error) {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, errors.New("it is empty; write \"services: []\" to say that there are none")
	}
	d := yaml.NewDecoder(bytes.NewReader(data))
	d.KnownFields(true)
	var file listFile
	if err := d.Decode(&file); err != nil {
		return nil, err
	}
	if err := d.Decode(&yaml.Node{}); !errors.Is(err, io.EOF) {
		return nil, errors.New("it has more than one document; put everything into the first")
	}
	lists := make(map[serviceKey][]Node, len(file.Services))
	for _, s := range file.Services {
		k := serviceKey{s.Group, s.Path}
		if s.Path == "" {
			return nil, fmt.Errorf("line %d: a service without path", s.line)
		}
		if _, ok := lists[k]; ok {
			return nil, fmt.Errorf("line %d: service %s of group %q is there twice; put its nodes together", s.line, s.Path, s.Group)
		}
		nodes, err := s.list()
		if err != nil {
			return nil, err
		}
		lists[k] = nodes
	}
	return lists, nil
}

// list returns the nodes of s as the registry hands them out.
func (s listService) list() ([]Node, error) {
	nodes := make([]Node, 0, len(s.Nodes))
	seen := make(map[NodeKey]bool, len(s.Nodes))
	for _, l := range s.Nodes {
		n := Node{
			Service:   Service{Group: s.Group, Path: s.Path, Version: s.Version, Protocol: s.Protocol},
			Host:      l.host,
			Port:      l.port,
			Params:    l.params,
			Available: true,
		}
		if v := l.params["version"]; v != "" {
			n.Version = v
		}
		if p := l.params["protocol"]; p != "" {
			n.Protocol = p
		}
		if n.Protocol == "" {
			n.Protocol = "motan2"
		}
		delete(n.Params, "protocol")
		if len(n.Params) == 0 {
			n.Params = nil
		}
		if seen[n.Key()] {
			return nil, fmt.Errorf("line %d: service %s: node %s is there twice", s.line, s.Path, n.Addr())
		}
		seen[n.Key()] = true
		nodes = append(nodes, n)
	}
	return nodes, nil
}
