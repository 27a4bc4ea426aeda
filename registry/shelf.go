package registry

import "time"

const (
	// shelfShare is the part of the time that goes into writing snapshots, one in so many, when there is always one to write:
	// making a file and renaming it takes the kernel up to half a millisecond.
	shelfShare = 100
	// shelfCredit is how much may be written at once after a time in which there was little to write. It is some thousands of
	// them, thus all of an ordinary host.
	shelfCredit = 3 * time.Second
	// shelfMost is how long one writing counts at most: a disk that hangs takes no processor.
	shelfMost = 20 * time.Millisecond
	// shelfPause is how long snapshots are not looked at after a list was read from the disk: there may be another registry's.
	shelfPause = time.Second
)

// shelf says which snapshots of services are to be written or looked at, and when. They are read only when no agent runs, so
// that where thousands change they may follow one after the other: a flood of changes must not take the processor from calls.
// It has no clock and no lock.
type shelf struct {
	queue   []serviceKey
	waiting map[serviceKey]struct{} // those in queue, checks and again
	checks  []serviceKey            // to be looked at from checksAt on
	again   []serviceKey            // failed, to be tried again at againAt
	failed  map[serviceKey]struct{} // of which the last writing failed
	sums    map[serviceKey]uint32   // of what is there, as far as it was written or read
	turn    serviceKey              // whose snapshot is being written where busy
	busy    bool
	retry   time.Duration
	paid    time.Time // until when what was written takes the share of the time

	checksAt, againAt time.Time
}

func newShelf() shelf {
	return shelf{waiting: make(map[serviceKey]struct{}), failed: make(map[serviceKey]struct{}), sums: make(map[serviceKey]uint32)}
}

func (f *shelf) empty() bool { return len(f.waiting) == 0 }

// needs tells whether the lists of k are needed for its snapshot.
func (f *shelf) needs(k serviceKey) bool { return f.waits(k) || f.busy && f.turn == k }

func (f *shelf) waits(k serviceKey) bool {
	_, waits := f.waiting[k]
	return waits
}

// add has the snapshot of k written.
func (f *shelf) add(k serviceKey) {
	if !f.waits(k) {
		f.waiting[k] = struct{}{}
		f.queue = append(f.queue, k)
	}
}

// check has the snapshot of k looked at, a little later than now.
func (f *shelf) check(k serviceKey, now time.Time) {
	if !f.waits(k) {
		f.waiting[k] = struct{}{}
		f.checks = append(f.checks, k)
		f.checksAt = now.Add(shelfPause)
	}
}

// drop forgets the snapshot of k, which nobody needs any more.
func (f *shelf) drop(k serviceKey) {
	delete(f.sums, k)
	delete(f.failed, k)
}

// next takes the service whose snapshot is to be written now, or tells how long to wait for one; 0 is for ever.
func (f *shelf) next(now time.Time, hurry bool) (k serviceKey, wait time.Duration, some bool) {
	for _, l := range []struct {
		list *[]serviceKey
		at   time.Time
	}{{&f.checks, f.checksAt}, {&f.again, f.againAt}} {
		switch rest := l.at.Sub(now); {
		case len(*l.list) == 0:
		case rest <= 0 || hurry:
			f.queue = append(f.queue, *l.list...)
			*l.list = nil
		case wait == 0 || rest < wait:
			wait = rest
		}
	}
	if len(f.queue) == 0 {
		f.queue = nil
		return serviceKey{}, wait, false
	}
	if rest := f.paid.Sub(now); rest > 0 && !hurry {
		if wait == 0 || rest < wait {
			wait = rest
		}
		return serviceKey{}, wait, false
	}
	k, f.queue = f.queue[0], f.queue[1:]
	delete(f.waiting, k)
	f.turn, f.busy = k, true
	return k, 0, true
}

// done notes how the writing of what next took went, which lasted from began to now.
func (f *shelf) done(k serviceKey, sum uint32, began, now time.Time, hurry bool, err error) {
	if earliest := now.Add(-shelfShare * shelfCredit); f.paid.Before(earliest) {
		f.paid = earliest
	}
	f.paid = f.paid.Add(shelfShare * min(now.Sub(began), shelfMost))
	f.busy = false
	if err == nil {
		f.sums[k] = sum
		if delete(f.failed, k); len(f.failed) == 0 {
			f.retry = 0
		}
		return
	}
	delete(f.sums, k)
	f.failed[k] = struct{}{}
	if hurry || f.waits(k) {
		return
	}
	f.waiting[k] = struct{}{}
	if f.again = append(f.again, k); len(f.again) == 1 {
		f.retry = min(max(2*f.retry, firstRetry), maxRetry)
		f.againAt = now.Add(f.retry)
	}
}
