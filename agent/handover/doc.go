// Package handover is the socket over which a running motand gives what it has to the one that takes its place: messages
// with a version and a checksum, and with them descriptors of sockets and files.
//
// The old process starts the new one with one end of a pair of sockets, which has no name that others could open. Then:
//
//	new                         old
//	Hello                  ─▶
//	                       ◀─   State, Socket…, Prepare    what there is: nothing changes hands yet
//	Ready                  ─▶                              or Refused: the old one goes on
//	                       ◀─   Serve                      the registries are the new one's
//	Serving                ─▶                              it accepts; the old one stops accepting
//	                       ◀─   Connection…                each between two requests
//	Received…              ─▶
//	                       ◀─   Last
//	Done                   ─▶                              the old one ends
//
// Until Done each side may end at any moment: the old one then goes on with everything it had.
//
// The failure it prevents: a new version that cannot read what the old one says and takes it for something else.
package handover
