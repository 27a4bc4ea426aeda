package registry

import (
	"fmt"
	"testing"
	"testing/synctest"
)

// Of all lists only those that changed are told and made anew; the others are confirmed.
func TestBoardReplace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := board{unknown: true}
		told := make(map[string][]int) // by path; written by one goroutine at a time, read when all rest
		for _, path := range []string{"same", "changed", "gone", "never"} {
			b.watch(t.Context(), Service{Path: path}, func(l packed) { told[path] = append(told[path], len(l)) }, nil)
		}
		lists := func(changed, gone int) map[serviceKey][]Node {
			all := make(map[serviceKey][]Node)
			for path, n := range map[string]int{"same": 2, "changed": changed, "gone": gone} {
				for i := range n {
					m := node(t, fmt.Sprintf("10.0.0.%d:1", n-i)) // not in order
					m.Path = path
					all[serviceKey{path: path}] = append(all[serviceKey{path: path}], m)
				}
			}
			return all
		}
		b.replace(lists(1, 1))
		synctest.Wait()
		first := b.lists[serviceKey{path: "same"}]
		before := b.watches()
		b.replace(lists(3, 0))
		synctest.Wait()
		if got, want := fmt.Sprint(told), "map[changed:[1 3] gone:[1 0] never:[0] same:[2]]"; got != want {
			t.Errorf("told: got %s, want %s", got, want)
		}
		if second := b.lists[serviceKey{path: "same"}]; &first[0] != &second[0] {
			t.Error("a list that did not change was made anew")
		}
		for i, w := range b.watches() {
			if w.Updated.Before(before[i].Updated) || w.Updated.IsZero() {
				t.Errorf("%s: confirmed at %v, want not before %v", w.Path, w.Updated, before[i].Updated)
			}
		}
	})
}

// The cost of reading a file of 1,000 services of 10 nodes, and of taking it over when one node of one of them changed.
func BenchmarkFileList(b *testing.B) {
	const services, nodes = 1000, 10
	text := func(changed bool) []byte {
		out := []byte("services:\n")
		for i := range services {
			out = fmt.Appendf(out, "- {path: com.example.Service%d, group: g, nodes: [", i)
			for n := range nodes {
				if changed && i == 0 && n == 0 {
					n = 99
				}
				out = fmt.Appendf(out, "\"10.%d.%d.%d:8002\", ", i/250, i%250, n)
			}
			out = append(out, "]}\n"...)
		}
		return out
	}
	texts := [][]byte{text(false), text(true)}
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := parseList(texts[0]); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("replace", func(b *testing.B) {
		var board board
		var lists [2]map[serviceKey][]Node
		for i := range lists {
			var err error
			if lists[i], err = parseList(texts[i]); err != nil {
				b.Fatal(err)
			}
		}
		for k := range lists[0] {
			board.watch(b.Context(), Service{Group: k.group, Path: k.path}, func(packed) {}, nil)
		}
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			board.replace(lists[i%2])
		}
	})
}
