package motan

import "time"

var epoch = time.Now()

// Now is the monotonic time in nanoseconds since the process began. It is what
// [Call.Start] and [Call.Deadline] are in; wall clock jumps do not touch it.
func Now() int64 { return int64(time.Since(epoch)) }

// WallTime turns a monotonic time of [Now] into a wall clock time.
func WallTime(t int64) time.Time { return epoch.Add(time.Duration(t)) }
