// Package traffic decides by rules which calls of a refer go to other groups or nodes: a canary by its share or by a header,
// reads to one group and writes to another, a release that grows by steps and goes back when calls fail.
//
// It does not know nodes or connections: it says which [Target] a call is for, and the agent leads it there. The failures it
// prevents: a release that reaches everybody before anybody looks, and rules whose cost grows with their number.
package traffic
