package registry

import (
	"bytes"
	"hash/crc32"
	"io"
	"path/filepath"
	"time"
)

// writing is a record that is to be written, and what with.
type writing struct {
	record *record
	now    knowledge
	sum    uint32 // of the list as text
}

// run writes until nothing is left to be written.
func (s *Store) run(done chan struct{}) {
	defer close(done)
	for {
		write, wait, held := s.next()
		switch {
		case write != nil:
			write()
		case wait > 0:
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-s.hurry:
				t.Stop()
			case <-held:
				t.Stop()
			}
		default:
			return
		}
	}
}

// next returns what is to be done now, or tells how long to wait for something, and what ends that. With neither, run has to
// end.
func (s *Store) next() (write func(), wait time.Duration, held <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.held) {
		s.running = nil
		return nil, 0, nil
	}
	now, hurry := time.Now(), isClosed(s.hurry)
	if len(s.dirty) > 0 {
		if wait = s.due.Sub(now); wait <= 0 || hurry {
			return s.writeRecords, 0, nil
		}
	}
	k, rest, some := s.shelf.next(now, hurry)
	if some {
		return func() { s.writeSnapshot(k) }, 0, nil
	}
	if rest > 0 && (wait == 0 || rest < wait) {
		wait = rest
	}
	if wait == 0 {
		s.running = nil
	}
	return nil, wait, s.held
}

// writeRecords appends what has changed to the journal. Only run calls it.
func (s *Store) writeRecords() {
	s.mu.Lock()
	all := make([]writing, 0, len(s.dirty))
	for r := range s.dirty {
		all = append(all, writing{record: r, now: r.now})
	}
	clear(s.dirty)
	s.due = time.Now().Add(writePause)
	s.mu.Unlock()
	var b batch
	for len(all) > 0 {
		n, err := s.writeSome(all, &b)
		if err != nil {
			n = len(all) // the others would fare no better
		}
		s.wrote(all[:n], err)
		all = all[n:]
	}
}

// writeSome writes the first of all with one writing and tells how many they are. It uses the memory of b.
func (s *Store) writeSome(all []writing, b *batch) (n int, err error) {
	b.clear()
	var list []byte
	for n < len(all) && len(b.text) < batchBytes {
		w := &all[n]
		n++
		list, err = appendNodes(list[:0], w.now.nodes)
		if w.sum = crc32.Checksum(list, castagnoli); err == nil && w.record.written && w.sum == w.record.sum {
			continue
		}
		if err == nil {
			err = b.add(w.record.recordKey, w.now.told, list)
		}
		if err != nil { // of this one alone, which is tried again when it changes
			s.log.Error("registry: a list is not kept; a restart without registry would know older nodes or nobody",
				"service", w.record.path, "group", w.record.group, "error", err)
			err = nil
		}
	}
	if len(b.keys) > 0 {
		err = s.journal.append(b)
	}
	return n, err
}

// wrote notes how the writing of records went.
func (s *Store) wrote(all []writing, err error) {
	s.mu.Lock()
	now, hurry, before := time.Now(), isClosed(s.hurry), s.broken()
	if err != nil {
		s.failed++
		s.failure = err.Error()
		s.retry = min(max(2*s.retry, firstRetry), maxRetry)
		s.due = now.Add(s.retry)
	} else {
		s.retry = 0
	}
	for _, w := range all {
		r := w.record
		switch {
		case err == nil && (!r.written || r.sum != w.sum):
			r.written, r.sum = true, w.sum
			s.writes++
			s.shelf.add(r.serviceKey)
		case err != nil && !hurry:
			s.dirty[r] = struct{}{}
		}
		s.forget(r.serviceKey)
	}
	after := s.broken()
	s.mu.Unlock()
	s.tell(all[0].record.serviceKey, before, after, err)
}

// writeSnapshot writes the snapshot of a service where that changes it. Only run calls it.
func (s *Store) writeSnapshot(k serviceKey) {
	began := time.Now()
	lists := s.lists(k)
	s.mu.Lock()
	sum, there := s.shelf.sums[k]
	s.mu.Unlock()
	var err error
	if len(lists) > 0 { // else nobody needs it any more
		sum, err = s.show(k, lists, sum, there)
	}
	s.mu.Lock()
	before := s.broken()
	if err != nil {
		s.failed++
		s.failure = err.Error()
	}
	s.shelf.done(k, sum, began, time.Now(), isClosed(s.hurry), err)
	s.forget(k)
	after := s.broken()
	s.mu.Unlock()
	s.tell(k, before, after, err)
}

// show has programs without an agent find the nodes of lists, and returns the checksum of what they find. Known says that
// they find what has the sum before.
func (s *Store) show(k serviceKey, lists []packed, before uint32, known bool) (sum uint32, err error) {
	nodes := lists[0]
	if len(lists) > 1 {
		nodes = union(lists)
	}
	body, err := encodeSnapshot(k, nodes.nodes())
	if err != nil {
		return 0, err
	}
	path, sum := s.publicPath(k), crc32.Checksum(body, castagnoli)
	if known && sum == before {
		return sum, nil
	}
	if !known {
		if data, err := readFile(path, maxSnapshotBytes); err == nil && bytes.Equal(data, body) {
			return sum, nil
		}
	}
	return sum, replaceFile(filepath.Join(s.dir, recordDir, "new"), path, false, func(w io.Writer) error {
		_, err := w.Write(body)
		return err
	})
}

func (s *Store) publicPath(k serviceKey) string { return filepath.Join(s.dir, snapshotName(k)) }

// lists returns what each registry knows about a service, in order of precedence.
func (s *Store) lists(k serviceKey) []packed {
	s.mu.Lock()
	defer s.mu.Unlock()
	var lists []packed
	for _, id := range s.ids {
		if r := s.records[recordKey{id, k}]; r != nil && r.known {
			lists = append(lists, r.now.nodes)
		}
	}
	return lists
}

// broken tells whether something is not written. The caller holds mu.
func (s *Store) broken() bool {
	broken := s.retry > 0 || len(s.shelf.failed) > 0
	if !broken {
		s.failure = ""
	}
	return broken
}

// tell tells the log when writing begins to fail and when it works again: a full disk is told once, not for every list.
func (s *Store) tell(k serviceKey, before, after bool, err error) {
	switch {
	case after && !before:
		s.log.Error("registry: snapshot not written; callers are served, but a restart without registry would know older nodes or nobody",
			"service", k.path, "group", k.group, "error", err)
	case before && !after:
		s.log.Info("registry: snapshots are written again", "dir", s.dir)
	}
}
