package metrics

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"
)

var echo = Key{Role: "motan-client-agent", Application: "app", Group: "g", Service: "com.example.Echo"}

// all returns what r has counted, by service and method.
func all(r *Registry) map[string]Series {
	series := map[string]Series{}
	r.Each(func(s Series) {
		series[s.Service+"/"+s.Method] = s
	})
	return series
}

func TestCount(t *testing.T) {
	r := New(Options{Kinds: []string{"other", "timeout", "broken"}})
	m := r.Service(echo).Method([]byte("hello"))
	for _, c := range []struct {
		d time.Duration
		o Outcome
	}{
		{time.Millisecond, OK},
		{200 * time.Millisecond, OK},
		{201 * time.Millisecond, BizException},
		{3 * time.Second, Kind(1)},
		{time.Millisecond, Exception},
		{time.Millisecond, Kind(2)},
		{time.Millisecond, Kind(2)},
		{time.Millisecond, Kind(7)},  // has no name
		{time.Millisecond, Kind(99)}, // is none
		{time.Millisecond, Kind(-1)},
	} {
		m.Count(c.d, c.o)
	}
	s, ok := all(r)["com.example.Echo/hello"]
	if !ok {
		t.Fatalf("got %v, want com.example.Echo/hello", all(r))
	}
	if s.Key != echo {
		t.Errorf("got key %+v, want %+v", s.Key, echo)
	}
	got := fmt.Sprintf("total %d, slow %d, biz %d, other %d", s.Total(), s.Slow(), s.BizErrors(), s.OtherErrors())
	if want := "total 10, slow 2, biz 1, other 7"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	var outcomes []string
	s.EachOutcome(func(name string, n uint64) { outcomes = append(outcomes, fmt.Sprint(name, " ", n)) })
	if got, want := strings.Join(outcomes, ", "), "ok 2, biz_exception 1, exception 1, other 3, timeout 1, broken 2"; got != want {
		t.Errorf("got outcomes %s, want %s", got, want)
	}
	if want := 3408 * time.Millisecond; s.Durations.Sum != want {
		t.Errorf("got sum %v, want %v", s.Durations.Sum, want)
	}
	if got := s.Outcome(200); got != 0 {
		t.Errorf("got %d of an outcome that does not exist, want 0", got)
	}
}

func TestWithoutKindsErrorsAreOther(t *testing.T) {
	r := New(Options{})
	r.Service(echo).Method([]byte("m")).Count(0, Kind(4))
	s := all(r)["com.example.Echo/m"]
	names := map[string]uint64{}
	s.EachOutcome(func(name string, n uint64) { names[name] = n })
	if names["other"] != 1 || names["ok"] != 0 {
		t.Errorf("got %v, want other 1 and ok 0", names)
	}
}

func TestMethodsAreLimited(t *testing.T) {
	r := New(Options{MaxMethods: 3})
	s := r.Service(echo)
	for i := range 10 {
		s.Method(fmt.Appendf(nil, "/path/%d", i)).Count(0, OK)
	}
	r.Service(Key{Service: "another"}).Method([]byte("m")).Count(0, OK)
	got := all(r)
	if len(got) != 5 {
		t.Errorf("got %d series, want 3, one for the rest and one of another service", len(got))
	}
	if rest := got["com.example.Echo/"+Other]; rest.Total() != 7 {
		t.Errorf("got %d calls of %s, want 7", rest.Total(), Other)
	}
	if first := got["com.example.Echo//path/0"]; first.Total() != 1 {
		t.Errorf("got %d calls of the first method, want 1", first.Total())
	}
	if m := s.Method([]byte("/path/1")); m.Name() != "/path/1" {
		t.Errorf("a known method became %q when the limit was reached", m.Name())
	}
}

func TestSeriesAreLimited(t *testing.T) {
	r := New(Options{MaxSeries: 4})
	for i := range 10 {
		for j := range 3 {
			k := Key{Role: "r", Application: "a", Group: "g", Service: fmt.Sprint("s", i)}
			r.Service(k).Method(fmt.Append(nil, "m", j)).Count(0, OK)
		}
	}
	total, own := uint64(0), 0
	for _, s := range all(r) {
		total += s.Total()
		if s.Method != Other {
			own++
		}
	}
	if total != 30 || own != 4 {
		t.Errorf("got %d calls in all and %d series of their own, want 30 and 4", total, own)
	}
	if got := r.count; got != 5 {
		t.Errorf("got %d services, want 4 and one for the rest", got)
	}
	rest := all(r)[Other+"/"+Other]
	if rest.Total() != 18 || rest.Role != "r" || rest.Application != "" {
		t.Errorf("got %d calls of role %q, application %q for the rest, want 18, r and none", rest.Total(), rest.Role, rest.Application)
	}
}

