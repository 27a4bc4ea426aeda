//go:build !race

package httpbridge

const raceEnabled = false
