package registry

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

const (
	// maxJournal bounds the file: forty times what ten thousand services of a hundred nodes take.
	maxJournal = 1 << 30
	// journalSlack is how much may be out of date beside as much again as is not, before the file is written anew.
	journalSlack = 1 << 20
	// maxDamage is how many damaged places of a file are gone past before the rest of it is given up.
	maxDamage = 1000
)

// journal is the file in which the records of all services and registries are: what is told is appended, many records with one
// write and one wait for the disk, and what is out of date goes when there is more of it than of what is not. The file before
// that stays as "<path>.1". So a change costs what it is long, however many services there are.
//
// What is damaged, by a crash or by hand, is left out, and the record before it stands for it.
//
// Records are read by anybody at once and written by one goroutine. No lock is held meanwhile: who finds something else where a
// record was looks it up again.
type journal struct {
	path string
	log  *slog.Logger

	mu     sync.Mutex
	scan   *sync.Once          // guarded by mu: reads what is there
	places map[recordKey]place // guarded by mu: the newest record of each
	size   int64               // guarded by mu: of the file
	live   int64               // guarded by mu: bytes of the file that are records in places
	sound  bool                // guarded by mu: the file holds nothing but records, and can be appended to
}

// place is where a record is.
type place struct {
	at    int64
	bytes int  // with the first line
	older bool // in the file before
}

func newJournal(path string, log *slog.Logger) *journal {
	return &journal{path: path, log: log, scan: new(sync.Once)}
}

// forget has the files read again: another process may have written them.
func (j *journal) forget() {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.scan = new(sync.Once)
}

// ready waits until it is known what is there.
func (j *journal) ready() {
	j.mu.Lock()
	scan := j.scan
	j.mu.Unlock()
	scan.Do(j.read)
}

// read finds out what is there.
func (j *journal) read() {
	places := make(map[recordKey]place)
	var size, live int64
	var sound bool
	for _, older := range []bool{true, false} {
		end, damaged, err := scanRecords(j.file(older), func(k recordKey, p place) {
			p.older = older
			places[k] = p
		})
		if size = end; errors.Is(err, os.ErrNotExist) {
			err = nil
		}
		if sound = err == nil && damaged == 0; !sound {
			j.log.Warn("registry: lists on disk are damaged and not used; older ones are, where there are any",
				"file", j.file(older), "damaged", damaged, "error", err)
		}
	}
	for _, p := range places {
		if !p.older {
			live += int64(p.bytes)
		}
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.places, j.size, j.live, j.sound = places, size, live, sound
}

func (j *journal) file(older bool) string {
	if older {
		return j.path + ".1"
	}
	return j.path
}

// scanRecords calls found for each whole record of a file. It returns where the file ends and how many places of it are not
// part of one.
func scanRecords(path string, found func(k recordKey, p place)) (end int64, damaged int, err error) {
	f, err := openRegular(path, os.O_RDONLY, maxJournal)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close() //nolint:errcheck // nothing was written
	in := bufio.NewReaderSize(f, 64<<10)
	astray := false // what is read is no record
	for damaged < maxDamage {
		line, err := in.ReadSlice('\n')
		if len(line) == 0 {
			if err == io.EOF {
				err = nil
			}
			return end, damaged, err
		}
		h, ok := readHead(line)
		text := int64(len(line))
		if ok && h.skip(in) {
			found(h.key, place{at: end, bytes: int(text) + h.bytes})
			end += text + int64(h.bytes)
			astray = false
			continue
		}
		if !astray {
			damaged++
		}
		astray = true
		if end += text; ok { // what follows the line may be the next record already
			if _, err := f.Seek(end, io.SeekStart); err != nil {
				return end, damaged, err
			}
			in.Reset(f)
			damaged++
		}
	}
	return end, damaged, errors.New("too much of it is damaged")
}

// skip reads the list that follows the first line h, and tells whether it is the one that was written.
func (h recordHead) skip(in *bufio.Reader) bool {
	sum := crc32.Checksum(h.names, castagnoli) // which the next reading takes away
	for left := h.bytes; left > 0; {
		part, err := in.Peek(min(left, in.Size()))
		if err != nil {
			return false
		}
		sum = crc32.Update(sum, castagnoli, part)
		left -= len(part)
		_, _ = in.Discard(len(part)) // it is there
	}
	return sum == h.sum
}

// get returns the list that the record of k holds, as text, and its first line. It is false where there is no record.
func (j *journal) get(k recordKey) (h recordHead, list []byte, known bool, err error) {
	for range 3 { // the file may be written anew meanwhile
		j.ready()
		j.mu.Lock()
		p, known := j.places[k]
		j.mu.Unlock()
		if !known {
			return h, nil, false, nil
		}
		var f *os.File
		if f, err = openRegular(j.file(p.older), os.O_RDONLY, maxJournal); err != nil {
			continue
		}
		h, list, err = readRecord(f, k, p)
		_ = f.Close() // nothing was written
		if err == nil {
			return h, list, true, nil
		}
	}
	return h, nil, false, err
}

// readRecord reads the record of k from p.
func readRecord(f *os.File, k recordKey, p place) (recordHead, []byte, error) {
	text := make([]byte, p.bytes)
	h, err := readRecordInto(text, f, k, p)
	return h, text[p.bytes-h.bytes:], err
}

// readRecordInto reads the record of k from p into text, which is as long.
func readRecordInto(text []byte, f *os.File, k recordKey, p place) (recordHead, error) {
	if _, err := f.ReadAt(text, p.at); err != nil {
		return recordHead{}, err
	}
	n := bytes.IndexByte(text, '\n') + 1
	h, ok := readHead(text[:n])
	if !ok || h.key != k || n+h.bytes != p.bytes || !h.proves(text[n:]) {
		return recordHead{}, fmt.Errorf("%s: it was changed while it was read", f.Name())
	}
	return h, nil
}

// batch is records that are to be appended.
type batch struct {
	text  []byte
	keys  []recordKey
	bytes []int // of each
}

// clear empties b, which keeps its memory.
func (b *batch) clear() { b.text, b.keys, b.bytes = b.text[:0], b.keys[:0], b.bytes[:0] }

// add adds the record of k with the list that appendNodes wrote.
func (b *batch) add(k recordKey, told time.Time, list []byte) error {
	text, err := appendRecord(b.text, k, told, list)
	if err == nil {
		b.keys, b.bytes = append(b.keys, k), append(b.bytes, len(text)-len(b.text))
		b.text = text
	}
	return err
}

// append appends records and waits until they are on the disk. After an error what was there before is there.
func (j *journal) append(b *batch) error {
	f, size, err := j.open()
	if err != nil {
		return err
	}
	sound := true
	if _, err = f.Write(b.text); err != nil {
		sound = f.Truncate(size) == nil
	} else if err = f.Sync(); err != nil {
		sound = false // nobody knows what of it is there
	}
	if err = errors.Join(err, f.Close()); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.sound = sound
		return err
	}
	j.add(b, size)
	return nil
}

