package zookeeper

import (
	"strconv"
	"testing"
	"time"
)

// With many lists all of them are looked at now and then; what was due then is begun in between as places become free, and
// what has changed meanwhile is not.
func TestAgenda(t *testing.T) {
	const lists = 10_000
	r, err := New(Options{Address: "127.0.0.1:1"})
	if err != nil {
		t.Fatal(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	now := time.Unix(1_000_000, 0)
	all := make([]*lookout, lists)
	for i := range all {
		all[i] = &lookout{vigil: vigil{dirty: true}, dir: strconv.Itoa(i)}
		r.lookouts[all[i].dir] = all[i]
	}
	busy := func() (n int) {
		for _, o := range all {
			if o.busy {
				n++
			}
		}
		return n
	}
	if jobs, _ := r.due(now); len(jobs) != maxReadings || busy() != maxReadings || len(r.agenda.tasks) != lists-maxReadings {
		t.Fatalf("at first: got %d jobs, %d lists being read, %d waiting", len(jobs), busy(), len(r.agenda.tasks))
	}
	jobs, again := r.due(now)
	if want := now.Add(lists * lookShare); len(jobs) != 0 || !again.Equal(want) {
		t.Fatalf("without a free place: got %d jobs, the next look in %v, want one in %v", len(jobs), again.Sub(now), want.Sub(now))
	}

	// A place becomes free, and the lists that would be next are not to be read any more.
	gone, read := r.agenda.tasks[0], 0
	for _, o := range all {
		if !o.busy {
			o.dirty, o.auditAt = false, now.Add(time.Hour)
			read++
		}
	}
	r.running--
	if jobs, _ := r.due(now); len(jobs) != 0 || len(r.agenda.tasks) != 0 || read != lists-maxReadings {
		t.Errorf("nothing is due any more: got %d jobs, %d waiting", len(jobs), len(r.agenda.tasks))
	}
	if gone.begin(now, r.client()) != nil {
		t.Error("a list that is not due is read")
	}

	// What becomes due between two looks is begun at the next.
	var late *lookout
	for _, o := range all {
		if !o.busy {
			late = o
		}
	}
	late.dirty = true
	if jobs, at := r.due(now.Add(time.Millisecond)); len(jobs) != 0 || !at.Equal(again) {
		t.Errorf("before the next look: got %d jobs, a look in %v", len(jobs), at.Sub(now))
	}
	if jobs, _ := r.due(again); len(jobs) != 1 || !late.busy {
		t.Errorf("at the next look: got %d jobs", len(jobs))
	}
	r.running--
	late.busy, late.auditAt = false, now.Add(time.Hour)
	r.noticed(late.dir)
	if jobs, _ := r.due(again.Add(time.Millisecond)); len(jobs) != 1 || !late.busy {
		t.Errorf("a notice between two looks: got %d jobs", len(jobs))
	}
	if _, at := r.due(again.Add(lists * lookShare)); !at.Equal(now.Add(time.Hour)) {
		t.Errorf("with nothing to do: got a look in %v, want one when the next list is due", at.Sub(now))
	}
}
