package registry

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"log/slog"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

const (
	// writePause is the least time between two writings of one service.
	writePause = time.Second
	// firstRetry and maxRetry bound the pause after a writing that failed, which doubles each time.
	firstRetry, maxRetry = 5 * time.Second, time.Minute
	// loaders is how many services are read at once: a start reads thousands, each with a thread while the disk is busy.
	loaders = 16
	// recordDir holds what only we read, below the folder of the snapshots: PHP clients look at files there, not at folders.
	recordDir = ".motand"
)

// Store is the folder on disk in which caches keep what their registries told. There is one for a folder; the caches of
// several registries share it.
//
// For each service it writes the file "<group>_<service>" in motan-go's form (motan protocol, section 5.5), which PHP and
// Lua programs read when no agent runs: it lists the nodes of all registries, each address once, that of the cache that was
// made first. What each registry alone has told is kept below ".motand", with a checksum and the generation before it, and
// is what a later start reads. Files are replaced whole, at most once a second for each service, and are readable by
// everybody but writable only by the agent's user. A writing that fails, as on a full disk, is tried again; the old files
// stay. Its methods may be called at once.
type Store struct {
	dir     string
	log     *slog.Logger
	readers chan struct{} // holds a token for each service that is being read

	mu      sync.Mutex
	ids     []string              // guarded by mu: registries, in order of precedence
	records map[recordKey]*record // guarded by mu
	dirty   map[*record]struct{}  // guarded by mu: records that are to be written
	public  map[serviceKey]uint32 // guarded by mu: checksums of the snapshots that were written
	running chan struct{}         // guarded by mu: closed when the goroutine has ended; nil when there is none
	hurry   chan struct{}         // guarded by mu: closed to write what is left without pause
	held    chan struct{}         // guarded by mu: closed while nothing is written
	broken  int                   // guarded by mu: records whose last writing failed
	failure string                // guarded by mu: why one of them did
	writes  int64                 // guarded by mu
	failed  int64                 // guarded by mu
}

type recordKey struct {
	id string
	serviceKey
}

// record is what one registry told about one service. Its fields are guarded by Store.mu.
type record struct {
	recordKey
	store     *Store
	users     int
	known     bool
	now       knowledge
	notBefore time.Time // when it may be written
	retry     time.Duration
	failed    bool   // the last writing
	written   bool   // by this process; only run uses it
	sum       uint32 // of the list that was written; only run uses it
}

// NewStore returns the store in dir, which is made when something is written. A log of nil is slog.Default().
func NewStore(dir string, log *slog.Logger) *Store {
	if log == nil {
		log = slog.Default()
	}
	return &Store{
		dir: dir, log: log, hurry: make(chan struct{}), held: make(chan struct{}), readers: make(chan struct{}, loaders),
		records: make(map[recordKey]*record), dirty: make(map[*record]struct{}), public: make(map[serviceKey]uint32),
	}
}

// join gives the registry id its place in the order of precedence.
func (s *Store) join(id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !slices.Contains(s.ids, id) {
		s.ids = append(s.ids, id)
	}
}

// open returns the record of a service; close gives it back.
func (s *Store) open(id string, k serviceKey) *record {
	s.mu.Lock()
	defer s.mu.Unlock()
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
	k, known, err := readRecord(s.recordPath(r.recordKey), filepath.Join(s.dir, snapshotName(r.serviceKey)),
		Service{Group: r.group, Path: r.path})
	s.mu.Lock()
	defer s.mu.Unlock()
	if known && !r.known { // the snapshot of several registries needs what each of them knew
		r.known, r.now = true, k
	}
	return k, known, err
}

// put has k written soon. Its nodes are not changed afterwards.
func (r *record) put(k knowledge) {
	s := r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	r.known, r.now = true, k
	s.dirty[r] = struct{}{}
	s.begin()
}

