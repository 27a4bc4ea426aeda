// Package tests holds what no single package can: it drives the built binary from outside (interop with
// other implementations, end to end, faults, the bench), and it holds the rules that the whole module
// keeps. It has no code of the daemon.
package tests
