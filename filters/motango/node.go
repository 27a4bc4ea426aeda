package motango

import "github.com/weibocom/motan-go/core"

// node is what filters see of whom a call goes to: its URL. Calling it passes the filter's own call on.
type node struct{ instance *instance }

// GetName is motan-go's name of the kind.
func (node) GetName() string { return "motan2" }

// GetRuntimeInfo is empty.
func (node) GetRuntimeInfo() map[string]any { return map[string]any{} }

// GetURL is the URL that the filter was made with.
func (n node) GetURL() *core.URL { return n.instance.url }

// SetURL does nothing: the URL is not the filter's to change.
func (node) SetURL(*core.URL) {}

// IsAvailable is true: whom a call goes to was chosen before the filter.
func (node) IsAvailable() bool { return true }

// Call passes the call on.
func (node) Call(req core.Request) core.Response { return pass(req) }

// Destroy does nothing.
func (node) Destroy() {}

// endpoint is a node that is called.
type endpoint struct{ node }

// SetSerialization does nothing.
func (endpoint) SetSerialization(core.Serialization) {}

// SetProxy does nothing.
func (endpoint) SetProxy(bool) {}

// provider is a service of this host.
type provider struct{ node }

// SetService does nothing.
func (provider) SetService(any) {}

// GetPath is the name of the service.
func (p provider) GetPath() string { return p.instance.url.Path }

// strategy stands for the cluster.
type strategy struct{ instance *instance }

// GetName is that of motan-go's default.
func (strategy) GetName() string { return "failover" }

// GetURL is the URL that the filter was made with.
func (s strategy) GetURL() *core.URL { return s.instance.url }

// SetURL does nothing.
func (strategy) SetURL(*core.URL) {}

// Call passes the call on.
func (strategy) Call(req core.Request, _ core.LoadBalance) core.Response { return pass(req) }

// balance stands for the nodes, which motand chooses from.
type balance struct{ instance *instance }

// OnRefresh does nothing.
func (balance) OnRefresh([]core.EndPoint) {}

// Select stands for any node: a call to it goes where motand chooses.
func (b balance) Select(core.Request) core.EndPoint { return endpoint{node(b)} }

// SelectArray is the same as a list.
func (b balance) SelectArray(req core.Request) []core.EndPoint {
	return []core.EndPoint{b.Select(req)}
}

// SetWeight does nothing.
func (balance) SetWeight(string) {}

var (
	_ core.EndPoint    = endpoint{}
	_ core.Provider    = provider{}
	_ core.HaStrategy  = strategy{}
	_ core.LoadBalance = balance{}
)
