package registry

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"maps"
)

const (
	// maxSnapshotBytes bounds what is read from one file: 10,000 nodes of 1 KiB and some room.
	maxSnapshotBytes = 16 << 20
	// maxFileName is what a file name is cut to, with a checksum, so that it and its endings fit into the 255 bytes of disks.
	maxFileName = 220
)

// snapshot is the list of a service on disk, exactly as motan-go writes it and as PHP and Lua clients read it (motan
// protocol, section 5.5).
type snapshot struct {
	Group string          `json:"group"`
	Path  string          `json:"path"`
	Nodes json.RawMessage `json:"nodes"`
}

// snapshotNode is one node on disk. ExtInfo is the text of its URL; motan-go leaves it empty.
type snapshotNode struct {
	ExtInfo string `json:"extInfo"`
	Address string `json:"address"`
}

// workingNodes is the other form of the list that PHP clients accept.
type workingNodes struct {
	Working []struct {
		Host string `json:"host"`
	} `json:"working"`
}

// snapshotName returns the file name for a service: "<group>_<service>", the name by which PHP clients look for it.
func snapshotName(k serviceKey) string {
	return cut(escape(k.group+"_"+k.path, '/'))
}

// escape percent-encodes what could leave the folder or hide in it, and also.
func escape(text string, also byte) string {
	var out []byte // nil while nothing was to be escaped
	for i := range len(text) {
		c := text[i]
		special := c == '/' || c == '\\' || c == '%' || c < ' ' || c == 0x7f || c == also || (c == '.' && i == 0)
		if special && out == nil {
			out = append(make([]byte, 0, len(text)+8), text[:i]...)
		}
		switch {
		case special:
			out = fmt.Appendf(out, "%%%02X", c)
		case out != nil:
			out = append(out, c)
		}
	}
	if out == nil {
		return text
	}
	return string(out)
}

// cut shortens a name that is too long for a file; what is cut off still tells it from others.
func cut(name string) string {
	if len(name) <= maxFileName {
		return name
	}
	sum := sha256.Sum256([]byte(name))
	return fmt.Sprintf("%s~%x", name[:maxFileName-17], sum[:8])
}

// encodeSnapshot returns the file's bytes. Only available nodes are in nodes.
func encodeSnapshot(k serviceKey, nodes []Node) ([]byte, error) {
	list := make([]snapshotNode, 0, len(nodes))
	for _, n := range nodes {
		u := URL{Protocol: n.Protocol, Host: n.Host, Port: n.Port, Path: n.Path, Group: n.Group, Params: n.Params}
		if n.Version != "" && n.Params["version"] != n.Version {
			u.Params = maps.Clone(u.Params)
			if u.Params == nil {
				u.Params = make(map[string]string, 1)
			}
			u.Params["version"] = n.Version
		}
		list = append(list, snapshotNode{ExtInfo: string(AppendURL(nil, u)), Address: n.Addr()})
	}
	raw, err := json.Marshal(list)
	if err != nil {
		return nil, fmt.Errorf("registry: write snapshot of %s: %w", k.path, err)
	}
	return json.Marshal(snapshot{Group: k.group, Path: k.path, Nodes: raw})
}

// decodeSnapshot reads what encodeSnapshot, motan-go or PHP's tools wrote about s. A node that cannot be read spoils only
// itself; the error is for a file of which none can be read or that belongs to another service. A list of nobody is none.
func decodeSnapshot(s Service, data []byte) ([]Node, error) {
	var file snapshot
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	if (file.Path != "" && file.Path != s.Path) || (file.Group != "" && file.Group != s.Group) {
		return nil, fmt.Errorf("it holds service %.100q of group %.100q", file.Path, file.Group)
	}
	var list []snapshotNode
	if err := json.Unmarshal(file.Nodes, &list); err != nil {
		var other workingNodes
		if json.Unmarshal(file.Nodes, &other) != nil {
			return nil, fmt.Errorf("its nodes: %w", err)
		}
		for _, n := range other.Working {
			list = append(list, snapshotNode{Address: n.Host})
		}
	}
	nodes := make([]Node, 0, len(list))
	for _, l := range list {
		n, err := ParseNode(s, l.Address, l.ExtInfo)
		if err != nil {
			n, err = ParseNode(s, l.Address, "")
		}
		if err == nil {
			n.Available = true
			nodes = append(nodes, n)
		}
	}
	if len(nodes) == 0 && len(list) > 0 {
		return nil, fmt.Errorf("none of its %d nodes can be used", len(list))
	}
	return sortNodes(nodes), nil
}
