package motan

// Withdraw takes c back from the connection on which it waits for a reply, of which it is then as if it had never been
// asked for: one that still comes is dropped as a late one. It returns true where the caller owns c now, and false where c
// does not wait, or not any more, because somebody is ending it. It goes through the calls that wait, so it is not for
// every call. Who calls it sees to it that c is not released meanwhile.
func (c *Client) Withdraw(call *Call) bool {
	for i := range c.conns {
		if n := c.conns[i].Load(); n != nil && n.withdraw(call) {
			return true
		}
	}
	return false
}

func (n *Conn) withdraw(c *Call) bool {
	l := n.current.Load()
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range l.slots {
		if l.slots[i].call == c {
			l.vacate(int32(i))
			return true
		}
	}
	return false
}
