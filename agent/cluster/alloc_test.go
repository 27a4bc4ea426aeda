package cluster_test

import (
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/motan"
)

// A call through the cluster allocates nothing, whatever is configured for its method.
func TestHandleAllocs(t *testing.T) {
	if raced {
		t.Skip("the race detector makes pools drop what they hold")
	}
	methods := map[string]cluster.Method{"m()": {Timeouts: cluster.Timeouts{Request: time.Second, Min: time.Millisecond, Max: time.Minute}}}
	tests := []struct {
		name     string
		settings cluster.Settings
		pairs    []string
	}{
		{"plain", cluster.Settings{}, nil},
		{"round robin", cluster.Settings{Balance: cluster.RoundRobin{}}, nil},
		{"weights", cluster.Settings{Balance: cluster.WeightedRoundRobin{}}, nil},
		{"hash", cluster.Settings{Balance: &cluster.ConsistentHash{}}, []string{"consistentHashKey", "user-17"}},
		{"least active", cluster.Settings{Balance: cluster.LeastActive{}}, nil},
		{"two choices", cluster.Settings{Balance: cluster.P2C{}}, nil},
		{"method of its own", cluster.Settings{Methods: methods}, []string{"M_tmo", "500"}},
		{"other group and version", cluster.Settings{Version: "2.0"}, []string{"M_g", "other"}},
		{"tried again", cluster.Settings{Retries: 1, Budget: cluster.Budget{Percent: 20}}, []string{"M_tmo", "500"}},
		{"backup request", cluster.Settings{Strategy: cluster.BackupRequest, Retries: 1, Backup: &cluster.Backup{Initial: time.Second, Percentile: 90, Ratio: 15}}, nil},
		{"provider here", cluster.Settings{Local: true}, []string{"M_g", "other"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.settings.Attempts = []motan.Filter{&answering{}}
			k := newCluster(t, tt.settings, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
			request := newCall("body", tt.pairs...)
			defer request.Release()
			got := testing.AllocsPerRun(1000, func() {
				c := motan.NewCall()
				c.Request.CopyFrom(&request.Request)
				motan.Do(k, c)
				if c.Err != nil {
					t.Error(c.Err)
				}
				c.Release()
			})
			if got != 0 {
				t.Errorf("got %v allocations for a call, want 0", got)
			}
		})
	}
}

func BenchmarkHandle(b *testing.B) {
	k := newCluster(b, cluster.Settings{Attempts: []motan.Filter{&answering{}}}, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3")
	request := newCall("body")
	defer request.Release()
	b.ReportAllocs()
	for b.Loop() {
		c := motan.NewCall()
		c.Request.CopyFrom(&request.Request)
		motan.Do(k, c)
		c.Release()
	}
}

// What a call costs with a balance, or with a strategy that watches it.
func BenchmarkHandleWith(b *testing.B) {
	for _, x := range []struct {
		name     string
		settings cluster.Settings
	}{
		{"p2c", cluster.Settings{Balance: cluster.P2C{}}},
		{"retry budget", cluster.Settings{Retries: 1, Budget: cluster.Budget{Percent: 20, Floor: 10}}},
		{"backup request", cluster.Settings{Strategy: cluster.BackupRequest, Retries: 1, Backup: &cluster.Backup{Initial: time.Second, Percentile: 90, Ratio: 15}}},
		{"near", cluster.Settings{Placement: &cluster.Placement{Near: []string{"host"}, Here: map[string]string{"host": "127.0.0.1"}, Spill: 140}}},
	} {
		b.Run(x.name, func(b *testing.B) {
			x.settings.Attempts = []motan.Filter{&answering{}}
			k := newCluster(b, x.settings, "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:3", "127.0.0.2:1")
			request := newCall("body")
			defer request.Release()
			b.ReportAllocs()
			for b.Loop() {
				c := motan.NewCall()
				c.Request.CopyFrom(&request.Request)
				motan.Do(k, c)
				c.Release()
			}
		})
	}
}
