package registry

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"sync"
	"time"
	"unique"
)

const (
	// patrolPause is how often nodes in doubt are looked at; patrolShare is added for each of them, so that a host never
	// makes more than 200 attempts a second.
	patrolPause, patrolShare = 3 * time.Second, 5 * time.Millisecond
	// patrolGap is how long nodes that come in doubt while others are looked at wait at most, but for patrolShare.
	patrolGap = 300 * time.Millisecond
	// probeTimeout is how long a node may take to answer.
	probeTimeout = 2 * time.Second
	// probers is how many nodes are asked at once.
	probers = 32
)

// Prober tells whether providers answer. It knows better than a registry.
type Prober interface {
	// Probe returns nil when the provider at addr (as Node.Addr gives it) answers a heartbeat. It waits until ctx ends at
	// most. It may be called at once.
	Probe(ctx context.Context, addr string) error
}

// look has the nodes in doubt looked at now. The goroutine that does so lives while there are any.
func (c *Cache) look() {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case c.wake <- struct{}{}:
	default: // it was told already
	}
	if !c.patrolling && !c.closed {
		c.patrolling = true
		go c.patrol() // ends when no node is in doubt, or with Close
	}
}

// patrol asks the nodes in doubt again and again whether they answer.
func (c *Cache) patrol() {
	var told alarm
	for {
		doubts := c.doubts()
		told.report(c)
		if len(doubts) == 0 && c.rest() {
			return
		}
		if c.prober != nil {
			c.probe(doubts)
		}
		share := time.Duration(len(doubts)) * patrolShare
		if !c.pause(patrolGap+share, nil) || !c.pause(patrolPause+rand.N(patrolPause/4), c.wake) {
			return
		}
	}
}

// pause waits for d or for a token in wake. It reports false when the cache is closed.
func (c *Cache) pause(d time.Duration, wake <-chan struct{}) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-wake:
	case <-c.ctx.Done():
		return false
	}
	return true
}

// rest ends the patrol unless something came in doubt meanwhile.
func (c *Cache) rest() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	select {
	case <-c.wake:
		return false
	default:
	}
	c.patrolling = false
	return true
}

// doubts returns who wants to know whether an address answers.
func (c *Cache) doubts() map[unique.Handle[addr]][]*cached {
	doubts := make(map[unique.Handle[addr]][]*cached)
	now := time.Now()
	for _, w := range c.all() {
		for _, at := range w.doubted(now) {
			doubts[at] = append(doubts[at], w)
		}
	}
	return doubts
}

// probe asks each address once, several at a time, and tells those who want to know.
func (c *Cache) probe(doubts map[unique.Handle[addr]][]*cached) {
	addrs := make(chan unique.Handle[addr], len(doubts))
	for at := range doubts {
		addrs <- at
	}
	close(addrs)
	var wait sync.WaitGroup
	for range min(probers, len(doubts)) {
		wait.Go(func() { // ends when all were asked, or with Close
			for at := range addrs {
				if c.ctx.Err() != nil || c.idle() {
					return
				}
				ctx, cancel := context.WithTimeout(c.ctx, probeTimeout)
				err := c.prober.Probe(ctx, Node{Host: at.Value().host, Port: at.Value().port}.Addr())
				cancel()
				if c.ctx.Err() != nil {
					return // that it was not reached means nothing
				}
				for _, w := range doubts[at] {
					w.judge(at, err == nil, isTimeout(err))
				}
			}
		})
	}
	wait.Wait()
}

func isTimeout(err error) bool {
	netErr, ok := errors.AsType[net.Error](err)
	return ok && netErr.Timeout() || errors.Is(err, context.DeadlineExceeded)
}

// alarm remembers what the log was told of protection, so that an accident that hits a thousand services is told once.
type alarm struct {
	services int
}

// report tells the log when protection begins, takes in more services, and is over.
func (a *alarm) report(c *Cache) {
	services, nodes, first := 0, 0, ""
	for _, w := range c.all() {
		if n := w.protected(); n > 0 {
			if services++; first == "" {
				first = w.s.Group + "/" + w.s.Path
			}
			nodes += n
		}
	}
	switch {
	case services > a.services && services >= 2*a.services:
		c.log.Warn("registry: lists became empty or lost most of their nodes; nodes that are not listed any more stay in use while they answer",
			"registry", c.id, "services", services, "nodes", nodes, "one_of_them", first)
		a.services = services
	case services == 0 && a.services > 0:
		c.log.Info("registry: all nodes in use are listed again", "registry", c.id)
		a.services = 0
	}
}
