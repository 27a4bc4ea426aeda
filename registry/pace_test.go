package registry

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"
)

// The first change goes at once, a storm of them at the pace, and the last is never lost.
func TestPace(t *testing.T) {
	for _, tt := range []struct {
		name  string
		burst int
		every time.Duration // between changes, for 10 s
		want  []int         // how many went after 0, 1, 10 and 20 s
	}{
		{"flapping", 1, 100 * time.Millisecond, []int{1, 3, 21, 21}},
		{"flapping, several sources", 4, 100 * time.Millisecond, []int{1, 6, 24, 24}},
		{"slow", 1, 2 * time.Second, []int{1, 1, 5, 5}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				newest, seen, passed := 0, 0, 0
				p := pace{burst: tt.burst}
				p.pass = func() { passed, seen = passed+1, newest }
				var got []int
				begin := time.Now()
				look := func(after time.Duration) {
					synctest.Wait()
					if len(got) < 4 && time.Since(begin) == after {
						got = append(got, passed)
					}
				}
				for since := time.Duration(0); since < 10*time.Second; since += tt.every {
					newest++
					p.poke()
					look(0)
					time.Sleep(tt.every) // the clock is not real
					look(time.Second)
				}
				if len(got) == 1 { // no change came just then
					got = append(got, 1)
				}
				look(10 * time.Second)
				time.Sleep(10 * time.Second)
				look(20 * time.Second)
				if !slices.Equal(got, tt.want) {
					t.Errorf("went: got %v, want %v", got, tt.want)
				}
				if seen != newest {
					t.Errorf("last seen: got %d, want %d", seen, newest)
				}
				p.poke()
				p.poke()
				p.close()
				before := passed
				p.poke()
				time.Sleep(time.Minute)
				if passed != before {
					t.Errorf("after close: got %d more", passed-before)
				}
			})
		})
	}
}

// A service whose nodes come and go ten times a second costs its callers two lists a second, and they end up with the last.
func TestCacheFlapping(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var reg Static
		stable, flapping := node(t, "10.0.0.1:1"), node(t, "10.0.0.2:1")
		reg.Set(hello, stable, flapping)
		c := Cached(&reg, CacheOptions{Store: newStore(t, dir), Log: testLog(t)})
		got := watch(t.Context(), t, c, hello)
		synctest.Wait()
		for range 50 {
			reg.Set(hello, stable)
			time.Sleep(50 * time.Millisecond)
			reg.Set(hello, stable, flapping)
			time.Sleep(50 * time.Millisecond)
		}
		reg.Set(hello, stable, flapping, node(t, "10.0.0.3:1"))
		time.Sleep(time.Second)
		list, updates := got.latest()
		if updates > 14 || len(list) != 3 {
			t.Errorf("got %d updates and at last %v, want at most 14 in 6 s, and the last list", updates, addrs(list))
		}
		flushed(t, c)
	})
}

func TestMergedIsPaced(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var a, b Static
		store := newStore(t, dir)
		m := Merge(Cached(&a, CacheOptions{ID: "a", Store: store}), Cached(&b, CacheOptions{ID: "b", Store: store}))
		got := watch(t.Context(), t, m, hello)
		for i := range 100 {
			a.Set(hello, node(t, fmt.Sprintf("10.0.0.1:%d", 1+i%2)), node(t, "10.0.0.3:1"))
			b.Set(hello, node(t, fmt.Sprintf("10.0.0.2:%d", 1+i%2)), node(t, "10.0.0.3:1"))
			time.Sleep(100 * time.Millisecond)
		}
		time.Sleep(2 * time.Second)
		list, updates := got.latest()
		if updates > 28 {
			t.Errorf("got %d updates in 12 s", updates)
		}
		if want := []string{"10.0.0.1:2", "10.0.0.2:2", "10.0.0.3:1"}; !slices.Equal(addrs(list), want) {
			t.Errorf("got %v, want %v", addrs(list), want)
		}
		if err := m.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
