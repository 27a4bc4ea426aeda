package motan

import "runtime"

// Batch is what one reader does between two waits: it handles every frame that has arrived
// and then flushes, once, each connection that it has written to. Larger batches mean fewer
// system calls, which are most of what a forwarded call costs.
type Batch struct {
	Now     int64 // when the batch began, see [Now]
	touched []*outbox
}

// touch notes that o holds what this batch has to flush.
func (b *Batch) touch(o *outbox) { b.touched = append(b.touched, o) }

// yield lets other readers that are ready run before what was touched is flushed, so that
// their frames share its writes. With nothing else to run it costs next to nothing.
func (b *Batch) yield() {
	if len(b.touched) > 0 {
		runtime.Gosched()
	}
}

// flush writes out everything touched. Nothing in it blocks.
func (b *Batch) flush() {
	for i, o := range b.touched {
		o.flush()
		b.touched[i] = nil
	}
	b.touched = b.touched[:0]
}
