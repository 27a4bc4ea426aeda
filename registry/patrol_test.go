package registry

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"
)

// answers is a Prober for which everybody answers but those that are named.
type answers struct {
	mu    sync.Mutex
	dead  map[string]error // guarded by mu
	asked map[string]int   // guarded by mu
}

func (a *answers) Probe(ctx context.Context, addr string) error {
	a.mu.Lock()
	err := a.dead[addr]
	if a.asked == nil {
		a.asked = make(map[string]int)
	}
	a.asked[addr]++
	a.mu.Unlock()
	if errors.Is(err, context.DeadlineExceeded) {
		<-ctx.Done()
		return fmt.Errorf("ping: %w", ctx.Err())
	}
	return err
}

func (a *answers) kill(addr string, err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.dead == nil {
		a.dead = make(map[string]error)
	}
	a.dead[addr] = err
}

func (a *answers) count(addr string) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.asked[addr]
}

// Ten nodes become one while the others answer: all stay in use, and those that die go within seconds.
func TestCacheKeepsWhoAnswers(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var reg Static
		var log bytes.Buffer
		alive := new(answers)
		all := ports(t, "1 2 3 4 5 6 7 8 9 10")
		reg.Set(hello, all...)
		c := Cached(&reg, CacheOptions{
			ID: "zk", Store: newStore(t, dir), Prober: alive, Log: slog.New(slog.NewTextHandler(&log, nil)),
		})
		got := watch(t.Context(), t, c, hello)
		synctest.Wait()
		alive.kill("10.0.0.1:9", syscall.ECONNREFUSED)
		alive.kill("10.0.0.1:8", context.DeadlineExceeded)
		for i := len(all) - 1; i > 0; i-- { // one after the other, as sessions expire
			reg.Set(hello, all[:i]...)
			time.Sleep(100 * time.Millisecond)
		}
		in := func(n int, after time.Duration) {
			t.Helper()
			time.Sleep(after)
			synctest.Wait()
			if list, _ := got.latest(); len(list) != n {
				t.Errorf("%v later: got %v, want %d nodes", after, addrs(list), n)
			}
		}
		in(8, 2*time.Second) // 9 refuses and 8 hangs: they are not recalled
		alive.kill("10.0.0.1:3", syscall.ECONNREFUSED)
		in(7, 10*time.Second)
		if w := c.State().Watches[0]; w.Kept != 6 || w.KeptSince.IsZero() || !w.Stale || !strings.Contains(w.LastError, "lists 1 nodes; 6 more") {
			t.Errorf("state: got %+v", w)
		}
		in(7, 5*time.Minute)
		in(1, 6*time.Minute) // the grace is over
		asked := alive.count("10.0.0.1:5")
		in(1, time.Hour)
		if n := alive.count("10.0.0.1:5"); n != asked || asked < 100 {
			t.Errorf("asked %d times, and %d times after the grace", asked, n-asked)
		}
		if w := c.State().Watches[0]; w.Kept != 0 || w.Stale || w.LastError != "" {
			t.Errorf("state at the end: got %+v", w)
		}
		flushed(t, c)
		if n := strings.Count(log.String(), "\n"); n != 2 || !strings.Contains(log.String(), "stay in use while they answer") || !strings.Contains(log.String(), "registry=zk") {
			t.Errorf("log: got %s; want one line at the beginning and one at the end", log.String())
		}
	})
}

// The registry says that nobody is there, and that is true: nobody answers. It is known within seconds, and after a restart.
func TestCacheEmptyListThatIsTrue(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var reg Static
		alive := new(answers)
		reg.Set(hello, ports(t, "1 2")...)
		alive.kill("10.0.0.1:1", syscall.ECONNREFUSED)
		alive.kill("10.0.0.1:2", syscall.ECONNREFUSED)
		c := Cached(&reg, CacheOptions{ID: "zk", Store: newStore(t, dir), Prober: alive, Log: testLog(t)})
		got := watch(t.Context(), t, c, hello)
		synctest.Wait()
		reg.Set(hello)
		time.Sleep(time.Second)
		synctest.Wait()
		if list, n := got.latest(); n == 0 || len(list) != 0 {
			t.Errorf("got %v, want nobody", addrs(list))
		}
		flushed(t, c)
	})
	if k, known := remembered(t, dir, "zk"); !known || len(k.nodes) != 0 {
		t.Errorf("disk: got %v, %v; want to know that nobody is there", addrs(k.nodes.nodes()), known)
	}
}

// A registry that loses everything is told once, not once for each service, and each address is asked once in a round.
func TestCacheLosesEverything(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		const services = 200
		var reg Static
		var log bytes.Buffer
		alive := new(answers)
		c := Cached(&reg, CacheOptions{Store: newStore(t, dir), Prober: alive, Log: slog.New(slog.NewTextHandler(&log, nil))})
		ctx, cancel := context.WithCancel(t.Context())
		service := func(i int) Service { return Service{Group: hello.Group, Path: fmt.Sprintf("com.example.S%d", i)} }
		receivers := make([]*receiver, services)
		for i := range services {
			n := node(t, "10.0.0.1:1")
			n.Service = service(i)
			reg.Set(service(i), n)
			receivers[i] = watch(ctx, t, c, service(i))
		}
		synctest.Wait()
		for i := range services {
			reg.Set(service(i))
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		for i, r := range receivers {
			if list, n := r.latest(); len(list) != 1 || n != 1 {
				t.Fatalf("service %d: got %v in %d updates, want its node, once", i, addrs(list), n)
			}
		}
		if n := alive.count("10.0.0.1:1"); n > 25 || n < 10 {
			t.Errorf("asked %d times in a minute", n)
		}
		if n := strings.Count(log.String(), "\n"); n < 1 || n > 9 {
			t.Errorf("log: got %d lines for %d services: %s", n, services, log.String())
		}
		cancel() // nobody looks any more, so nobody is asked
		time.Sleep(time.Minute)
		asked := alive.count("10.0.0.1:1")
		time.Sleep(time.Hour)
		if n := alive.count("10.0.0.1:1"); n != asked {
			t.Errorf("asked %d times more after the last watch", n-asked)
		}
		flushed(t, c)
	})
}

// After a restart the list on disk is protected like one that the registry has told.
func TestCacheProtectsWhatIsOnDisk(t *testing.T) {
	dir := t.TempDir()
	remember(t, dir, "zk", ports(t, "1 2 3 4")...)
	synctest.Test(t, func(t *testing.T) {
		var reg Static
		alive := new(answers)
		alive.kill("10.0.0.1:2", syscall.EHOSTUNREACH)
		reg.Set(hello, ports(t, "1")...)
		c := Cached(&reg, CacheOptions{ID: "zk", Store: newStore(t, dir), Prober: alive, Log: testLog(t)})
		got := watch(t.Context(), t, c, hello)
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if list, _ := got.latest(); strings.Join(addrs(list), " ") != "10.0.0.1:1 10.0.0.1:3 10.0.0.1:4" {
			t.Errorf("got %v, want 1 and those that answer", addrs(list))
		}
		flushed(t, c)
	})
}

func TestIsTimeout(t *testing.T) {
	for _, tt := range []struct {
		err  error
		want bool
	}{
		{nil, false},
		{syscall.ECONNREFUSED, false},
		{syscall.ETIMEDOUT, true},
		{fmt.Errorf("dial: %w", context.DeadlineExceeded), true},
		{errors.New("i/o"), false},
	} {
		if got := isTimeout(tt.err); got != tt.want {
			t.Errorf("%v: got %v", tt.err, got)
		}
	}
}
