//go:build !race

package cluster_test

// raced tells that the race detector is on.
const raced = false
