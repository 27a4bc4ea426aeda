package registry

import (
	"context"
	"fmt"
	"time"
)

// yieldTick is how often it is looked at whether the last writing has ended.
const yieldTick = time.Millisecond

// AwaitYielded calls yielded until it reports that nothing that was announced is being written any more; it is for
// registries that implement [Yielder]. It returns ctx's error where that does not come before ctx's end.
func AwaitYielded(ctx context.Context, yielded func() bool) error {
	tick := time.NewTicker(yieldTick)
	defer tick.Stop()
	for !yielded() {
		select {
		case <-tick.C:
		case <-ctx.Done():
			return fmt.Errorf("registry: a node that is announced is still being written: %w", ctx.Err())
		}
	}
	return nil
}
