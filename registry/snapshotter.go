package registry

import (
	"context"
	"log/slog"
	"sync"
	"time"
)

// snapshotPause is the least time between two writings of one service's snapshot.
const snapshotPause = time.Second

// snapshotter writes snapshots: one goroutine, each service at most once per snapshotPause, the newest list only. The
// goroutine lives while there is something to write.
type snapshotter struct {
	dir string
	log *slog.Logger

	mu      sync.Mutex
	pending map[serviceKey][]Node    // guarded by mu: lists not written yet
	written map[serviceKey]time.Time // guarded by mu: when each service was last written
	running chan struct{}            // guarded by mu: closed when the goroutine has ended; nil when there is none
	hurry   chan struct{}            // guarded by mu: closed to write what is left without pause
	failure string                   // guarded by mu: why the last writing failed
	writes  int64                    // guarded by mu
	failed  int64                    // guarded by mu
}

// put has nodes written soon. The slice is not changed afterwards.
func (s *snapshotter) put(k serviceKey, nodes []Node) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.pending == nil {
		s.pending = make(map[serviceKey][]Node)
		s.written = make(map[serviceKey]time.Time)
		s.hurry = make(chan struct{})
	}
	s.pending[k] = nodes
	if s.running == nil {
		done := make(chan struct{})
		s.running = done
		go s.run(done) // ends when nothing is left to write
	}
}

// run writes until nothing is pending.
func (s *snapshotter) run(done chan struct{}) {
	defer close(done)
	for {
		k, nodes, wait, hurry := s.next()
		switch {
		case nodes != nil:
			s.write(k, nodes)
		case wait > 0:
			t := time.NewTimer(wait)
			select {
			case <-t.C:
			case <-hurry:
				t.Stop()
			}
		default:
			return
		}
	}
}

// next takes a list that is due, or tells how long to wait for one. With neither, run has to end.
func (s *snapshotter) next() (k serviceKey, nodes []Node, wait time.Duration, hurry <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	inHurry := false
	select {
	case <-s.hurry:
		inHurry = true
	default:
	}
	for k, nodes := range s.pending {
		rest := time.Until(s.written[k].Add(snapshotPause))
		if rest <= 0 || inHurry {
			delete(s.pending, k)
			s.written[k] = time.Now()
			return k, nodes, 0, nil
		}
		if wait == 0 || rest < wait {
			wait = rest
		}
	}
	if wait == 0 {
		s.running = nil
	}
	return serviceKey{}, nil, wait, s.hurry
}

// write writes one list and notes how that went. A full disk is logged once, not every second.
func (s *snapshotter) write(k serviceKey, nodes []Node) {
	err := writeSnapshot(s.dir, k, nodes)
	s.mu.Lock()
	before := s.failure
	s.failure = ""
	if err != nil {
		s.failure = err.Error()
		s.failed++
	} else {
		s.writes++
	}
	after := s.failure
	s.mu.Unlock()
	if err != nil && before == "" {
		s.log.Error("registry: snapshot not written; callers are served, but a restart without registry would know nobody",
			"service", k.path, "group", k.group, "error", err)
	}
	if before != "" && after == "" {
		s.log.Info("registry: snapshots are written again", "dir", s.dir)
	}
}

// flush writes what is pending now, without pauses from here on, and waits for it until ctx ends.
func (s *snapshotter) flush(ctx context.Context) error {
	s.mu.Lock()
	running := s.running
	if s.hurry != nil {
		select {
		case <-s.hurry:
		default:
			close(s.hurry)
		}
	}
	s.mu.Unlock()
	if running == nil {
		return nil
	}
	select {
	case <-running:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// status tells how the writing goes.
func (s *snapshotter) status() (writes, failed int64, failure string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.writes, s.failed, s.failure
}
