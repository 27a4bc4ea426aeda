package cluster

import (
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/meta"
)

// Weights say how the nodes of a cluster are asked for the weight that they have at the moment, which counts before the one
// in the registry. The zero Weights ask nobody. Only balances that go by weights ask.
type Weights struct {
	Every  time.Duration // between two questions to a node
	Cache  time.Duration // how long an answer of an address serves all clusters
	Prefix string        // of the name of the weight in a node's metadata, before "WEIGHT"; META_ counts as well
}

const (
	askPatience     = time.Second      // how long an answer is waited for
	notSupportedFor = 30 * time.Second // how long who does not know the question is not asked again
	askSoon         = 10 * time.Millisecond
	mostAsked       = 256 // questions at once
)

// told is what a provider has told of itself last.
type told struct {
	weight int   // 0 for none
	until  int64 // when it is to be asked again
}

// told returns what is known of the provider behind client, and whether it is to be asked, which nobody else does then.
func (p *Pool) told(key ClientKey, now int64) (t told, ask bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	e := p.clients[key]
	switch {
	case e == nil:
		return told{}, false
	case e.told == nil:
		e.told = new(told)
	case now < e.told.until:
		return *e.told, false
	}
	e.told.until = now + int64(askPatience)
	return *e.told, true
}

// tell notes what the provider has told.
func (p *Pool) tell(key ClientKey, t told) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if e := p.clients[key]; e != nil {
		e.told = &t
	}
}

// weigher asks the nodes of a cluster for their weights, one timer for all of them.
type weigher struct {
	cluster *Cluster
	weights Weights

	asking  atomic.Int32 // questions without an answer, and one while they are asked
	changed atomic.Bool  // a weight, since the choice was made

	mu     sync.Mutex
	timer  *time.Timer // guarded by mu
	closed bool        // guarded by mu
}

// weighs tells whether a balance goes by weights.
func weighs(b Balance) bool {
	_, ok := b.(WeightedRoundRobin)
	return ok
}

// soon asks in a moment: the list has changed.
func (w *weigher) soon() { w.in(askSoon) }

func (w *weigher) in(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch {
	case w.closed:
	case w.timer == nil:
		w.timer = time.AfterFunc(d, w.ask)
	default:
		w.timer.Reset(d)
	}
}

func (w *weigher) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.closed = true
	if w.timer != nil {
		w.timer.Stop()
	}
}

// ask asks every node that can be reached and was not asked lately.
func (w *weigher) ask() {
	defer w.in(w.weights.Every)
	if !w.asking.CompareAndSwap(0, 1) {
		return // the last round is not over
	}
	now := motan.Now()
	endpoints := w.cluster.picker.Load().endpoints
	for i := range endpoints {
		e := &endpoints[i]
		if !e.Usable() {
			continue
		}
		key := w.cluster.key(e.Addr())
		t, ask := w.cluster.settings.Pool.told(key, now)
		if !ask {
			w.set(e, t.weight)
			continue
		}
		if w.asking.Load() > mostAsked {
			w.cluster.settings.Pool.tell(key, told{t.weight, 0}) // in the next round
			continue
		}
		w.asking.Add(1)
		c := motan.NewCall()
		meta.Request(&c.Request)
		c.Deadline = c.Start + int64(askPatience)
		c.Push(&question{weigher: w, endpoint: e, key: key, before: t.weight}, 0)
		e.Handle(c)
	}
	w.answered()
}

// answered notes that a question has its answer, or that all were asked. The last one has the calls shared out anew.
func (w *weigher) answered() {
	if w.asking.Add(-1) == 0 && w.changed.Swap(false) {
		w.cluster.reweigh()
	}
}

// set notes the weight that e has told.
func (w *weigher) set(e *Endpoint, weight int) {
	v := e.vitals()
	if v == nil {
		if weight == 0 {
			return
		}
		v = e.remember()
	}
	if v.weight.Swap(int32(weight)) != int32(weight) {
		w.changed.Store(true)
	}
}

// question waits for one answer.
type question struct {
	weigher  *weigher
	endpoint *Endpoint
	key      ClientKey
	before   int
}

// Return takes the answer. It is the edge of the call.
func (q *question) Return(c *motan.Call, _ int) bool {
	w := q.weigher
	now := c.Now()
	t := told{q.before, now + int64(w.weights.Cache)}
	if c.Err == nil {
		t.weight = 0
		values, err := meta.Read(&c.Reply)
		if c.Reply.Failed() || err != nil {
			t.until = now + int64(notSupportedFor)
		} else {
			t.weight = weightOf(values[w.weights.Prefix+meta.Weight])
			if t.weight == 0 {
				t.weight = weightOf(values[weightParam])
			}
		}
	}
	w.cluster.settings.Pool.tell(q.key, t)
	w.set(q.endpoint, t.weight)
	c.Release()
	w.answered()
	return false
}

// weightOf reads a weight, 0 for none.
func weightOf(text string) int {
	n, err := strconv.Atoi(text)
	if err != nil {
		return 0
	}
	return min(max(n, 1), maxWeight)
}

// reweigh makes the choice anew, as weights have changed.
func (k *Cluster) reweigh() {
	k.mu.Lock()
	defer k.mu.Unlock()
	if endpoints := k.picker.Load().endpoints; !k.gone && len(endpoints) > 0 {
		k.picker.Store(&picker{endpoints: endpoints, choice: k.choiceOver(endpoints)})
	}
}