// open opens the file for what is to be appended, and tells how long it is. It writes it anew where too much of it is out of
// date or anything else is wrong with it.
func (j *journal) open() (*os.File, int64, error) {
	j.ready()
	j.mu.Lock()
	size, fit := j.size, j.sound && j.size <= 2*j.live+journalSlack
	j.mu.Unlock()
	if fit {
		f, err := openRegular(j.path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, maxJournal)
		if err == nil {
			if end, err := f.Seek(0, io.SeekEnd); err == nil && end == size {
				return f, size, nil
			}
			_ = f.Close() // nothing was written
			j.forget()    // somebody else has been at it
			j.ready()
		}
	}
	size, err := j.rewrite()
	if err != nil {
		return nil, 0, err
	}
	f, err := openRegular(j.path, os.O_WRONLY|os.O_APPEND, maxJournal)
	return f, size, err
}

// add notes that b is in the file from at on.
func (j *journal) add(b *batch, at int64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	for i, k := range b.keys {
		if p := j.places[k]; !p.older {
			j.live -= int64(p.bytes)
		}
		j.places[k] = place{at: at, bytes: b.bytes[i]}
		j.live += int64(b.bytes[i])
		at += int64(b.bytes[i])
	}
	j.size = at
}

// rewrite makes a file of the newest records and keeps the one before. It returns how long it is.
func (j *journal) rewrite() (size int64, err error) {
	type found struct {
		key recordKey
		place
	}
	j.mu.Lock()
	all := make([]found, 0, len(j.places))
	for k, p := range j.places {
		all = append(all, found{k, p})
	}
	j.mu.Unlock()
	slices.SortFunc(all, func(a, b found) int { return cmp.Compare(a.at, b.at) })
	from := make(map[bool]*os.File, 2)
	for _, older := range []bool{true, false} {
		f, err := openRegular(j.file(older), os.O_RDONLY, maxJournal)
		switch {
		case err == nil:
			defer f.Close() //nolint:errcheck // nothing was written
			from[older] = f
		case slices.ContainsFunc(all, func(r found) bool { return r.older == older }):
			return 0, err
		}
	}
	places := make(map[recordKey]place, len(all))
	err = replaceFile(j.path+".new", j.path, true, func(w io.Writer) error {
		out := bufio.NewWriterSize(w, 64<<10)
		var text []byte
		for _, r := range all {
			text = slices.Grow(text[:0], r.bytes)[:r.bytes]
			if _, err := readRecordInto(text, from[r.older], r.key, r.place); err != nil {
				continue // somebody has taken it away
			}
			if _, err := out.Write(text); err != nil {
				return err
			}
			places[r.key] = place{at: size, bytes: r.bytes}
			size += int64(r.bytes)
		}
		return out.Flush()
	})
	if err != nil {
		return 0, err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	j.places, j.size, j.live, j.sound = places, size, size, true
	return size, nil
}
