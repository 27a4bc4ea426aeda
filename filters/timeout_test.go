package filters

import (
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

func TestTimeout(t *testing.T) {
	const ms = int64(time.Millisecond)
	tests := []struct {
		name     string
		params   string
		method   string
		asked    string // M_tmo
		deadline int64  // before the filter, ms after the start; 0 is none
		age      time.Duration
		want     int64 // ms after the start; 0 is none, -1 that the call is refused
	}{
		{"nothing said", "", "get", "", 0, 0, 0},
		{"limit", "timeout.limit=800", "get", "", 0, 0, 800},
		{"earlier deadline", "timeout.limit=800", "get", "", 500, 0, 500},
		{"later deadline", "timeout.limit=800", "get", "", 900, 0, 800},
		{"caller's", "", "get", "300", 0, 0, 300},
		{"caller's is less", "timeout.limit=800", "get", "300", 0, 0, 300},
		{"caller's is more", "timeout.limit=800", "get", "3000", 0, 0, 800},
		{"caller's does not count", "timeout.limit=800 timeout.caller=false", "get", "300", 0, 0, 800},
		{"method", "timeout.limit=800 get().timeout.limit=100", "get", "", 0, 0, 100},
		{"another method", "timeout.limit=800 get().timeout.limit=100", "put", "", 0, 0, 800},
		{"expired", "timeout.limit=800", "get", "", 0, 800 * time.Millisecond, -1},
		{"expired for its caller", "", "get", "10", 0, 11 * time.Millisecond, -1},
		{"expired before", "", "get", "", 5, 5 * time.Millisecond, -1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := settings(textParams(tt.params))
			h, _ := behind(t, ok, "timeout", s)
			c := at(tt.method, 0, "M_tmo", tt.asked)
			defer c.Release()
			c.Batch.Now += int64(tt.age)
			if tt.deadline != 0 {
				c.Deadline = c.Start + tt.deadline*ms
			}
			h.Handle(c)
			if refused := c.Err != nil; refused != (tt.want == -1) || refused && c.Err.Kind != motan.KindTimeout {
				t.Errorf("got %v, want it refused: %t", c.Err, tt.want == -1)
			}
			if got := c.Deadline - c.Start; tt.want > 0 && got != tt.want*ms || tt.want == 0 && c.Deadline != 0 {
				t.Errorf("got %d ms, want %d", got/ms, tt.want)
			}
			if got := counted(s.States, "expired"); got != map[bool]float64{true: 1}[tt.want == -1] {
				t.Errorf("counted %v expired", got)
			}
		})
	}
	passesFree(t, "timeout", textParams("timeout.limit=800 get().timeout.limit=100"))
}
