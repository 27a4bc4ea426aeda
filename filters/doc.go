// Package filters has the filters that can stand around a service and around each attempt of a
// call, under the names that motan-go has for them; [Table] lists them.
//
// A filter is one file: its doc comment is its manual. Its settings are an immutable value that
// can be changed while calls pass, and what it knows of calls outlives it ([States]). It does
// not choose nodes, try again or time out: that is the cluster's. It prevents that one concern of governance (a log that
// nobody reads, a method name that somebody made up) costs other calls time or memory.
package filters
