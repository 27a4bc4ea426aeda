package motan

// oneCall is what a call adds to serverConn.inFlight besides the bytes of its request, which are below.
const oneCall = 1 << 40

// unanswered are the bytes of the requests that wait for their answer.
func (c *serverConn) unanswered() int64 { return c.inFlight.Load()%oneCall - c.parkedFor.Load() }

// backlog is the bytes that are kept because the client has not read answers. Caller holds mu.
func (c *serverConn) backlog() int64 { return int64(c.queued()+c.parkedSum) + c.parkedFor.Load() }

// done takes a call off the count of those in flight.
func (c *serverConn) done(requestBytes int) {
	c.inFlight.Add(-oneCall - int64(requestBytes))
	if c.watched.Load() {
		c.share.settle()
		c.share.wake()
	}
}

// awaitRoom holds the client back that has too much in flight or does not read its answers, or that has large requests in flight
// while all together have too many: what it goes on sending stays in the socket. Frame is what the frame that arrives holds of the room.
func (c *serverConn) awaitRoom(frame int64) {
	if n := c.inFlight.Load(); !c.crowded(n) && !c.share.counted && n%oneCall <= ownBytes {
		return
	}
	c.watched.Store(true)
	for c.crowded(c.inFlight.Load()) { // looked at again, since what has ended before that did not wake anybody
		<-c.share.eased // every call ends, if only by its deadline, and every answer is read or the connection closed
	}
	if c.share.room == nil {
		c.watched.Store(false)
		return
	}
	if c.share.read(frame); c.share.counted {
		c.share.pause()
	}
}

// crowded tells whether the client has as much in flight as it may have.
func (c *serverConn) crowded(inFlight int64) bool {
	calls, bytes := int64(c.server.MaxInFlight), int64(c.server.MaxInFlightBytes)
	if calls == 0 {
		calls = defaultMaxInFlight
	}
	if bytes == 0 {
		bytes = defaultInFlightBytes
	}
	return inFlight >= calls*oneCall || inFlight%oneCall >= bytes
}

// ending tells whether nothing more is to be read.
func (c *serverConn) ending() bool {
	if c.stopped.Load() {
		return true
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.broken != nil
}

// hold has the room count the answers that are queued or parked, after there is another one. It returns the connections that have
// to be closed for it. Caller holds mu.
func (c *serverConn) hold() (victims []*serverConn) {
	n := beyondOwn(c.backlog())
	if n == c.held {
		return nil
	}
	c.held = n
	return c.share.keep(n, false)
}

// evict closes connections whose clients do not read, for the sake of others. Caller holds no lock.
func evict(victims []*serverConn) {
	for _, c := range victims {
		c.fail(errEvicted)
	}
}
