package registry

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// MaxCommandBytes bounds the text of one command node; those in the field have a few KiB.
const MaxCommandBytes = 256 << 10

// Scope says whose commands are meant, or that a configuration is. Exactly one of its fields is set.
type Scope struct {
	Group       string // commands for all who call services of this group
	Application string // commands for the agents of this application only; they go before those of a group
	Config      string // no command: a part of the configuration of the agents of this application
}

// Check reports why s is no scope.
func (s Scope) Check() error {
	switch {
	case s == Scope{}:
		return errors.New("registry: commands of neither a group nor an application")
	case s.Config != "" && s != Scope{Config: s.Config}:
		return fmt.Errorf("registry: a configuration of application %q and commands as well: watch each by itself", s.Config)
	case s.Group != "" && s.Application != "":
		return fmt.Errorf("registry: commands of both group %q and application %q: watch each by itself", s.Group, s.Application)
	}
	return nil
}

// Commander is an optional ability of a Registry: to tell what operators command (motan protocol, section 5.6). Find it with
// As, so that what stands in front of the registry does not hide it.
//
// The registry hands on the text as it was written, without looking at it: JSON that is no command is its reader's to refuse.
type Commander interface {
	// WatchCommand calls update with the text of scope's command whenever it changes, first as soon as it is known, until
	// ctx ends. The text is "" where there is no command: its node is missing, empty, or was deleted, with or without what
	// is above it. What cannot be a command (longer than MaxCommandBytes, not UTF-8, a Java object other than a string)
	// counts as none as well, and State tells of it. While the registry cannot be reached, update is not called: the last
	// command stays in force. WatchCommand returns at once; updates come one at a time from a goroutine of the registry's,
	// and of several quick changes only the last may be told. An error says that the watch can never work.
	WatchCommand(ctx context.Context, scope Scope, update func(text string)) error
}

// AgentAnnouncer is an optional ability of a Registry: to show that an agent runs, apart from the services (motan protocol,
// section 5.1).
type AgentAnnouncer interface {
	// AnnounceAgent says that the agent n runs until ctx ends, then withdraws it. n.Group is its application, n.Path its own
	// path, n.Host and n.Port where it is managed; n.Available is not looked at. It returns at once. Announcing the same
	// agent again replaces what was said.
	AnnounceAgent(ctx context.Context, n Node) error
}

// CommandState tells what is known about the commands of a scope.
type CommandState struct {
	Scope
	Bytes     int       // the length of the text that was handed over last; 0 where there is no command
	Updated   time.Time // when the registry last confirmed or changed it; zero if it never did
	Stale     bool      // it is not confirmed: the registry cannot be reached, or was not yet
	LastError string    // why the last reading failed, or what is wrong with the text; empty when all is well
}

// TextFeed hands the texts of one watch to its receiver: one at a time, the latest only, and only those that differ from the
// one before. It is to commands what Feed is to lists.
type TextFeed struct {
	update func(string)
	wake   chan struct{} // holds one token while there is something new

	mu    sync.Mutex
	next  string // guarded by mu: what Run hands over next
	bytes int    // guarded by mu: the length of the text that was handed over last
}

// NewTextFeed returns a feed that does nothing until Run is called.
func NewTextFeed(update func(string)) *TextFeed {
	return &TextFeed{update: update, wake: make(chan struct{}, 1)}
}

// Put replaces the text. It never blocks.
func (f *TextFeed) Put(text string) {
	f.mu.Lock()
	f.next = text
	f.mu.Unlock()
	select {
	case f.wake <- struct{}{}:
	default: // Run was told already and takes the newest text
	}
}

// Len returns the length in bytes of the text that was handed over last.
func (f *TextFeed) Len() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes
}

// Run calls the receiver until ctx ends. It is called once, on a goroutine of its own.
func (f *TextFeed) Run(ctx context.Context) {
	last, first := "", true
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.wake:
		}
		if ctx.Err() != nil {
			return
		}
		f.mu.Lock()
		text := f.next
		f.mu.Unlock()
		if !first && text == last {
			continue
		}
		first, last = false, text
		f.mu.Lock()
		f.bytes = len(text)
		f.mu.Unlock()
		f.update(text)
	}
}
