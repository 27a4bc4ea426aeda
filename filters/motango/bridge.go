package motango

import (
	"github.com/weibocom/motan-go/core"

	"github.com/motand/motand/motan"
)

// bridge is the filter behind a filter of motan-go: it leads back into motand's chain.
type bridge struct{ instance *instance }

var errForeign = motan.Errorf(motan.KindOther, motan.CodeInternal, "the filter passed on a request that it was not given")

func pass(req core.Request) core.Response {
	if req != nil {
		if ctx := req.GetRPCContext(false); ctx != nil {
			if x, ok := ctx.OriginalMessage.(*exchange); ok {
				return x.next(req)
			}
		}
	}
	return exception(req, errForeign)
}

// GetName names it in motan-go's runtime information.
func (bridge) GetName() string { return "motand" }

// GetRuntimeInfo is empty.
func (bridge) GetRuntimeInfo() map[string]any { return map[string]any{} }

// NewFilter returns the bridge.
func (b bridge) NewFilter(*core.URL) core.Filter { return b }

// HasNext tells that it is the last one.
func (bridge) HasNext() bool { return false }

// GetIndex is that of the last one.
func (bridge) GetIndex() int { return 1 << 30 }

// GetType is that of an endpoint's filter.
func (bridge) GetType() int32 { return core.EndPointFilterType }

// SetNext does nothing.
func (bridge) SetNext(core.EndPointFilter) {}

// GetNext returns nil.
func (bridge) GetNext() core.EndPointFilter { return nil }

// Filter passes the call on.
func (bridge) Filter(_ core.Caller, req core.Request) core.Response { return pass(req) }

// clusterBridge is a bridge for filters of clusters.
type clusterBridge struct{ bridge }

// NewFilter returns the bridge.
func (b clusterBridge) NewFilter(*core.URL) core.Filter { return b }

// GetType is that of a cluster's filter.
func (clusterBridge) GetType() int32 { return core.ClusterFilterType }

// SetNext does nothing.
func (clusterBridge) SetNext(core.ClusterFilter) {}

// GetNext returns nil.
func (clusterBridge) GetNext() core.ClusterFilter { return nil }

// Filter passes the call on.
func (clusterBridge) Filter(_ core.HaStrategy, _ core.LoadBalance, req core.Request) core.Response {
	return pass(req)
}

var (
	_ core.EndPointFilter = bridge{}
	_ core.ClusterFilter  = clusterBridge{}
)
