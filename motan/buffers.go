package motan

import (
	"math/bits"
	"sync"
	"unsafe"
)

// Buffers are pooled by power-of-two classes. Larger ones than the last class are left
// to the garbage collector, as is everything pooled that two collections found unused.
const (
	minClass = 10 // 1 KiB
	maxClass = 22 // 4 MiB
)

var bufferPools [maxClass + 1]sync.Pool // of *byte, the first byte of a buffer of the class's size

// getBuffer returns an empty buffer with a capacity of at least n bytes.
func getBuffer(n int) []byte {
	class := max(bits.Len(uint(n-1)), minClass)
	if n <= 1 {
		class = minClass
	}
	if class > maxClass {
		return make([]byte, 0, n)
	}
	if p, ok := bufferPools[class].Get().(*byte); ok {
		return unsafe.Slice(p, 1<<class)[:0]
	}
	return make([]byte, 0, 1<<class)
}

// putBuffer gives b back. Nobody may use it afterwards.
func putBuffer(b []byte) {
	c := cap(b)
	if c < 1<<minClass || c > 1<<maxClass || c&(c-1) != 0 {
		return
	}
	bufferPools[bits.Len(uint(c))-1].Put(unsafe.SliceData(b[:1]))
}

// growBuffer returns b with room for n more bytes, moved to a larger pooled buffer where needed.
func growBuffer(b []byte, n int) []byte {
	if cap(b)-len(b) >= n {
		return b
	}
	grown := append(getBuffer(max(len(b)+n, 2*cap(b))), b...)
	putBuffer(b)
	return grown
}
