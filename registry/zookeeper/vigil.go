package zookeeper

import (
	"math/rand/v2"
	"time"
)

const (
	// afterArrival is when something is read once more after a reconnect: the library restores the watches meanwhile, and
	// one that fired in between could be lost.
	afterArrival = 5 * time.Second
	// spread is over how long the re-reading of what is known is drawn out after a reconnect. What has changed is told by
	// the server when the watches are restored, and is read at once.
	spread = 2 * time.Second
)

// vigil is the part of a watch that says when to read: when told, after a reconnect, and now and then without being told.
// Its fields are guarded by Registry.mu.
type vigil struct {
	dirty   bool // it has to be read
	busy    bool // it is being read
	armed   bool // the server will tell of the next change
	again   bool // watches are being restored after a reconnect, so that one reading is not enough
	fired   int  // how often the server told
	pace    pace
	auditAt time.Time // when to read it without being told

	updated time.Time // when it was last read
	problem string
}

// due returns when it has to be read next, false while it is being read.
func (v *vigil) due() (time.Time, bool) {
	if v.dirty {
		return v.pace.notBefore, !v.busy
	}
	return later(v.auditAt, v.pace.notBefore), !v.busy
}

// notice takes the server's word that something has changed. The watch is used up by that.
func (v *vigil) notice() {
	v.armed, v.dirty = false, true
	v.fired++
}

// arrive takes a new connection: in the same session watches live on, in a new one they do not. What is known already is
// read again within spread, what is not is read at once.
func (v *vigil) arrive(now time.Time, newSession, known bool) {
	v.pace.reset()
	if newSession {
		v.armed = false
	}
	v.again = !newSession
	if !known {
		v.dirty = true
		return
	}
	v.auditAt = now.Add(rand.N(spread))
}

// failed takes an attempt that err ended; watched says that it had set a watch by then. A watch outlives the connection, and
// is not set twice: the client library would keep both.
func (v *vigil) failed(now time.Time, watched bool, fired int, err error) {
	v.dirty = true
	v.armed = isLost(err) && (v.armed || watched) && v.fired == fired
	v.pace.failed(now)
}

// finish takes a reading that began when the server had told fired times. watched says that it set a watch, changed that it
// differs from the one before in a way of which a watch tells. It reports whether a notice was lost.
func (v *vigil) finish(now time.Time, fired int, watched, changed bool, every time.Duration) (lost bool) {
	quiet := v.fired == fired
	switch {
	case watched:
		v.armed = quiet // a notice during the reading was this watch's
	case quiet && changed:
		// The server tells of a change before it shows it. It did not, so there is no watch any more.
		lost = true
		v.armed, v.dirty = false, true
	}
	v.pace.succeeded(now)
	v.auditAt = now.Add(about(every))
	if v.again {
		v.again = false
		v.auditAt = now.Add(about(min(every, afterArrival)))
	}
	v.updated = now
	return lost
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}
