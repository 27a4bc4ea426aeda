package conf

// filterKeys are those that filters read from an entry's parameters.
func filterKeys() []Key {
	keys := []Key{
		{Name: "rateLimit", Type: Float, Unit: "calls/s", Description: "calls per second; rateLimit.<method> for one method"},
		{Name: "capacity", Type: Int, Min: 1, Method: true, Description: "burst of rateLimit; default twice the rate, 1000 to 5000"},
		{Name: "circuitBreaker.requestThreshold", Type: Int, Default: "20", Min: 1, Description: "calls in 10 s below which the breaker stays closed"},
		{Name: "circuitBreaker.sleepWindow", Type: Int, Unit: "ms", Default: "5000", Min: 1, Description: "how long the breaker stays open before it tries a call"},
		{Name: "circuitBreaker.errorPercent", Type: Int, Unit: "%", Default: "50", Min: 1, Max: 100, Description: "failures that open the breaker"},
		{Name: "circuitBreaker.maxConcurrent", Type: Int, Default: "5000", Min: 1, Description: "calls at once"},
		{Name: "circuitBreaker.bizException", Type: Bool, Default: "true", Description: "exceptions of the service count as failures"},
	}
	keys = append(keys, ourFilterKeys()...)
	for _, name := range builtInFilters {
		keys = append(keys, Key{Name: name + ".when", Type: List, Method: true, Since: motand, Description: "calls that the filter acts on, by their metadata, such as M_s=shop-*,region=eu|us,!canary; default all"})
	}
	return inSections(keys, entrySections...)
}

