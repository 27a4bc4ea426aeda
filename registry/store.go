package registry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// writePause is the least time between two writings of the journal.
	writePause = time.Second
	// firstRetry and maxRetry bound the pause after a writing that failed, which doubles each time.
	firstRetry, maxRetry = 5 * time.Second, time.Minute
	// loaders is how many services are read at once: a start reads thousands, each with a thread while the disk is busy.
	loaders = 16
	// batchBytes bounds what is appended to the journal at once.
	batchBytes = 1 << 20
	// recordDir holds what only we read, below the folder of the snapshots: PHP clients look at files there, not at folders.
	recordDir = ".motand"
)

// Store is the folder on disk in which caches keep what their registries told. There is one for a folder; the caches of
// several registries share it.
//
// What each registry alone has told is kept in ".motand/journal" and is what a later start reads; it is written at most once a
// second. For each service there is the file "<group>_<service>" in motan-go's form (motan protocol, section 5.5), which PHP
// and Lua programs read when no agent runs: it lists the nodes of all registries, each address once, that of the cache that was
// made first. Where thousands of services change these follow as the disk has time (see shelf). Files are replaced whole and
// are readable by everybody but writable only by the agent's user. A writing that fails, as on a full disk, is tried again; the
// old files stay. Its methods may be called at once.
type Store struct {
	dir     string
	log     *slog.Logger
	journal *journal
	readers chan struct{} // holds a token for each service that is being read

	mu      sync.Mutex
	ids     []string              // guarded by mu: registries, in order of precedence
	records map[recordKey]*record // guarded by mu
	dirty   map[*record]struct{}  // guarded by mu: records that are to be written
	due     time.Time             // guarded by mu: when they may be
	shelf   shelf                 // guarded by mu
	running chan struct{}         // guarded by mu: closed when the goroutine has ended; nil when there is none
	hurry   chan struct{}         // guarded by mu: closed to write what is left without pause
	held    chan struct{}         // guarded by mu: closed while nothing is written
	retry   time.Duration         // guarded by mu: the pause after the journal was not written; 0 when it was
	failure string                // guarded by mu: why something is not written
	writes  int64                 // guarded by mu: records
	failed  int64                 // guarded by mu: writings
}

// record is what one registry told about one service. Its fields are guarded by Store.mu.
type record struct {
	recordKey
	store   *Store
	users   int
	known   bool
	now     knowledge
	written bool   // by this process; only run uses it
	sum     uint32 // of the list that was written; only run uses it
}

// NewStore returns the store in dir, which is made when something is written. A log of nil is slog.Default().
func NewStore(dir string, log *slog.Logger) *Store {
	if log == nil {
		log = slog.Default()
	}
	return &Store{
		dir: dir, log: log, journal: newJournal(filepath.Join(dir, recordDir, "journal"), log),
		hurry: make(chan struct{}), held: make(chan struct{}), readers: make(chan struct{}, loaders),
		records: make(map[recordKey]*record), dirty: make(map[*record]struct{}), shelf: newShelf(),
	}
}

// join gives the registry id its place in the order of precedence.
func (s *Store) join(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rank(id)
}

// rank is join for who holds mu.
func (s *Store) rank(id string) {
	if !slices.Contains(s.ids, id) {
		s.ids = append(s.ids, id)
	}
}

// open returns the record of a service; close gives it back.
func (s *Store) open(id string, k serviceKey) *record {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.rank(id)
	key := recordKey{id, k}
	r := s.records[key]
	if r == nil {
		r = &record{recordKey: key, store: s}
		s.records[key] = r
	}
	r.users++
	return r
}

// load reads the record from the disk. Nothing there is no error.
func (r *record) load() (knowledge, bool, error) {
	s := r.store
	s.readers <- struct{}{}
	defer func() { <-s.readers }()
	h, list, known, err := s.journal.get(r.recordKey)
	k := knowledge{told: h.told}
	if known && err == nil {
		k.nodes, err = readNodes(r.serviceKey, list)
	}
	recorded := known && err == nil
	if known = recorded; !known {
		var publicErr error
		k, known, publicErr = readPublic(s.publicPath(r.serviceKey), Service{Group: r.group, Path: r.path})
		err = errors.Join(err, publicErr)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if known && !r.known { // the snapshot of several registries needs what each of them knew
		r.known, r.now = true, k
		if recorded && s.records[r.recordKey] == r { // after a crash the snapshot may be missing, empty or older
			s.shelf.check(r.serviceKey, time.Now())
			s.begin()
		}
	}
	return k, known, err
}

// put has k written soon. Its nodes are not changed afterwards.
func (r *record) put(k knowledge) {
	s := r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	r.known, r.now = true, k
	if s.records[r.recordKey] == nil {
		s.records[r.recordKey] = r // it was closed: its snapshot needs it once more
	}
	s.dirty[r] = struct{}{}
	s.begin()
}

// begin has what is to be written be written. The caller holds mu.
func (s *Store) begin() {
	if s.running == nil && !isClosed(s.held) && (len(s.dirty) > 0 || !s.shelf.empty()) {
		done := make(chan struct{})
		s.running = done
		go s.run(done) // ends when nothing is left to write
	}
}

// Hold has nothing written any more until Release, and waits for a writing under way until ctx ends: another process writes
// into the folder meanwhile. It may be called again.
func (s *Store) Hold(ctx context.Context) error {
	s.mu.Lock()
	if !isClosed(s.held) {
		close(s.held)
	}
	running := s.running
	s.mu.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("registry: a list is still being written into %s: %w", s.dir, ctx.Err())
	}
}

// Release has what has changed since Hold be written.
func (s *Store) Release() {
	s.journal.forget()
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.held) {
		s.held = make(chan struct{})
		s.shelf.sums = make(map[serviceKey]uint32)
		s.begin()
	}
}

// close ends one use of the record. What is not written yet will be.
func (r *record) close() {
	s := r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	r.users--
	s.forget(r.serviceKey)
}

// forget drops the records of a service that nobody uses and that are written. The caller holds mu.
func (s *Store) forget(k serviceKey) {
	if s.shelf.needs(k) {
		return
	}
	left := false
	for _, id := range s.ids {
		r := s.records[recordKey{id, k}]
		if r == nil {
			continue
		}
		if _, waits := s.dirty[r]; r.users <= 0 && !waits {
			delete(s.records, r.recordKey)
			continue
		}
		left = true
	}
	if !left {
		s.shelf.drop(k)
	}
}

// Flush writes what is to be written now, without pauses and without trying again from here on, and waits for it until ctx
// ends. The error says that something is not on disk.
func (s *Store) Flush(ctx context.Context) error {
	s.mu.Lock()
	running := s.running
	if !isClosed(s.hurry) {
		close(s.hurry)
	}
	s.mu.Unlock()
	if running != nil {
		select {
		case <-running:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if _, _, failure := s.status(); failure != "" {
		return fmt.Errorf("registry: write snapshots: %w", errors.New(failure))
	}
	return nil
}

// status tells how the writing goes.
func (s *Store) status() (writes, failed int64, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, s.failed, s.failure
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
