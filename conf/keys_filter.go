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
		{Name: "switcher.name", Type: String, Method: true, Since: motand, Description: "switcher: the switch that lets calls through; default <id>_switcher"},
	}
}
