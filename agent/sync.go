package agent

import (
	"cmp"
	"context"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry/relay"
)

// syncLinger is how long an entry of registry-sync that a reload has changed goes on beside the new one, so that copies which
// both want do not vanish in between.
const syncLinger = 5 * time.Second

// syncer is an entry of registry-sync at work.
type syncer struct {
	sync   *conf.RegistrySync
	relay  *relay.Relay
	cancel context.CancelFunc // ends it; nil before start
}

// sync puts the syncer of x into s: that of an older snapshot, or a new one.
func (k *compiler) sync(s *snapshot, x *conf.RegistrySync) error {
	from, to := s.holds[x.From], s.holds[x.To]
	if from == nil || to == nil {
		return nil // which is told by those
	}
	plain := *x
	plain.Position = conf.Position{}
	names := [2]string{s.config.Registry(x.From).MeshName, s.config.Registry(x.To).MeshName}
	hold, err := k.syncers.get(fingerprintOf(plain, names, from.key, to.key), func() (*syncer, func(), error) {
		r, err := relay.New(relay.Options{
			Name: x.ID, From: from.value, To: to.value, FromMesh: names[0], ToMesh: names[1], Host: k.localIP,
			Groups: x.Groups, Services: x.Services,
			Rename: relay.Rename{Group: x.ToGroup, Prefix: x.GroupPrefix, Suffix: x.GroupSuffix},
			Hops:   x.Hops, MaxNodes: x.MaxNodes, LookEvery: x.LookInterval, Log: k.log,
		})
		if err != nil {
			return nil, nil, fmt.Errorf("%s: registry-sync %s: %w", x.Position, x.ID, err)
		}
		m := &syncer{sync: x, relay: r}
		return m, func() { k.retireSync(m) }, nil
	})
	if err != nil {
		return err
	}
	s.syncs = append(s.syncs, hold)
	return nil
}

// start copies until ctx ends or the last snapshot that has m. It is called by one goroutine at a time.
func (m *syncer) start(ctx context.Context, k *compiler) {
	if m.cancel != nil {
		return
	}
	ctx, m.cancel = context.WithCancel(ctx)
	k.background.Go(func() { m.relay.Run(ctx) }) // ends with ctx
}

func (k *compiler) retireSync(m *syncer) {
	if m.cancel != nil { // else it was never in use
		k.attic.put(syncLinger, m.cancel)
	}
}

// withdrawCopies ends what registry-sync does.
func (s *snapshot) withdrawCopies() {
	for _, x := range s.syncs {
		if x.value.cancel != nil {
			x.value.cancel()
		}
	}
}

// syncState is an entry of registry-sync as the API tells it.
type syncState struct {
	ID        string    `json:"id"`
	From      string    `json:"from"`
	To        string    `json:"to"`
	Services  int       `json:"services"`
	Ours      int       `json:"ours"`      // copies that this agent announces
	Others    int       `json:"others"`    // that another agent announces
	Providers int       `json:"providers"` // nodes that came to the other registry by themselves
	Missing   int       `json:"missing"`   // copies that are wanted and not there
	Refused   int       `json:"refused"`   // nodes that the other registry cannot hold
	Over      int       `json:"over"`      // nodes beyond maxNodes
	Again     int       `json:"again"`     // copies where nodes are copied from; they are not copied again
	Looked    time.Time `json:"looked,omitzero"`
	LastError string    `json:"lastError,omitempty"`
}

// syncs answers with the state of registry-sync.
func (m *management) syncs(w http.ResponseWriter, _ *http.Request) {
	out := []syncState{}
	for _, x := range m.agent.snapshot.Load().syncs {
		s, c := x.value.relay.State(), x.value.sync
		out = append(out, syncState{
			ID: c.ID, From: c.From, To: c.To, Services: s.Services, Ours: s.Ours, Others: s.Others, Providers: s.Providers,
			Missing: s.Missing, Refused: s.Refused, Over: s.Over, Again: s.Again, Looked: s.Looked, LastError: s.LastError,
		})
	}
	slices.SortFunc(out, func(a, b syncState) int { return cmp.Compare(a.ID, b.ID) })
	answer(w, http.StatusOK, out)
}

// syncFigures are the figures of registry-sync.
func (a *Agent) syncFigures() []metrics.Figure {
	each := func(f func(s relay.State, emit func(float64, ...string))) func(func(float64, ...string)) {
		return func(emit func(float64, ...string)) {
			for _, x := range a.snapshot.Load().syncs {
				f(x.value.relay.State(), func(n float64, labels ...string) { emit(n, append([]string{x.value.sync.ID}, labels...)...) })
			}
		}
	}
	return []metrics.Figure{
		{
			Name: "motand_registry_sync_services", Help: "Services that an entry of registry-sync copies.", Labels: []string{"sync"},
			Read: each(func(s relay.State, emit func(float64, ...string)) { emit(float64(s.Services)) }),
		},
		{
			Name: "motand_registry_sync_nodes", Help: "Nodes that an entry of registry-sync is to copy, by what became of them.", Labels: []string{"sync", "state"},
			Read: each(func(s relay.State, emit func(float64, ...string)) {
				for state, n := range map[string]int{
					"ours": s.Ours, "others": s.Others, "providers": s.Providers, "missing": s.Missing, "refused": s.Refused, "over": s.Over, "again": s.Again,
				} {
					emit(float64(n), state)
				}
			}),
		},
	}
}
