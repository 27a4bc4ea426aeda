package registry

import (
	"context"
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// Who is told nothing has no goroutine, however many they are.
func TestFeedsAreQuiet(t *testing.T) {
	const watches = 1000
	synctest.Test(t, func(t *testing.T) {
		before := runtime.NumGoroutine()
		ctx, cancel := context.WithCancel(t.Context())
		var r Static
		var mu sync.Mutex
		told, left := 0, 0
		for i := range watches {
			s := Service{Group: hello.Group, Path: fmt.Sprintf("s%d", i)}
			r.board.watch(ctx, s, func(packed) {
				mu.Lock()
				defer mu.Unlock()
				told++
			}, func() {
				mu.Lock()
				defer mu.Unlock()
				left++
			})
		}
		synctest.Wait()
		if told != watches {
			t.Errorf("got %d told, want %d", told, watches)
		}
		if got := runtime.NumGoroutine() - before; got > 2 { // two may be others' of the test binary
			t.Errorf("got %d goroutines for %d watches of which none is told anything", got, watches)
		}
		cancel()
		synctest.Wait()
		if left != watches || len(r.board.feeds) != 0 {
			t.Errorf("after the end: got %d left and %d feeds, want all and none", left, len(r.board.feeds))
		}
	})
}

// A receiver that does not return delays the others for patience at most, and gets the latest list when it does.
func TestFeedsSlowReceiver(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		var feeds Feeds
		release := make(chan struct{})
		var stuck []int // written by one goroutine at a time, read when all rest
		slow := feeds.Watch(ctx, Service{}, func(nodes []Node) {
			<-release
			stuck = append(stuck, len(nodes))
		}, nil)
		began := time.Now()
		told := make(map[int]time.Duration)
		var quick []*Feed
		for i := range 20 {
			quick = append(quick, feeds.Watch(ctx, Service{}, func([]Node) { told[i] = time.Since(began) }, nil))
		}
		list := make([]Node, 3)
		slow.Put(list[:1])
		for _, f := range quick {
			f.Put(list)
		}
		time.Sleep(patience)
		synctest.Wait()
		if len(told) != len(quick) {
			t.Fatalf("got %d told, want all %d", len(told), len(quick))
		}
		for i, after := range told {
			if after > patience {
				t.Errorf("receiver %d was told after %v, want at most %v", i, after, patience)
			}
		}
		slow.Put(list[:2])
		slow.Put(list)
		quick[0].Put(list[:1]) // with nobody else in the queue
		synctest.Wait()
		if got := quick[0].Len(); got != 1 {
			t.Errorf("while one is stuck: another has a list of %d, want 1", got)
		}
		close(release)
		synctest.Wait()
		if got := fmt.Sprint(stuck); got != "[1 3]" {
			t.Errorf("the slow one: got lists of %s, want [1 3]", got)
		}
	})
}

// Close waits for a receiver, and nobody is told anything afterwards.
func TestFeedsClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var feeds Feeds
		told := 0
		f := feeds.Watch(t.Context(), Service{}, func([]Node) {
			time.Sleep(time.Second) // the clock is not real
			told++
		}, nil)
		f.Put(make([]Node, 1))
		synctest.Wait()
		began := time.Now()
		feeds.Close()
		if waited := time.Since(began); waited != time.Second || told != 1 {
			t.Errorf("close: took %v with %d told, want 1s and 1", waited, told)
		}
		f.Put(make([]Node, 2))
		synctest.Wait()
		if told != 1 {
			t.Error("a list was handed over after Close")
		}
	})
}
