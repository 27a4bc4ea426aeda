package registry

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

const (
	// maxSnapshotBytes bounds what is read from one snapshot file: 10,000 nodes of 1 KiB and some room.
	maxSnapshotBytes = 16 << 20
	// snapshotMode lets the programs of other users on this host read the nodes, as PHP and Lua clients do when the agent is
	// down. motan-go uses 0777, by which every one of them could send the callers of all others wherever it likes.
	snapshotMode = 0o644
	// snapshotDirMode is the same for the folder, which motan-go also leaves open to all.
	snapshotDirMode = 0o755
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

// snapshotName returns the file name for a service: "<group>_<service>", the name by which PHP clients look for it. What
// could leave the folder or hide in it is percent-encoded.
func snapshotName(k serviceKey) string {
	var b strings.Builder
	name := k.group + "_" + k.path
	for i := range len(name) {
		if c := name[i]; c == '/' || c == '\\' || c == '%' || c < ' ' || c == 0x7f || (c == '.' && i == 0) {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
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
// itself; the error is for a file that holds none or belongs to another service.
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
	if len(nodes) == 0 {
		return nil, fmt.Errorf("none of its %d nodes can be used", len(list))
	}
	return sortNodes(nodes), nil
}

// readSnapshot reads the snapshot of s in dir. A file that does not exist is no nodes and no error.
func readSnapshot(dir string, s Service) ([]Node, error) {
	path := filepath.Join(dir, snapshotName(s.key()))
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) // a pipe in its place must not hold us up
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	if st, err := f.Stat(); err != nil || !st.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: not a regular file", path)
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSnapshotBytes+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSnapshotBytes {
		return nil, fmt.Errorf("%s: larger than the %d bytes allowed", path, maxSnapshotBytes)
	}
	nodes, err := decodeSnapshot(s, data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return nodes, nil
}

// writeSnapshot replaces the snapshot of k in dir: either the old file or the whole new one is there at any moment, also
// after a crash of the host.
func writeSnapshot(dir string, k serviceKey, nodes []Node) error {
	data, err := encodeSnapshot(k, nodes)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(dir, snapshotDirMode); err != nil {
		return err
	}
	// The name ends in .tmp because PHP clients take any file that ends in the service's name.
	f, err := os.CreateTemp(dir, ".snapshot-*.tmp")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name()) //nolint:errcheck // fails when the rename succeeded, as it should
	_, err = f.Write(data)
	if err == nil {
		err = f.Chmod(snapshotMode)
	}
	if err == nil {
		err = f.Sync()
	}
	if err := errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), filepath.Join(dir, snapshotName(k)))
}
