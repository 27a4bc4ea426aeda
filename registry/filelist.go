package registry

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
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
	Path, Group, Version, Protocol string
	Nodes                          []listNode
	line                           int
}

// UnmarshalYAML reads a service and remembers its line. It takes the nodes one by one: for ten thousand of them the decoder
// takes as long as for reading the text.
func (s *listService) UnmarshalYAML(v *yaml.Node) error {
	if v.Kind != yaml.MappingNode {
		return fmt.Errorf("line %d: a service is a mapping with path, group, version, protocol and nodes", v.Line)
	}
	s.line = v.Line
	seen := make(map[string]bool, len(v.Content)/2)
	for i := 0; i < len(v.Content); i += 2 {
		k, value := v.Content[i], v.Content[i+1]
		if seen[k.Value] {
			return fmt.Errorf("line %d: %s is there twice", k.Line, k.Value)
		}
		seen[k.Value] = true
		var err error
		switch k.Value {
		case "path":
			err = value.Decode(&s.Path)
		case "group":
			err = value.Decode(&s.Group)
		case "version":
			err = value.Decode(&s.Version)
		case "protocol":
			err = value.Decode(&s.Protocol)
		case "nodes":
			err = s.readNodes(value)
		default:
			err = fmt.Errorf("line %d: unknown key %q: a service has path, group, version, protocol and nodes", k.Line, k.Value)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// readNodes reads the list of nodes.
func (s *listService) readNodes(v *yaml.Node) error {
	if v = named(v); v.Kind != yaml.SequenceNode {
		return v.Decode(&s.Nodes) // null, or an error
	}
	s.Nodes = make([]listNode, len(v.Content))
	for i, n := range v.Content {
		if err := s.Nodes[i].UnmarshalYAML(named(n)); err != nil {
			return err
		}
	}
	return nil
}

// named returns what v stands for where it is the name of another one.
func named(v *yaml.Node) *yaml.Node {
	if v.Kind == yaml.AliasNode {
		return v.Alias
	}
	return v
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

// readList reads the bytes of a file of nodes, at most maxListBytes, into the memory of space, which may be nil.
func readList(path string, space []byte) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if st, err := f.Stat(); err == nil {
		space = slices.Grow(space[:0], int(min(st.Size(), maxListBytes))+bytes.MinRead) // so that it is read with one reading
	}
	data := bytes.NewBuffer(space[:0])
	if _, err := data.ReadFrom(io.LimitReader(f, maxListBytes+1)); err != nil {
		return nil, err
	}
	if data.Len() > maxListBytes {
		return nil, fmt.Errorf("it is larger than the %d bytes allowed; split it", maxListBytes)
	}
	return data.Bytes(), nil
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
		nodes = append(nodes, n)
	}
	sortNodes(nodes)
	for i := range nodes {
		if i > 0 && nodes[i].Key() == nodes[i-1].Key() {
			return nil, fmt.Errorf("line %d: service %s: node %s is there twice", s.line, s.Path, nodes[i].Addr())
		}
	}
	return nodes, nil
}
