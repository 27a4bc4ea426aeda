package motan_test

import (
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// Calls and answers are counted by batches; in the end the figures are those of each call by itself, also where a
// client is gone before its answers are ready.
func TestServerStats(t *testing.T) {
	const calls = 50
	tests := []struct {
		name    string
		gone    bool
		answers int64
	}{
		{"a client that reads", false, calls},
		{"a client that has gone", true, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			held := make(chan *motan.Call, calls)
			s := serve(t, &motan.Server{Handler: motan.HandlerFunc(func(c *motan.Call) { held <- c })})
			c := motantest.Dial(t, s.addr)
			var all []byte
			f := motantest.Request("s", "m", []byte("body"))
			for i := range calls {
				all = f.AppendTo(all, uint64(i), 0)
			}
			c.Write(all)
			motantest.Await(t, "the calls", func() bool { return len(held) == calls && s.Stats.InFlight.Load() == calls })
			if tt.gone {
				_ = c.Conn.Close()
				motantest.Await(t, "the end of the connection", func() bool { return s.Stats.Open.Load() == 0 })
			}
			for range calls {
				call := <-held
				call.Batch = nil // this is not the reader's goroutine
				call.End()
			}
			if !tt.gone {
				for range calls {
					c.Receive()
				}
			}
			motantest.Await(t, "no call in flight", func() bool { return s.Stats.InFlight.Load() == 0 })
			if got, answers := s.Stats.Calls.Load(), s.Stats.Answers.Load(); got != calls || answers != tt.answers {
				t.Errorf("got %d calls, %d answers, want %d, %d", got, answers, calls, tt.answers)
			}
		})
	}
}
