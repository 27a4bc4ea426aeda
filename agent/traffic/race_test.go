//go:build race

package traffic

// raced tells that the race detector is on.
const raced = true