// ourFilterKeys are those that motan-go lacks.
func ourFilterKeys() []Key {
	return []Key{
		{Name: "accessLog.sample", Type: Float, Unit: "%", Default: "100", Max: 100, Since: motand, Description: "accessLog: lines that are written; those of calls that failed or were slow always are"},
		{Name: "accessLog.slow", Type: Int, Unit: "ms", Default: "200", Since: motand, Description: "from when on a call is slow"},
		{Name: "accessLog.body", Type: Int, Unit: "bytes", Default: "0", Max: 4096, Since: motand, Description: "of the bodies of request and reply that are logged, until accessLog.bodyUntil"},
		{Name: "accessLog.bodyUntil", Type: String, Since: motand, Description: "when that ends, such as 2026-11-23T18:00:00Z; without it no body is logged"},
		{Name: "rateLimitCaller", Type: Float, Unit: "calls/s", Since: motand, Description: "rateLimit: calls per second of each application; rateLimitCaller.<application> for one"},
		{Name: "rateLimitCallerCapacity", Type: Int, Min: 1, Since: motand, Description: "burst of a caller; default twice its rate"},
		{Name: "rateLimitScope", Type: String, Default: "agent", Values: []string{"agent", "fleet"}, Since: motand, Description: "rateLimit of this agent, or of all together that export the service, or refer to it (zookeeper only)"},
		{Name: "rateLimitReject", Type: Bool, Default: "false", Since: motand, Description: "rateLimit refuses at once instead of waiting"},
		{Name: "rateLimitMaxWaiting", Type: Int, Default: "10000", Max: 1_000_000, Since: motand, Description: "calls that may wait in rateLimit"},
		{Name: "circuitBreaker.probes", Type: Int, Default: "1", Min: 1, Max: 1000, Since: motand, Description: "calls that must succeed to close an open breaker"},
		{Name: "concurrency.limit", Type: Int, Default: "1000", Min: 1, Max: 1_000_000, Since: motand, Description: "concurrency: calls of the service at once; where it is adaptive, the first limit"},
		{Name: "concurrency.adaptive", Type: Bool, Default: "false", Since: motand, Description: "the limit follows the answer times"},
		{Name: "concurrency.min", Type: Int, Default: "4", Min: 1, Max: 1_000_000, Since: motand, Description: "the least that it adapts to"},
		{Name: "concurrency.max", Type: Int, Default: "10000", Min: 1, Max: 1_000_000, Since: motand, Description: "the most that it adapts to"},
		{Name: "timeout.limit", Type: Int, Unit: "ms", Default: "0", Max: 86_400_000, Method: true, Since: motand, Description: "timeout: time for a call over all attempts; 0 is no limit"},
		{Name: "timeout.caller", Type: Bool, Default: "true", Method: true, Since: motand, Description: "timeout: M_tmo of the caller bounds the call too"},
		{Name: "mirror.to", Type: String, Method: true, Since: motand, Description: "mirror: where copies of calls go: @group, service, or service@group"},
		{Name: "mirror.percent", Type: Float, Unit: "%", Default: "100", Method: true, Since: motand, Description: "share of the calls that are copied"},
		{Name: "mirror.oneway", Type: Bool, Default: "false", Since: motand, Description: "one-way calls are copied, too"},
		{Name: "mirror.maxInFlight", Type: Int, Default: "100", Min: 1, Max: 1_000_000, Since: motand, Description: "copies at once"},
		{Name: "mirror.maxBytes", Type: Int, Unit: "bytes", Default: "16777216", Min: 1, Since: motand, Description: "of their requests"},
		{Name: "degrade.answer", Type: String, Default: "refuse", Values: []string{"refuse", "value", "cache", "fallback"}, Method: true, Since: motand, Description: "degrade: what a degraded call is answered with"},
		{Name: "degrade.value", Type: String, Method: true, Since: motand, Description: "the answer as JSON; text in quotes"},
		{Name: "degrade.exception", Type: String, Method: true, Since: motand, Description: "instead an exception: errcode and message"},
		{Name: "degrade.cacheAge", Type: Int, Unit: "ms", Default: "60000", Max: 86_400_000, Method: true, Since: motand, Description: "how old a last good answer may be"},
		{Name: "degrade.fallback", Type: String, Method: true, Since: motand, Description: "service that is called instead, or service@group"},
		{Name: "degrade.onFailure", Type: Bool, Default: "false", Method: true, Since: motand, Description: "calls that failed get the value or the last good answer as well"},
		{Name: "degrade.force", Type: Bool, Default: "false", Since: motand, Description: "all calls are degraded"},
		{Name: "degrade.errorPercent", Type: Int, Unit: "%", Default: "0", Max: 100, Since: motand, Description: "failures in 10 s that degrade a service; 0 is no condition"},
		{Name: "degrade.requestThreshold", Type: Int, Default: "20", Min: 1, Since: motand, Description: "calls in 10 s below which shares say nothing"},
		{Name: "degrade.p99", Type: Int, Unit: "ms", Default: "0", Max: 86_400_000, Since: motand, Description: "time that one call of a hundred may take; 0 is no condition"},
		{Name: "degrade.inFlight", Type: Int, Default: "0", Since: motand, Description: "calls at once that degrade a service; 0 is no condition"},
		{Name: "degrade.cpu", Type: Float, Unit: "%", Default: "0", Since: motand, Description: "busy processors of the host that degrade a service; 0 is no condition"},
		{Name: "degrade.recover", Type: Int, Unit: "ms", Default: "5000", Max: 86_400_000, Since: motand, Description: "how long calls must fare well before fewer are degraded"},
		{Name: "fault.until", Type: String, Method: true, Since: motand, Description: "faultInjection: when it ends, such as 2026-11-23T18:00:00Z; without it nothing is spoilt"},
		{Name: "fault.callers", Type: List, Method: true, Since: motand, Description: "applications whose calls are spoilt; default all"},
		{Name: "fault.delay", Type: Int, Unit: "ms", Default: "0", Max: 60_000, Method: true, Since: motand, Description: "how long calls wait"},
		{Name: "fault.delayPercent", Type: Float, Default: "100", Method: true, Since: motand, Description: "share of the calls that wait"},
		{Name: "fault.error", Type: String, Method: true, Since: motand, Description: "errcode and message that calls fail with"},
		{Name: "fault.errorPercent", Type: Float, Default: "100", Method: true, Since: motand, Description: "share of the calls that fail"},
		{Name: "mock.value", Type: String, Method: true, Since: motand, Description: "mock: the answer as JSON; text in quotes"},
		{Name: "mock.exception", Type: String, Method: true, Since: motand, Description: "instead an exception: errcode and message"},
		{Name: "mock.delay", Type: Int, Unit: "ms", Default: "0", Max: 60_000, Method: true, Since: motand, Description: "time until the answer"},
		{Name: "mock.callers", Type: List, Method: true, Since: motand, Description: "applications that get it; default all"},
		{Name: "acl.allow", Type: List, Method: true, Since: motand, Description: "acl: applications that may call; * at the end stands for any rest"},
		{Name: "acl.deny", Type: List, Method: true, Since: motand, Description: "applications that may not"},
		{Name: "acl.allowIP", Type: List, Method: true, Since: motand, Description: "addresses and networks that may call"},
		{Name: "acl.denyIP", Type: List, Method: true, Since: motand, Description: "addresses and networks that may not"},
		{Name: "header.remove", Type: List, Method: true, Since: motand, Description: "header: metadata that is taken out of requests"},
		{Name: "header.rename", Type: List, Method: true, Since: motand, Description: "old=new"},
		{Name: "header.add", Type: List, Method: true, Since: motand, Description: "name=value, where the name is not there"},
		{Name: "header.set", Type: List, Method: true, Since: motand, Description: "name=value"},
		{Name: "header.replyRemove", Type: List, Method: true, Since: motand, Description: "metadata that is taken out of answers"},
		{Name: "header.replySet", Type: List, Method: true, Since: motand, Description: "name=value, in answers"},
		{Name: "failfast.errors", Type: Int, Default: "10", Min: 1, Since: motand, Description: "failfast: failures in a row after which a node is left alone"},
		{Name: "failfast.retryAfter", Type: Int, Unit: "ms", Default: "10000", Max: 86_400_000, Since: motand, Description: "between the calls that are tried on such a node"},
		{Name: "failfast.bizException", Type: Bool, Default: "false", Since: motand, Description: "exceptions of the service count as failures"},
		{Name: "loadShed.cpu", Type: Float, Unit: "%", Default: "90", Since: motand, Description: "loadShed: busy processors of the host that make it overloaded; 0 is no condition"},
		{Name: "loadShed.delay", Type: Int, Unit: "ms", Default: "20", Max: 86_400_000, Since: motand, Description: "wait of calls in the agent that makes it overloaded; 0 is no condition"},
		{Name: "loadShed.key", Type: String, Default: "priority", Since: motand, Description: "metadata that names the class of a call: high, normal, low"},
		{Name: "loadShed.class", Type: String, Default: "normal", Values: []string{"high", "normal", "low"}, Since: motand, Description: "class of calls that name none"},
		{Name: "trace.percent", Type: Float, Unit: "%", Default: "1", Method: true, Since: motand, Description: "trace: share of the traces that begin here which are recorded"},
		{Name: "trace.parent", Type: Bool, Default: "true", Method: true, Since: motand, Description: "what the caller of a traced call decided about recording counts"},
		{Name: "switcher.name", Type: String, Method: true, Since: motand, Description: "switcher: the switch that lets calls through; default <id>_switcher"},
	}
}
