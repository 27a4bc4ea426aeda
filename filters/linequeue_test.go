package filters

import (
	"bytes"
	"testing"
)

func TestLineQueue(t *testing.T) {
	half := append(bytes.Repeat([]byte("x"), pieceBytes/2-1), '\n')
	q := lineQueue{limit: 2}
	steps := []struct {
		name             string
		first, whole, ok bool
	}{
		{"first", true, false, true},
		{"second half of the first piece", false, false, true},
		{"first half of the second piece", false, true, true},
		{"second half of it", false, false, true},
		{"no room", false, false, false},
	}
	for _, s := range steps {
		if first, whole, ok := q.put(half); first != s.first || whole != s.whole || ok != s.ok {
			t.Errorf("%s: got first %v, whole %v, ok %v, want %v, %v, %v", s.name, first, whole, ok, s.first, s.whole, s.ok)
		}
	}
	piece := q.take()
	if len(piece) != pieceBytes {
		t.Fatalf("took %d bytes, want a piece of %d", len(piece), pieceBytes)
	}
	if _, _, ok := q.put(half); ok {
		t.Error("a piece that is being written made room")
	}
	q.release(piece)
	if _, whole, ok := q.put(half); !ok || !whole {
		t.Errorf("after a release: got whole %v, ok %v, want true, true", whole, ok)
	}
	if got := len(q.take()) + len(q.take()); got != pieceBytes*3/2 {
		t.Errorf("took %d bytes more, want %d", got, pieceBytes*3/2)
	}
	if got := q.take(); got != nil {
		t.Errorf("took %d bytes from an empty queue", len(got))
	}
}

func TestLineQueueRefusesGiants(t *testing.T) {
	q := lineQueue{limit: 2}
	if _, _, ok := q.put(make([]byte, pieceBytes+1)); ok {
		t.Error("took a line that is longer than a piece")
	}
	if _, _, ok := q.put(make([]byte, pieceBytes)); !ok {
		t.Error("refused a line as long as a piece")
	}
}

func TestLineQueueClosed(t *testing.T) {
	q := lineQueue{limit: 2}
	q.put([]byte("a\n"))
	q.put([]byte("b\n"))
	if !q.close() || q.close() {
		t.Error("close must tell the first time from others")
	}
	if _, _, ok := q.put([]byte("c\n")); ok {
		t.Error("took a line after it was closed")
	}
	if got := q.discard(); got != 2 {
		t.Errorf("discarded %d lines, want 2", got)
	}
	if got := q.take(); got != nil {
		t.Errorf("took %q after it was discarded", got)
	}
}

func TestLineQueueGivesMemoryBack(t *testing.T) {
	q := lineQueue{limit: 64}
	line := make([]byte, pieceBytes)
	for range 64 {
		if _, _, ok := q.put(line); !ok {
			t.Fatal("refused a line below the limit")
		}
	}
	for piece := q.take(); piece != nil; piece = q.take() {
		q.release(piece)
	}
	if len(q.spare) != sparePieces || q.pieces != 0 {
		t.Errorf("keeps %d pieces, counts %d in use, want %d and 0", len(q.spare), q.pieces, sparePieces)
	}
}
