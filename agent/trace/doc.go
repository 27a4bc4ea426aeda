// Package trace knows the traces that calls belong to: it reads and writes their metadata (W3C
// Trace Context; B3 is read), and takes the spans of calls to a collector or a file, in OTLP.
//
// It does not decide which calls are traced; the filter trace does. It prevents that a collector that
// is slow, gone or silent costs calls time or the agent memory: spans go through a bounded queue to one
// goroutine, and those that do not fit are counted and forgotten.
package trace
