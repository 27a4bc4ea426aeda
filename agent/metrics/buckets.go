package metrics

import (
	"math/bits"
	"time"
)

// bounds are the upper ends of the buckets of durations, in nanoseconds: twenty to a decade,
// from 1 µs to 63 s, so that 1, 2 and 5 times any power of ten are among them. Neighbours are
// at most a factor of 1.127 apart, hence no duration is further than 6 % from the middle
// of its bucket. The set never changes: buckets of hosts and of releases can be added up.
var bounds = makeBounds()

// perDecade are the bounds of one decade, in hundredths.
var perDecade = [...]int64{
	100, 112, 126, 141, 158, 178, 200, 224, 250, 280,
	315, 355, 400, 450, 500, 560, 630, 710, 800, 900,
}

const (
	boundCount  = 157            // 1 µs up to and including 63 s
	bucketCount = boundCount + 1 // the last one is for what is longer
	lastBound   = int64(63 * time.Second)

	// A duration finds its bucket through a table over its highest bits: the octave and four
	// bits below it. A cell of it is narrower than a bucket, so that one comparison decides.
	cellBits  = 4
	cellCount = (36 - cellBits + 1) << cellBits // 63 s has 36 bits
)

var cells = makeCells()

func makeBounds() (b [boundCount]int64) {
	unit := int64(time.Microsecond) / 100
	for i := range b {
		b[i] = perDecade[i%len(perDecade)] * unit
		if (i+1)%len(perDecade) == 0 {
			unit *= 10
		}
	}
	return b
}

// makeCells gives for each cell the bucket of the smallest duration in it.
func makeCells() (c [cellCount]uint8) {
	bucket := 0
	for i := range c {
		for bounds[bucket] < cellStart(i) && bucket < boundCount-1 {
			bucket++
		}
		c[i] = uint8(bucket)
	}
	return c
}

// cell is the place of a duration of 0 to 63 s in the table.
func cell(d int64) int {
	shift := max(bits.Len64(uint64(d))-cellBits-1, 0)
	return shift<<cellBits + int(d>>shift)
}

// cellStart is the smallest duration in a cell: what cell does, undone.
func cellStart(i int) int64 {
	if i < 2<<cellBits {
		return int64(i)
	}
	shift := i>>cellBits - 1
	return int64(i-shift<<cellBits) << shift
}

// bucketOf is the bucket of a duration: the first whose bound is not below it.
func bucketOf(d int64) int {
	if d <= 0 {
		return 0
	}
	if d > lastBound {
		return boundCount
	}
	b := int(cells[cell(d)])
	if d > bounds[b] {
		b++
	}
	return b
}
