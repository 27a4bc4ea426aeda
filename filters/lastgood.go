package filters

import (
	"bytes"
	"hash/maphash"
	"slices"
	"sync"
	"time"

	"github.com/motand/motand/motan"
)

// lastGood remembers the last good answer to each request, told apart by method, parameter
// types and body. It is bounded; when it is full somebody's answer makes room.
type lastGood struct {
	once sync.Once
	seed maphash.Seed

	mu    sync.RWMutex
	all   map[uint64]*remembered // guarded by mu
	bytes int                    // guarded by mu; of the bodies
}

type remembered struct {
	at        int64
	body      []byte
	request   []byte // the request's body: keys may meet
	gzip      byte
	serialize byte
}

const (
	maxRemembered      = 5000
	maxRememberedBytes = 16 << 20 // requests and answers of one service
	maxRememberedBody  = 64 << 10 // of one request and its answer
)

func (l *lastGood) key(c *motan.Call) uint64 {
	l.once.Do(func() { l.seed = maphash.MakeSeed() })
	var h maphash.Hash
	h.SetSeed(l.seed)
	for _, part := range [][]byte{c.Request.Method(), {'\n'}, c.Request.MethodDesc(), {'\n', c.Request.Serialize, c.Request.Type & motan.FlagGzip}, c.Request.Body()} {
		_, _ = h.Write(part) // never fails
	}
	return h.Sum64()
}

// keep remembers the reply of c, unless one is known that is hardly older.
func (l *lastGood) keep(c *motan.Call, now int64, age time.Duration) {
	size := len(c.Reply.Body()) + len(c.Request.Body())
	if size > maxRememberedBody {
		return
	}
	key := l.key(c)
	l.mu.RLock()
	old := l.all[key]
	l.mu.RUnlock()
	if old != nil && now-old.at < int64(age)/10 {
		return
	}
	r := &remembered{
		at: now, body: slices.Clone(c.Reply.Body()), request: slices.Clone(c.Request.Body()),
		gzip: c.Reply.Type & motan.FlagGzip, serialize: c.Reply.Serialize,
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.drop(key)
	for victim := range l.all { // any: the map is in no order
		if len(l.all) < maxRemembered && l.bytes+size <= maxRememberedBytes {
			break
		}
		l.drop(victim)
	}
	if l.all == nil {
		l.all = make(map[uint64]*remembered)
	}
	l.all[key] = r
	l.bytes += size
}

// drop forgets an answer. Caller holds mu.
func (l *lastGood) drop(key uint64) {
	if r := l.all[key]; r != nil {
		l.bytes -= len(r.body) + len(r.request)
		delete(l.all, key)
	}
}

// answer makes the last good answer the reply of c, if there is one that is not too old.
func (l *lastGood) answer(c *motan.Call, now int64, age time.Duration) bool {
	key := l.key(c)
	l.mu.RLock()
	r := l.all[key]
	l.mu.RUnlock()
	if r == nil || now-r.at > int64(age) || !bytes.Equal(r.request, c.Request.Body()) {
		return false
	}
	c.Retry()
	c.Reply.Type |= r.gzip
	c.Reply.Serialize = r.serialize
	c.Reply.SetBody(r.body)
	return true
}

// size is how many answers are known.
func (l *lastGood) size() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.all)
}
