//go:build !race

package tests

// raced tells that the race detector is on, here and in the motand that is built.
const raced = false
