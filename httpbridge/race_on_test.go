//go:build race

package httpbridge

// raceEnabled tells that the race detector runs, which allocates.
const raceEnabled = true
