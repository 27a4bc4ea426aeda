package simple

import (
	"bytes"
	"cmp"
	"slices"
)

// names holds the names of the JSON objects that are being read or written at this moment, those of the innermost
// object last. It exists to find a name that occurs twice in one object without a map for each object.
type names []nameRef

// nameRef is the place of a name in the output, where it stays until its object is closed, and in the input.
type nameRef struct {
	from, to int
	at       int
}

func (r nameRef) text(out []byte) []byte { return out[r.from:r.to] }

func (r nameRef) is(out []byte, name string) bool { return string(out[r.from:r.to]) == name }

func (n *names) add(from, to, at int) { *n = append(*n, nameRef{from, to, at}) }

// repeated returns the second of two equal names among those from mark on. It may reorder them. Few names are
// compared with each other; many are sorted, so that a hostile object costs n log n.
func (n names) repeated(out []byte, mark int) (nameRef, bool) {
	const few = 12
	own := n[mark:]
	if len(own) <= few {
		for i, a := range own {
			for _, b := range own[:i] {
				if a.to-a.from == b.to-b.from && bytes.Equal(a.text(out), b.text(out)) {
					return a, true
				}
			}
		}
		return nameRef{}, false
	}
	slices.SortFunc(own, func(a, b nameRef) int {
		if c := cmp.Compare(a.to-a.from, b.to-b.from); c != 0 {
			return c
		}
		if c := bytes.Compare(a.text(out), b.text(out)); c != 0 {
			return c
		}
		return cmp.Compare(a.at, b.at)
	})
	for i := 1; i < len(own); i++ {
		if bytes.Equal(own[i-1].text(out), own[i].text(out)) {
			return own[i], true
		}
	}
	return nameRef{}, false
}

// reset empties n for the next document. A list that one large document has grown is not kept.
func (n *names) reset() {
	const kept = 1024
	if cap(*n) > kept {
		*n = nil
	}
	*n = (*n)[:0]
}
