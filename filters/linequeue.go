package filters

import (
	"bytes"
	"sync"
)

const (
	// pieceBytes is what is written at once. A write that takes longer than 20 µs has the runtime's watcher wake up every 20 µs for
	// a while, so few large ones cost less: P1 of the bench 2.83 µs a call, 3.24 with 64 KiB, and no less with 1 MiB.
	pieceBytes  = 256 << 10
	partBytes   = 32 << 10 // of a write
	sparePieces = 2        // kept after a burst: half a MiB
)

// lineQueue holds lines in pieces of 256 KiB until they are written. It is bounded: what does
// not fit is refused. Its lock is held for as long as it takes to copy a line.
type lineQueue struct {
	mu     sync.Mutex
	open   []byte   // guarded by mu; the piece that lines are added to
	whole  [][]byte // guarded by mu; full pieces, oldest first
	spare  [][]byte // guarded by mu; empty pieces
	pieces int      // guarded by mu; in use: open, whole, and those taken and not released
	limit  int      // guarded by mu; of pieces; 0 once closed
}

// put adds a copy of line. first tells that nothing waited before, whole that there is a
// piece more to write.
func (q *lineQueue) put(line []byte) (first, whole, ok bool) {
	q.mu.Lock()
	defer q.mu.Unlock()
	if q.limit == 0 || len(line) > pieceBytes {
		return false, false, false
	}
	if len(q.open)+len(line) > cap(q.open) {
		if q.pieces == q.limit {
			return false, false, false
		}
		if len(q.open) > 0 {
			q.whole = append(q.whole, q.open)
			whole = true
		}
		q.open = q.empty()
		q.pieces++
	}
	first = len(q.open) == 0 && !whole
	q.open = append(q.open, line...)
	return first, whole, true
}

// empty returns a piece for new lines; mu is held.
func (q *lineQueue) empty() []byte {
	if n := len(q.spare); n > 0 {
		piece := q.spare[n-1]
		q.spare = q.spare[:n-1]
		return piece
	}
	return make([]byte, 0, pieceBytes)
}

// take returns what is to be written next, nil when that is nothing. The piece is the caller's
// until it is released.
func (q *lineQueue) take() []byte {
	q.mu.Lock()
	defer q.mu.Unlock()
	if len(q.whole) > 0 {
		piece := q.whole[0]
		n := copy(q.whole, q.whole[1:])
		q.whole[n] = nil
		q.whole = q.whole[:n]
		return piece
	}
	if len(q.open) == 0 {
		return nil
	}
	piece := q.open
	q.open = nil
	return piece
}

// release gives back a piece that was taken.
func (q *lineQueue) release(piece []byte) {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.pieces--
	if len(q.spare) < sparePieces {
		q.spare = append(q.spare, piece[:0])
	}
}

// close refuses all further lines and tells whether they were accepted until now.
func (q *lineQueue) close() bool {
	q.mu.Lock()
	defer q.mu.Unlock()
	was := q.limit > 0
	q.limit = 0
	return was
}

// discard forgets what waits and returns how many lines that were.
func (q *lineQueue) discard() int64 {
	q.mu.Lock()
	defer q.mu.Unlock()
	lines := countLines(q.open)
	for _, piece := range q.whole {
		lines += countLines(piece)
	}
	q.pieces -= len(q.whole)
	if q.open != nil {
		q.pieces--
	}
	q.open, q.whole = nil, nil
	return lines
}

func countLines(text []byte) int64 { return int64(bytes.Count(text, newline)) }

var newline = []byte{'\n'}
