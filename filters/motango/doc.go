// Package motango runs filters that were written for motan-go in motand's chain, unchanged: the adapter for who has some.
// [Entry] makes an entry of the table of filters of one; README.md shows the program.
//
// A filter of motan-go calls the next one and waits for it, so each call in it has a goroutine; their number is bounded.
// motand's own filters need none: who writes a new filter writes it for package filters. What else motan-go has
// (endpoints, strategies, registries) is not run; a filter that asks its caller for it finds what it needs for logs.
//
// It is a Go module of its own, because motan-go brings thirty modules along that nobody else needs.
package motango
