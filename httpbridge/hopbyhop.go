package httpbridge

// isHopByHop tells whether a header belongs to one connection and not to the message that is passed on (RFC 9110,
// section 7.6.1); Expect counts as one, since bodies are read whole here. Content-Length does not: some
// callers are shown it. Name is canonical.
func isHopByHop(name []byte) bool {
	switch string(name) {
	case "Connection", "Proxy-Connection", "Keep-Alive", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Proxy-Authenticate", "Proxy-Authorization", "Expect", "Http2-Settings":
		return true
	}
	return false
}
