package registry

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

const (
	// recordMagic begins the first line of a record: "motand-snapshot 1 <when it was told, Unix seconds> <crc32c of the rest>".
	recordMagic = "motand-snapshot"
	// recordVersion is the form of what follows the first line: the list in motan-go's JSON.
	recordVersion = "1"
	// maxHeader bounds the first line.
	maxHeader = 80
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// knowledge is what the disk says about a service.
type knowledge struct {
	nodes packed    // in order of address
	told  time.Time // when the registry told it; zero if nobody knows
}

// encodeRecord puts the line that proves it whole before body.
func encodeRecord(told time.Time, body []byte) []byte {
	line := fmt.Sprintf("%s %s %d %08x\n", recordMagic, recordVersion, told.Unix(), crc32.Checksum(body, castagnoli))
	return append([]byte(line), body...)
}

// decodeRecord is the reverse of encodeRecord. An error says what is wrong with the file.
func decodeRecord(data []byte) (body []byte, told time.Time, err error) {
	line, _, ok := bytes.Cut(data[:min(len(data), maxHeader)], []byte{'\n'})
	fields := strings.Fields(string(line))
	if !ok || len(fields) != 4 || fields[0] != recordMagic {
		return nil, time.Time{}, errors.New("it does not begin as a record does")
	}
	if fields[1] != recordVersion {
		return nil, time.Time{}, fmt.Errorf("its form is version %.20q, this program knows %s", fields[1], recordVersion)
	}
	seconds, err := strconv.ParseInt(fields[2], 10, 64)
	sum, sumErr := strconv.ParseUint(fields[3], 16, 32)
	body = data[len(line)+1:]
	if err = errors.Join(err, sumErr); err != nil {
		return nil, time.Time{}, err
	}
	if uint32(sum) != crc32.Checksum(body, castagnoli) {
		return nil, time.Time{}, errors.New("its checksum is wrong: it was cut off or changed")
	}
	return body, time.Unix(seconds, 0), nil
}

// recordName is the file name of a service's record. Unlike that of a snapshot it tells every group and path apart.
func recordName(k serviceKey) string {
	return cut(escape(k.group, '@') + "@" + escape(k.path, '@'))
}

// readRecord reads what is known about s: from the record at path, from the generation before it, and where neither is
// there, as after motan-go, from the snapshot. known is false when nothing is; err tells of every file that could not be
// used, also when another could.
func readRecord(path, snapshot string, s Service) (k knowledge, known bool, err error) {
	var errs []error
	for _, file := range []string{path, path + ".1"} {
		data, err := readFile(file, maxSnapshotBytes)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		var body []byte
		if err == nil {
			body, k.told, err = decodeRecord(data)
		}
		var nodes []Node
		if err == nil {
			nodes, err = decodeSnapshot(s, body)
		}
		if err == nil {
			k.nodes = pack(nodes)
			return k, true, errors.Join(errs...)
		}
		errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(file), err))
	}
	data, err := readFile(snapshot, maxSnapshotBytes)
	if errors.Is(err, os.ErrNotExist) {
		return knowledge{}, false, errors.Join(errs...)
	}
	var nodes []Node
	if err == nil {
		nodes, err = decodeSnapshot(s, data)
	}
	if err == nil && len(nodes) == 0 {
		err = errors.New("it lists no node, and who wrote that is not known")
	}
	if err != nil {
		errs = append(errs, fmt.Errorf("%s: %w", filepath.Base(snapshot), err))
	}
	return knowledge{nodes: pack(nodes)}, err == nil, errors.Join(errs...)
}
