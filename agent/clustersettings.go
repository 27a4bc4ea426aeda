package agent

import (
	"fmt"
	"maps"
	"strings"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
)

// clusterSettings turns what the configuration says of a refer into the cluster's terms, but for the filters.
func (k *compiler) clusterSettings(c *conf.Config, r *conf.Refer) (cluster.Settings, error) {
	// A program of one's own may let conf know further names.
	balance := newBalance(r)
	if balance == nil {
		return cluster.Settings{}, fmt.Errorf("%s: refer %s: loadbalance %q is not one of %s", r.At("loadbalance"), r.ID, r.LoadBalance, strings.Join(cluster.Balances(), ", "))
	}
	strategy, ok := cluster.NewStrategy(r.HAStrategy)
	if !ok {
		return cluster.Settings{}, fmt.Errorf("%s: refer %s: haStrategy %q is not one of %s", r.At("haStrategy"), r.ID, r.HAStrategy, strings.Join(cluster.Strategies(), ", "))
	}
	var weights cluster.Weights
	if r.DynamicMeta {
		weights = cluster.Weights{Every: r.WeightRefresh, Cache: c.MetaCache, Prefix: c.MetaPrefix}
	}
	return cluster.Settings{
		Service: r.Path, Group: r.Group, Version: r.Version, Application: r.Application,
		Timeouts: cluster.Timeouts{Request: r.RequestTimeout, Min: r.MinRequestTimeout, Max: r.MaxRequestTimeout},
		Strategy: strategy, Retries: r.Retries, Once: !r.Idempotent, Backup: backup(strategy, r.Backup), Methods: methods(&r.Entry, strategy),
		Budget: cluster.Budget{Percent: r.RetryBudget, Floor: r.RetryFloor}, Balance: balance,
		Weights: weights, SlowStart: r.SlowStart,
		Health:      cluster.Health{Failures: r.ErrorCountThreshold, Pause: r.KeepaliveInterval, Panic: r.Panic, Ping: heartbeat{}.Probe},
		Placement:   k.placement(c, r),
		Connections: r.ClientConnections, MaxContentLength: r.MaxContentLength, ConnectTimeout: r.ConnectTimeout,
		GzipOver: r.MingzSize, Pool: k.pool,
	}, nil
}

// methods turns what the configuration says of single methods into the cluster's terms.
func methods(e *conf.Entry, s cluster.Strategy) map[string]cluster.Method {
	if len(e.Methods) == 0 {
		return nil
	}
	all := make(map[string]cluster.Method, len(e.Methods))
	for name, m := range e.Methods {
		all[name] = cluster.Method{
			Timeouts: cluster.Timeouts{Request: m.RequestTimeout, Min: m.MinRequestTimeout, Max: m.MaxRequestTimeout},
			Retries:  m.Retries, Once: !m.Idempotent, Backup: backup(s, m.Backup),
		}
	}
	return all
}

func backup(s cluster.Strategy, b conf.BackupRequest) *cluster.Backup {
	if s != cluster.BackupRequest {
		return nil
	}
	return &cluster.Backup{Delay: b.DelayTime, Percentile: b.DelayRatio, Initial: b.InitDelayTime, Ratio: b.MaxRetryRatio}
}

// placement is nil where all nodes are alike.
func (k *compiler) placement(c *conf.Config, r *conf.Refer) *cluster.Placement {
	if len(r.Locality) == 0 && len(r.Subset) == 0 && r.SubsetSize == 0 {
		return nil
	}
	here := map[string]string{}
	maps.Copy(here, c.Agent.Labels)
	here["host"] = k.localIP
	return &cluster.Placement{
		Subset: r.Subset, Strict: r.SubsetStrict, Size: r.SubsetSize,
		Near: r.Locality, Here: here, Spill: r.LocalitySpill, Full: r.LocalityFull,
	}
}
