package motan

import (
	"net"
	"testing"
)

// Calls and the bytes of their requests are kept in one number; each limit counts by itself.
func TestCrowded(t *testing.T) {
	tests := []struct {
		name               string
		maxCalls, maxBytes int
		calls              int
		requestBytes       int // of each
		want               bool
	}{
		{"none", 0, 0, 0, 0, false},
		{"one less than the default", 0, 0, defaultMaxInFlight - 1, 1, false},
		{"the default", 0, 0, defaultMaxInFlight, 1, true},
		{"calls", 10, 1 << 30, 10, 21, true},
		{"one call less", 10, 1 << 30, 9, 21, false},
		{"bytes", 10, 1000, 2, 500, true},
		{"one byte less", 10, 1000, 1, 999, false},
		{"the default of bytes", 0, 0, 4, defaultInFlightBytes / 4, true},
		{"large requests", 1 << 20, 1 << 38, 100, 1 << 30, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			conn, other := net.Pipe()
			defer other.Close()
			c := newServerConn(&Server{MaxInFlight: tt.maxCalls, MaxInFlightBytes: tt.maxBytes}, conn)
			defer c.close()
			for range tt.calls {
				c.inFlight.Add(oneCall + int64(tt.requestBytes))
			}
			if got := c.crowded(c.inFlight.Load()); got != tt.want {
				t.Errorf("got %v, want %v", got, tt.want)
			}
			for range tt.calls {
				c.done(tt.requestBytes)
			}
			if got := c.inFlight.Load(); got != 0 {
				t.Errorf("after the last call: got %d, want 0", got)
			}
		})
	}
}
