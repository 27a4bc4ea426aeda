package registry

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
	"unique"
)

const (
	// recordMagic and recordVersion begin the first line of a record: "motand-list 1 <when it was told, Unix seconds>
	// <bytes of the list, which follows the line> <crc32c of all that follows this word> <registry> <group> <service>". The
	// last three words are the names, escaped; with these as one it has recordFields.
	recordMagic, recordVersion = "motand-list", "1"
	recordFields               = 6
	// maxRecordLine bounds the first line.
	maxRecordLine = 16 << 10
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// knowledge is what the disk says about a service.
type knowledge struct {
	nodes packed    // in order of address
	told  time.Time // when the registry told it; zero if nobody knows
}

// recordKey names a record: what one registry told about one service.
type recordKey struct {
	id string
	serviceKey
}

// recordHead is the first line of a record.
type recordHead struct {
	key   recordKey
	told  time.Time
	bytes int    // of the list that follows
	sum   uint32 // of the names and the list
	names []byte // as they are written, with the end of the line
}

// appendRecord appends the record of k with the list to dst: the line that proves it whole, and what appendNodes wrote.
func appendRecord(dst []byte, k recordKey, told time.Time, list []byte) ([]byte, error) {
	var space [256]byte
	names := append(append(space[:0], escape(k.id, ' ')...), ' ')
	names = append(append(names, escape(k.group, ' ')...), ' ')
	names = append(append(names, escape(k.path, ' ')...), '\n')
	sum := crc32.Update(crc32.Checksum(names, castagnoli), castagnoli, list)
	begin := len(dst)
	dst = fmt.Appendf(dst, "%s %s %d %d %08x %s", recordMagic, recordVersion, told.Unix(), len(list), sum, names)
	if line := len(dst) - begin; line > maxRecordLine || len(list) > maxSnapshotBytes {
		return dst[:begin], fmt.Errorf("registry: write what %.100s told of %.100s: %d bytes of names or %d of nodes are too many", k.id, k.path, line, len(list))
	}
	return append(dst, list...), nil
}

// readHead reads the first line of a record. It is false for whatever is none.
func readHead(line []byte) (recordHead, bool) {
	fields := bytes.SplitN(line, []byte{' '}, recordFields)
	if len(line) > maxRecordLine || len(fields) != recordFields || string(fields[0]) != recordMagic || string(fields[1]) != recordVersion {
		return recordHead{}, false
	}
	h := recordHead{names: fields[recordFields-1]}
	names := strings.Split(strings.TrimSuffix(string(h.names), "\n"), " ")
	if len(names) != 3 || !bytes.HasSuffix(h.names, []byte{'\n'}) {
		return recordHead{}, false
	}
	told, err1 := strconv.ParseInt(string(fields[2]), 10, 64)
	size, err2 := strconv.ParseUint(string(fields[3]), 10, 32)
	sum, err3 := strconv.ParseUint(string(fields[4]), 16, 32)
	for i := range names {
		var err error
		names[i], err = url.PathUnescape(names[i])
		err3 = errors.Join(err3, err)
	}
	if errors.Join(err1, err2, err3) != nil || size > maxSnapshotBytes {
		return recordHead{}, false
	}
	h.key = recordKey{names[0], serviceKey{names[1], names[2]}}
	h.told, h.bytes, h.sum = time.Unix(told, 0), int(size), uint32(sum)
	return h, true
}

// proves tells whether list is the one that was written after the first line h.
func (h recordHead) proves(list []byte) bool {
	return len(list) == h.bytes && crc32.Update(crc32.Checksum(h.names, castagnoli), castagnoli, list) == h.sum
}

// recordNode is what is told about nodes beside their addresses, as it stands in a record.
type recordNode struct {
	Protocol string            `json:"protocol,omitempty"`
	Version  string            `json:"version,omitempty"`
	Params   map[string]string `json:"params,omitempty"`
}

// appendNodes appends the nodes of a record to dst: a line of JSON with what is told of the nodes that follow it, and a line
// for each of these, `<port> "<host>"`.
func appendNodes(dst []byte, nodes packed) ([]byte, error) {
	var last *said
	for _, e := range nodes {
		if e.said != last && (last == nil || !last.equal(e.said)) {
			text, err := json.Marshal(recordNode{e.said.service.Protocol, e.said.service.Version, e.said.params})
			if err != nil {
				return dst, fmt.Errorf("registry: write nodes of %s: %w", e.said.service.Path, err)
			}
			dst = append(append(dst, text...), '\n')
		}
		last = e.said
		at := e.addr.Value()
		dst = append(strconv.AppendInt(dst, int64(at.port), 10), ' ')
		dst = append(strconv.AppendQuote(dst, at.host), '\n')
	}
	return dst, nil
}

// readNodes is the reverse of appendNodes.
func readNodes(k serviceKey, text []byte) (packed, error) {
	nodes := make(packed, 0, bytes.Count(text, []byte{'\n'}))
	var told *said
	for len(text) > 0 {
		line, rest, whole := bytes.Cut(text, []byte{'\n'})
		if text = rest; !whole {
			return nil, errors.New("its last line has no end")
		}
		if len(line) > 0 && line[0] == '{' {
			var n recordNode
			if err := json.Unmarshal(line, &n); err != nil {
				return nil, fmt.Errorf("a line of it: %w", err)
			}
			told = &said{Service{Group: k.group, Path: k.path, Version: n.Version, Protocol: n.Protocol}, n.Params, true}
			continue
		}
		number, quoted, _ := strings.Cut(string(line), " ")
		port, err1 := strconv.ParseUint(number, 10, 16)
		host, err2 := strconv.Unquote(quoted)
		if err1 != nil || err2 != nil || told == nil {
			return nil, fmt.Errorf("it has %.100q where a node was to be", line)
		}
		nodes = append(nodes, entry{unique.Make(addr{host, int(port)}), told})
	}
	return nodes.sorted(), nil
}

// readPublic reads what is known about s from the file that programs without an agent read, where there is no record, as after
// motan-go. A list of nobody counts as unknown: who wrote it is not known either.
func readPublic(path string, s Service) (k knowledge, known bool, err error) {
	data, err := readFile(path, maxSnapshotBytes)
	if errors.Is(err, os.ErrNotExist) {
		return knowledge{}, false, nil
	}
	var nodes []Node
	if err == nil {
		nodes, err = decodeSnapshot(s, data)
	}
	if err == nil && len(nodes) == 0 {
		err = errors.New("it lists no node, and who wrote that is not known")
	}
	if err != nil {
		return knowledge{}, false, err
	}
	return knowledge{nodes: pack(nodes)}, true, nil
}
