package registry

import (
	"testing"
	"time"
)

func TestLatency(t *testing.T) {
	var l Latency
	if got := l.Now(); got != 0 {
		t.Errorf("before the first: got %v, want 0", got)
	}
	for _, step := range []struct{ note, want time.Duration }{
		{100 * time.Millisecond, 100 * time.Millisecond},
		{20 * time.Millisecond, 80 * time.Millisecond},
		{80 * time.Millisecond, 80 * time.Millisecond},
	} {
		if l.Note(step.note); l.Now() != step.want {
			t.Errorf("after %v: got %v, want %v", step.note, l.Now(), step.want)
		}
	}
	var instant Latency
	if instant.Note(0); instant.Now() == 0 {
		t.Error("an answer that took no time is none at all")
	}
}
