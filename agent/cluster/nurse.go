package cluster

import (
	"context"
	"math/rand/v2"
	"sync"
	"time"
)

const (
	pingTime  = time.Second // how long the answer to a heartbeat is waited for
	mostPings = 5           // unanswered before a call decides
)

// nurse sends heartbeats to endpoints that are left out, so that no call is spent on one that is dead still: a provider that
// hangs would cost it all of its time. Each endpoint gets one heartbeat after each pause, on a connection of its own. Once one is
// answered, or mostPings are not (a provider may answer calls and no heartbeats), a call decides.
type nurse struct {
	mu     sync.Mutex
	gone   bool            // guarded by mu
	life   context.Context // guarded by mu; nil before the first patient
	cancel func()          // guarded by mu
	rounds sync.WaitGroup
}

// begin returns how long rounds may go on, nil where the cluster has ended. The caller ends one with rounds.Done.
func (n *nurse) begin() context.Context {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.gone {
		return nil
	}
	if n.life == nil {
		n.life, n.cancel = context.WithCancel(context.Background())
	}
	n.rounds.Add(1)
	return n.life
}

// close ends all rounds.
func (n *nurse) close() {
	n.mu.Lock()
	n.gone = true
	if n.cancel != nil {
		n.cancel()
	}
	n.mu.Unlock()
	n.rounds.Wait()
}

// nurse looks after an endpoint that was left out for pause.
func (k *Cluster) nurse(v *vitals, pause time.Duration) {
	if k.settings.Health.Ping == nil || !v.nursed.CompareAndSwap(false, true) {
		return
	}
	life := k.nurses.begin()
	if life == nil {
		return
	}
	go func() { // ends when a call may decide, with the endpoint, or with the cluster
		defer k.nurses.rounds.Done()
		defer v.nursed.Store(false)
		for pings := 1; rest(life, pause); pings++ {
			addr := k.addrOf(v)
			if addr == "" {
				return
			}
			ctx, cancel := context.WithTimeout(life, pingTime)
			err := k.settings.Health.Ping(ctx, addr)
			cancel()
			if err == nil || pings == mostPings {
				return
			}
			pause = k.pause(v)
			v.until.Add(int64(pause))
		}
	}()
}

// rest waits for pause and up to a tenth more, so that those who left a node out together do not ask it at once. It tells
// whether life has not ended meanwhile.
func rest(life context.Context, pause time.Duration) bool {
	wait := time.NewTimer(pause + rand.N(pause/10+1))
	defer wait.Stop()
	select {
	case <-wait.C:
		return true
	case <-life.Done():
		return false
	}
}

// addrOf is the address of the endpoint that has v, empty where it has gone.
func (k *Cluster) addrOf(v *vitals) string {
	endpoints := k.picker.Load().endpoints
	for i := range endpoints {
		if endpoints[i].vitals() == v {
			return endpoints[i].Addr()
		}
	}
	return ""
}
