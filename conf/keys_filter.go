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
	return inSections(keys, entrySections...)
}

// ourFilterKeys are those that motan-go lacks.
func ourFilterKeys() []Key {
	return []Key{
		{Name: "rateLimitCaller", Type: Float, Unit: "calls/s", Since: motand, Description: "rateLimit: calls per second of each application; rateLimitCaller.<application> for one"},
		{Name: "rateLimitCallerCapacity", Type: Int, Min: 1, Since: motand, Description: "burst of a caller; default twice its rate"},
		{Name: "rateLimitReject", Type: Bool, Default: "false", Since: motand, Description: "rateLimit refuses at once instead of waiting"},
		{Name: "rateLimitMaxWaiting", Type: Int, Default: "10000", Max: 1_000_000, Since: motand, Description: "calls that may wait in rateLimit"},
		{Name: "circuitBreaker.probes", Type: Int, Default: "1", Min: 1, Max: 1000, Since: motand, Description: "calls that must succeed to close an open breaker"},
		{Name: "concurrency.limit", Type: Int, Default: "1000", Min: 1, Max: 1_000_000, Since: motand, Description: "concurrency: calls of the service at once; where it is adaptive, the first limit"},
		{Name: "concurrency.adaptive", Type: Bool, Default: "false", Since: motand, Description: "the limit follows the answer times"},
		{Name: "concurrency.min", Type: Int, Default: "4", Min: 1, Max: 1_000_000, Since: motand, Description: "the least that it adapts to"},
		{Name: "concurrency.max", Type: Int, Default: "10000", Min: 1, Max: 1_000_000, Since: motand, Description: "the most that it adapts to"},
		{Name: "timeout.limit", Type: Int, Unit: "ms", Default: "0", Max: 86_400_000, Method: true, Since: motand, Description: "timeout: time for a call over all attempts; 0 is no limit"},
		{Name: "timeout.caller", Type: Bool, Default: "true", Method: true, Since: motand, Description: "timeout: M_tmo of the caller bounds the call too"},
		{Name: "switcher.name", Type: String, Method: true, Since: motand, Description: "switcher: the switch that lets calls through; default <id>_switcher"},
	}
}
