package cluster

import (
	"strings"
	"sync/atomic"

	"github.com/motand/motand/motan"
)

// Strategy is what is done about failures.
type Strategy uint8

const (
	// Failover tries again: elsewhere where nothing was sent or the node does not host the service, else as often as
	// Settings.Retries says.
	Failover Strategy = iota
	// BackupRequest is Failover, and a call that takes long is sent a second time while the first answer is awaited; see
	// Backup. Without Retries it is Failover.
	BackupRequest
	// FailFast makes one attempt and tells its outcome.
	FailFast
)

var strategies = []string{"failover", "backupRequest", "failfast"}

// Strategies are those that the key haStrategy names.
func Strategies() []string { return strategies }

// NewStrategy returns the strategy of that name, of which the empty one is failover. Ok is false for a name that is not known.
func NewStrategy(name string) (s Strategy, ok bool) {
	for i, known := range strategies {
		if name == known {
			return Strategy(i), true
		}
	}
	return Failover, name == ""
}

// counts are what a cluster has done about failures.
type counts struct {
	expired   atomic.Int64
	retries   atomic.Int64
	backups   atomic.Int64
	won       atomic.Int64
	exhausted atomic.Int64
}

// Counts are what a cluster has done about failures, since it was made.
type Counts struct {
	Expired    int64 // calls refused because their time was over
	Retries    int64 // further attempts after one that may have been executed
	Backups    int64 // backup requests
	BackupsWon int64 // those that were answered first
	Exhausted  int64 // retries and backup requests not made because of the budget
}

// Counts returns the figures of now.
func (k *Cluster) Counts() Counts {
	n := k.counts.Load()
	if n == nil {
		return Counts{}
	}
	return Counts{
		Expired: n.expired.Load(), Retries: n.retries.Load(), Backups: n.backups.Load(),
		BackupsWon: n.won.Load(), Exhausted: n.exhausted.Load(),
	}
}

// count returns where to count what was done; most clusters of a large mesh never do anything.
func (k *Cluster) count() *counts {
	if n := k.counts.Load(); n != nil {
		return n
	}
	k.counts.CompareAndSwap(nil, new(counts))
	return k.counts.Load()
}

// repeats tells whether calls of the method that may have been executed can be sent again.
func (m Method) repeats() bool { return m.Retries > 0 && !m.Once }

// again decides whether the outcome of attempt n allows another one: always where nothing was
// sent or the node does not host the service, else as often as retries says and the budget allows, and never after
// an exception of the implementation's own.
func (k *Cluster) again(c *motan.Call, n int) bool {
	if good(c) || n >= maxTries || k.settings.Strategy == FailFast || c.Now() >= c.Deadline {
		return false
	}
	m := k.method(c)
	if unexecuted(c) {
		return n < min(len(k.picker.Load().endpoints), safeTries)+m.Retries
	}
	retriable := c.Err == nil || c.Err.Kind == motan.KindBroken || c.Err.Kind == motan.KindTimeout
	if !retriable || m.Once || n > m.Retries || !k.afford(c.Now()) {
		return false
	}
	k.count().retries.Add(1)
	return true
}

// good tells whether c has ended with an answer that no other node would give in another way.
func good(c *motan.Call) bool {
	if c.Err != nil {
		return false
	}
	x, failed := c.Reply.Exception()
	return !failed || x.Type == motan.TypeBiz
}

// unexecuted tells whether it is certain that no provider has executed c.
func unexecuted(c *motan.Call) bool {
	if c.Err != nil {
		return c.Err.Kind == motan.KindNotSent
	}
	x, _ := c.Reply.Exception()
	return x.Code == motan.CodeNotFound && strings.Contains(x.Message, motan.ProviderNotExist)
}