// begin has what is to be written be written. The caller holds mu.
func (s *Store) begin() {
	if s.running == nil && !isClosed(s.held) && len(s.dirty) > 0 {
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
	s.mu.Lock()
	defer s.mu.Unlock()
	if isClosed(s.held) {
		s.held = make(chan struct{})
		s.begin()
	}
}

// close ends one use of the record. What is not written yet will be.
func (r *record) close() {
	s := r.store
	s.mu.Lock()
	defer s.mu.Unlock()
	r.users--
	s.forget(r)
}

// forget drops a record that nobody uses and that is written. The caller holds mu.
func (s *Store) forget(r *record) {
	if _, waits := s.dirty[r]; r.users <= 0 && !waits && s.records[r.recordKey] == r {
		delete(s.records, r.recordKey)
	}
}

func (s *Store) recordPath(k recordKey) string {
	return filepath.Join(s.dir, recordDir, escape(k.id, '/'), recordName(k.serviceKey))
}

// run writes until nothing is left to be written.
func (s *Store) run(done chan struct{}) {
	defer close(done)
	for {
		r, k, wait, held := s.next()
		switch {
		case r != nil:
			s.wrote(r, s.write(r, k))
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

// next takes a record that is due, or tells how long to wait for one, and what ends that. With neither, run has to end.
func (s *Store) next() (due *record, k knowledge, wait time.Duration, held <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inHurry := isClosed(s.hurry)
	if isClosed(s.held) {
		s.running = nil
		return nil, knowledge{}, 0, nil
	}
	for r := range s.dirty {
		rest := time.Until(r.notBefore)
		if rest <= 0 || inHurry {
			delete(s.dirty, r)
			return r, r.now, 0, nil
		}
		if wait == 0 || rest < wait {
			wait = rest
		}
	}
	if wait == 0 {
		s.running = nil
	}
	return nil, knowledge{}, wait, s.held
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}

// write writes the record and, where that changes it, the snapshot of the service. Only run calls it.
func (s *Store) write(r *record, k knowledge) error {
	body, err := encodeSnapshot(r.serviceKey, k.nodes.nodes())
	if err != nil {
		return err
	}
	temp := filepath.Join(s.dir, recordDir, "new")
	if sum := crc32.Checksum(body, castagnoli); !r.written || sum != r.sum {
		if err := replaceFile(temp, s.recordPath(r.recordKey), encodeRecord(k.told, body), true); err != nil {
			return err
		}
		r.written, r.sum = true, sum
	}
	if lists := s.lists(r.serviceKey); len(lists) > 1 {
		if body, err = encodeSnapshot(r.serviceKey, union(lists).nodes()); err != nil {
			return err
		}
	}
	sum := crc32.Checksum(body, castagnoli)
	s.mu.Lock()
	before, there := s.public[r.serviceKey]
	s.mu.Unlock()
	if there && before == sum {
		return nil
	}
	if err := replaceFile(temp, filepath.Join(s.dir, snapshotName(r.serviceKey)), body, false); err != nil {
		return err
	}
	s.mu.Lock()
	s.public[r.serviceKey] = sum
	s.mu.Unlock()
	return nil
}

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

// wrote notes how a writing went. A full disk is logged once, not for every list.
func (s *Store) wrote(r *record, err error) {
	s.mu.Lock()
	before := s.broken
	if r.failed {
		s.broken--
	}
	r.failed = err != nil
	if err != nil {
		s.broken++
		s.failure = err.Error()
		s.failed++
		r.retry = min(max(2*r.retry, firstRetry), maxRetry)
		if !isClosed(s.hurry) {
			s.dirty[r] = struct{}{}
		}
	} else {
		s.writes++
		r.retry = 0
	}
	if s.broken == 0 {
		s.failure = ""
	}
	after := s.broken
	r.notBefore = time.Now().Add(max(r.retry, writePause))
	s.forget(r)
	s.mu.Unlock()
	if before == 0 && after > 0 {
		s.log.Error("registry: snapshot not written; callers are served, but a restart without registry would know older nodes or nobody",
			"service", r.path, "group", r.group, "error", err)
	}
	if before > 0 && after == 0 {
		s.log.Info("registry: snapshots are written again", "dir", s.dir)
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
