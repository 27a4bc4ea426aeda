package registry

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
)

func TestScopeCheck(t *testing.T) {
	tests := []struct {
		scope Scope
		good  bool
	}{
		{Scope{}, false},
		{Scope{Group: "g"}, true},
		{Scope{Application: "a"}, true},
		{Scope{Group: "g", Application: "a"}, false},
	}
	for _, tt := range tests {
		if err := tt.scope.Check(); (err == nil) != tt.good {
			t.Errorf("%+v: got %v, want good %v", tt.scope, err, tt.good)
		}
	}
}

// A receiver gets the first text also when it is empty, the newest of several, and none twice.
func TestTextFeed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var got []string
		hold := make(chan struct{})
		f := NewTextFeed(func(text string) {
			got = append(got, text)
			if text == "slow" {
				<-hold
			}
		})
		ctx, cancel := context.WithCancel(t.Context())
		go f.Run(ctx) // ends with ctx
		for _, text := range []string{"", "", "slow"} {
			f.Put(text)
			synctest.Wait()
		}
		if f.Len() != 4 {
			t.Errorf("length: got %d, want 4", f.Len())
		}
		for _, text := range []string{"skipped", "newest"} { // while the receiver is busy
			f.Put(text)
		}
		close(hold)
		synctest.Wait()
		cancel()
		synctest.Wait()
		f.Put("after the end")
		synctest.Wait()
		if want := []string{"", "slow", "newest"}; !slices.Equal(got, want) {
			t.Errorf("texts: got %q, want %q", got, want)
		}
	})
}

func TestStateSortsCommands(t *testing.T) {
	s := State{Commands: []CommandState{{Scope: Scope{Group: "b"}}, {Scope: Scope{Application: "z"}}, {Scope: Scope{Group: "a"}}, {Scope: Scope{Application: "c"}}}}
	s.Sort()
	var got []string
	for _, c := range s.Commands {
		got = append(got, c.Group+c.Application)
	}
	if want := []string{"c", "z", "a", "b"}; !slices.Equal(got, want) {
		t.Errorf("order: got %q, want %q", got, want)
	}
}