func TestHostileNames(t *testing.T) {
	tests := []struct{ name, method, want string }{
		{"empty", "", ""},
		{"text", "größe", "größe"},
		{"not UTF-8", "a\xff", Other},
		{"too long", strings.Repeat("x", maxNameBytes+1), Other},
		{"as long as may be", strings.Repeat("x", maxNameBytes), strings.Repeat("x", maxNameBytes)},
		{"pretends", Other, Other},
		{"newline", "a\nb", "a\nb"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := New(Options{}).Service(echo).Method([]byte(tt.method)).Name(); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
	r := New(Options{})
	s := r.Service(Key{Service: "a\xff"})
	if got := s.Key().Service; got != "a\ufffd" {
		t.Errorf("got service %q, want it as UTF-8", got)
	}
	if r.Service(Key{Service: "a\xff"}) != s || r.Service(Key{Service: "a\ufffd"}) != s {
		t.Error("the same service has two counters")
	}
}

func TestSameKeySameCounters(t *testing.T) {
	r := New(Options{})
	if first := r.Service(echo); r.Service(echo) != first {
		t.Error("two Services for one key")
	}
	cluster := echo
	cluster.Cluster = true
	if r.Service(echo) == r.Service(cluster) {
		t.Error("calls and attempts have the same counters")
	}
}

// TestNothingIsLost counts from many goroutines while others read, also where sets of
// counters are added and methods come up.
func TestNothingIsLost(t *testing.T) {
	const goroutines, each = 16, 5000
	r := New(Options{Kinds: []string{"other"}, MaxMethods: 5})
	var counting, reading sync.WaitGroup
	stop := make(chan struct{})
	reading.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			r.Each(func(s Series) {
				if failed := s.BizErrors() + s.OtherErrors(); failed > s.Total() {
					t.Errorf("%s: %d failures of %d calls", s.Method, failed, s.Total())
				}
			})
		}
	})
	for g := range goroutines {
		counting.Go(func() {
			for i := range each {
				m := r.Service(echo).Method(fmt.Append(nil, i%8))
				m.Count(time.Duration(i), Outcome(i%4)) // every outcome a quarter
				if i%100 == 0 {
					m.apart().sum.Add(uint64(g)) // as if it was contended
				}
			}
		})
	}
	counting.Wait()
	close(stop)
	reading.Wait()
	total, biz, other, series := uint64(0), uint64(0), uint64(0), 0
	r.Each(func(s Series) {
		total += s.Total()
		biz += s.BizErrors()
		other += s.OtherErrors()
		series++
	})
	if total != goroutines*each || biz != total/4 || other != total/2 {
		t.Errorf("got %d calls, %d and %d failures, want %d, %d and %d",
			total, biz, other, goroutines*each, goroutines*each/4, goroutines*each/2)
	}
	if series != 6 {
		t.Errorf("got %d series, want 5 and one for the rest", series)
	}
}

func TestCountingAllocatesNothing(t *testing.T) {
	r := New(Options{})
	s := r.Service(echo)
	s.Method([]byte("busy")).apart() // makes the set that is used below
	busy, name, rest := s.Method([]byte("busy")), []byte("hello"), []byte(strings.Repeat("x", 1000))
	if got := testing.AllocsPerRun(1000, func() {
		s.Method(name).Count(time.Millisecond, Exception)
		s.Method(rest).Count(time.Millisecond, OK)
		r.Service(echo)
		busy.apart().sum.Add(1)
	}); got != 0 {
		t.Errorf("got %v allocations, want 0", got)
	}
}

func BenchmarkCount(b *testing.B) {
	s := New(Options{}).Service(echo)
	name := []byte("helloWorld")
	b.Run("one", func(b *testing.B) {
		b.ReportAllocs()
		for i := 0; b.Loop(); i++ {
			s.Method(name).Count(time.Duration(i&0xfffff), OK)
		}
	})
	b.Run("handle", func(b *testing.B) {
		m := s.Method(name)
		for i := 0; b.Loop(); i++ {
			m.Count(time.Duration(i&0xfffff), OK)
		}
	})
	b.Run("all processors, one method", func(b *testing.B) {
		b.ReportAllocs()
		b.RunParallel(func(pb *testing.PB) {
			for i := 0; pb.Next(); i++ {
				s.Method(name).Count(300*time.Microsecond, OK)
			}
		})
	})
}
