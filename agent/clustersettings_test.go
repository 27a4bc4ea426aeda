package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
)

// What the configuration says of retries reaches the cluster, for the service and for a method.
func TestClusterSettings(t *testing.T) {
	c := parse(t, Default(), "", directYAML+`motan-refer:
  r:
    path: svc
    group: g
    registry: direct
    haStrategy: backupRequest
    retries: 2
    retryBudget: 30
    retryBudgetMin: 5
    backupRequestDelayTime: 20
    backupRequestDelayRatio: 95
    backupRequestMaxRetryRatio: 10
    backupRequestInitDelayTime: 40
    loadbalance: wrr
    weightRefreshPeriodSecond: 7
    slowStart: 30000
    put(int).idempotent: false
    get().backupRequestDelayTime: 0
  plain: {path: other, group: g, registry: direct, dynamicMeta: false}
metaCacheExpireSecond: 4
`)
	k := new(compiler)
	got, err := k.clusterSettings(c, c.Refers[0])
	if err != nil {
		t.Fatal(err)
	}
	ms := time.Millisecond
	want := cluster.Backup{Delay: 20 * ms, Percentile: 95, Initial: 40 * ms, Ratio: 10}
	if got.Strategy != cluster.BackupRequest || got.Retries != 2 || got.Once || *got.Backup != want || got.Budget != (cluster.Budget{Percent: 30, Floor: 5}) {
		t.Errorf("got %+v", got)
	}
	if got.Weights != (cluster.Weights{Every: 7 * time.Second, Cache: 4 * time.Second, Prefix: "META_"}) || got.SlowStart != 30*time.Second {
		t.Errorf("got %+v and %v", got.Weights, got.SlowStart)
	}
	if m := got.Methods["put(int)"]; !m.Once || m.Retries != 2 || *m.Backup != want {
		t.Errorf("put: got %+v", m)
	}
	want.Delay = 0
	if m := got.Methods["get()"]; m.Once || *m.Backup != want || m.Timeouts.Request != time.Second {
		t.Errorf("get: got %+v", m)
	}
	if got, _ = k.clusterSettings(c, c.Refers[1]); got.Strategy != cluster.Failover || got.Once || got.Budget != (cluster.Budget{Percent: 20, Floor: 10}) || got.Weights != (cluster.Weights{}) {
		t.Errorf("plain: got %+v", got)
	}
	c.Agent.Labels = map[string]string{"rack": "a"}
	k.localIP = "10.0.0.7"
	r := conf.Refer{Locality: []string{"host", "rack"}, LocalitySpill: 140, SubsetSize: 9, Panic: 30}
	if got, err = k.clusterSettings(c, &r); err != nil || got.Placement == nil || got.Placement.Here["host"] != "10.0.0.7" || got.Placement.Here["rack"] != "a" || got.Placement.Size != 9 || got.Health.Panic != 30 {
		t.Errorf("placement: got %+v, %v", got.Placement, err)
	}
	for key, r := range map[string]conf.Refer{
		"loadbalance": {LoadBalance: "fastest"},
		"haStrategy":  {HAStrategy: "failback"},
	} {
		if _, err := k.clusterSettings(c, &r); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("%s: got %v", key, err)
		}
	}
}
