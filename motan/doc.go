// Package motan speaks Motan2: frames, one multiplexed client connection, one
// server, and the few types that everything which answers a call shares: [Call],
// [Handler], [Filter].
//
// It does not know registries, balance, HTTP or configuration, and it never opens
// a body. It prevents the failures that a proxy of multiplexed connections is prone
// to: a reply that reaches the wrong caller, a call that is answered twice or never,
// one slow peer that holds up the others, memory that a peer decides about.
//
// # The frame
//
// All integers are big endian (Motan protocol, section 1.1).
//
//	offset size  field
//	0      2     magic         F1 F1
//	2      1     type          bit 0 response, 1 proxy, 2 oneway, 3 gzip, 4 heartbeat
//	3      1     version       bits 7..3 version (1), bits 2..0 status (0 normal, 1 exception)
//	4      1     serialization bits 7..3 number, bits 2..0 reserved
//	5      8     request id
//	13     4     metadata size M
//	17     M     metadata      key \n value \n key \n value …
//	17+M   4     body size B
//	21+M   B     body
//
// # The life of a call
//
// A call has one owner at each moment: whoever was handed it by Handle and has not
// yet handed it on. The owner either passes it to another Handler or ends it with
// [Call.End], exactly once. Ending walks back through everything that pushed itself
// onto the call (chains of filters, a cluster that may try again) down to the edge
// where the call came in, which writes the answer and releases the call.
//
//	reader ─ Handle ─▶ route ─▶ chain ─▶ cluster ─▶ endpoint ─▶ Conn.Handle
//	edge   ◀─ Return ─────────  chain ◀─ cluster ◀─ endpoint ◀─ Call.End ─ upstream's reader
//
// No step needs a goroutine: the reader of the client's connection carries the call
// forward, the reader of the provider's connection carries the reply back. What either
// of them wants to write is gathered and flushed once when its batch of frames is
// through, see [Batch].
package motan
