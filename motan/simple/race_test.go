//go:build race

package simple

const raceEnabled = true
