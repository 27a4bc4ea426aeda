//go:build !race

package filters

// raced tells that the race detector is on.
const raced = false
