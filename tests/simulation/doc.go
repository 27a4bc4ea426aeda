// Package simulation runs the real cluster, with its connections and filters, against providers that exist in memory and in
// virtual time: a minute of calls takes a second, and a seed makes it the same again, but for the order of what happens at
// one instant. "make simulate" runs it at full length and writes plots and a table to bin/simulate; "make test" runs it
// briefly. Shares and numbers of calls are checked, and times of the virtual clock.
package simulation
