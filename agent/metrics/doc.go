// Package metrics counts calls and tells what it has counted.
//
// A call is counted with three atomic additions at most, without a lock and without an
// allocation: a duration goes into one of a fixed set of buckets, which hold for every host
// and can be summed over them. A [Registry] is read by Prometheus through [Registry.Handler]
// and by anything else through [Registry.Each].
//
// It does not know the protocol: what a call is, when it failed and of what kind, its caller
// says. It sends nothing by itself.
//
// It prevents two failures of counting inside a proxy: a lock that all connections meet at,
// and memory that callers decide about. Method names come from the wire (paths of HTTP
// requests are methods), so their number is limited per service and in all; what is beyond
// is counted together as the method "_other".
package metrics
