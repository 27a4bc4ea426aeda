//go:build race

package motan_test

// racing tells that the race detector is on, under which sync.Pool forgets at random.
const racing = true
