package registry

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// filePoll is how often a file is read when nothing announces a change: file systems of containers and networks do not
	// always announce.
	filePoll = 5 * time.Second
	// fileSettle is how long a file must rest after a change before it is read: an editor writes in several steps.
	fileSettle = 50 * time.Millisecond
)

// FileOptions says which file a File watches.
type FileOptions struct {
	Path string
	Poll time.Duration // how often to look even without a notice; 0 means 5 s
	Log  *slog.Logger  // nil means slog.Default()
}

// File is the registry protocol "file": services and nodes are listed in a YAML file that a person or a deploy tool edits.
//
//	services:
//	  - path: com.example.HelloService
//	    group: test-group
//	    version: "1.0"       # of all nodes without one; may be left out
//	    protocol: motan2     # of all nodes without one; motan2 when left out
//	    nodes:
//	      - 10.0.0.1:8002
//	      - "[::1]:8002"
//	      - unix:///run/hello.sock
//	      - {address: "10.0.0.2:8002", weight: 5, version: "1.0", protocol: motan2}
//
// Keys of a node other than address and protocol are its parameters, taken as they are written. A change is seen at
// once, also when the file or a folder on the way is replaced by a rename or a symbolic link. A file that cannot be read,
// is empty, or has a mistake anywhere changes nothing: the last good lists stay, and the mistake is logged and told by
// State. A service that a good file does not name has an empty list.
//
// The file is read while somebody watches, by one goroutine.
type File struct {
	o     FileOptions
	board board

	mu      sync.Mutex
	users   int                // guarded by mu: watches that have not ended
	cancel  context.CancelFunc // guarded by mu: ends the goroutine; nil when there is none
	stopped chan struct{}      // guarded by mu: closed when the last goroutine has ended; nil before the first
	good    time.Time          // guarded by mu: when the file was last found good
	since   time.Time          // guarded by mu: when failure last changed between empty and not
	failure string             // guarded by mu: what is wrong with the file now
	reloads int64              // guarded by mu: how many changes were taken over
}

var (
	_ Registry = (*File)(nil)
	_ Stater   = (*File)(nil)
	_ Reacher  = (*File)(nil)
)

// NewFile returns a registry of the file that o names. The file need not exist yet.
func NewFile(o FileOptions) (*File, error) {
	if o.Path == "" {
		return nil, errors.New("registry: file: no path given")
	}
	if o.Poll <= 0 {
		o.Poll = filePoll
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return &File{o: o, board: board{unknown: true}}, nil
}

// Watch implements Registry. Nothing is told until the file was read without a mistake for the first time.
func (f *File) Watch(ctx context.Context, s Service, update func([]Node)) error {
	if err := s.check(update); err != nil {
		return err
	}
	f.watchPacked(ctx, s, unpacking(update))
	return nil
}

// watchPacked is Watch for a receiver that takes lists as they are kept, of a service that was checked.
func (f *File) watchPacked(ctx context.Context, s Service, update func(packed)) {
	f.enter()
	f.board.watch(ctx, s, update, f.leave)
}

// enter starts the goroutine with the first watch.
func (f *File) enter() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.users++
	if f.cancel == nil {
		run, cancel := context.WithCancel(context.Background())
		before, stopped := f.stopped, make(chan struct{})
		f.cancel, f.stopped = cancel, stopped
		go func() { // ends when the last watch does
			defer close(stopped)
			if before != nil {
				<-before
			}
			f.run(run)
		}()
	}
}

// leave ends the goroutine with the last watch.
func (f *File) leave() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.users--; f.users == 0 {
		f.cancel()
		f.cancel = nil
	}
}

// Announce implements Registry. A file is written by those who own it, so n only goes to the debug log.
func (f *File) Announce(_ context.Context, n Node) error {
	f.o.Log.Debug("registry: file: not announced, the file is only read", "file", f.o.Path, "service", n.Path, "address", n.Addr())
	return nil
}

// run reads the file now, after each notice, and at each tick, until ctx ends.
func (f *File) run(ctx context.Context) {
	var last contents
	tick := time.NewTicker(f.o.Poll)
	defer tick.Stop()
	settled := time.NewTimer(time.Hour)
	settled.Stop()
	defer settled.Stop()
	notices := f.notices()
	defer notices.close()
	f.reload(&last)
	for {
		select {
		case <-ctx.Done():
			return
		case _, ok := <-notices.events():
			if !ok {
				notices.close()
				continue
			}
			settled.Reset(fileSettle)
		case err := <-notices.errors():
			f.o.Log.Warn("registry: file: notices are unreliable, looking every "+f.o.Poll.String(), "file", f.o.Path, "error", err)
		case <-settled.C:
			f.reload(&last)
		case <-tick.C:
			notices.renew(f)
			f.reload(&last)
		}
	}
}

// contents remembers what was read last: what a list in a file takes in memory is not kept beside the list.
type contents struct {
	known bool
	sum   [sha256.Size]byte
	space []byte // for the next reading
}

// reload takes the file over when it differs from last and is good. It notes in last what it read, if it could.
func (f *File) reload(last *contents) {
	data, err := readList(f.o.Path, last.space)
	if err == nil {
		last.space = data
		sum := sha256.Sum256(data)
		if last.known && sum == last.sum {
			return // as good or bad as it was
		}
		last.known, last.sum = true, sum
	} else {
		last.known = false // look at it again even if it comes back the same
	}
	var lists map[serviceKey][]Node
	if err == nil {
		lists, err = parseList(data)
	}
	if err != nil {
		f.failed(err)
		return
	}
	f.mu.Lock()
	f.good = time.Now()
	f.reloads++
	if f.failure != "" || f.since.IsZero() {
		f.since = f.good
	}
	f.failure = ""
	f.mu.Unlock()
	f.board.replace(lists) // whoever is told finds the state as good as the list
	f.o.Log.Info("registry: file: read", "file", f.o.Path, "services", len(lists))
}

// failed notes err, and logs it unless it is the same as before.
func (f *File) failed(err error) {
	text := fmt.Sprintf("%s: %v", f.o.Path, err)
	f.mu.Lock()
	again := f.failure == text
	if f.failure == "" {
		f.since = time.Now()
	}
	f.failure = text
	f.mu.Unlock()
	if !again {
		f.o.Log.Error("registry: file: not taken over, the last good lists stay", "file", f.o.Path, "error", err)
	}
}

// Reach implements Reacher.
func (f *File) Reach() (connected, idle bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.fine(), false
}

// fine tells whether the file was good when it was last read. The caller holds mu.
func (f *File) fine() bool { return f.failure == "" && !f.good.IsZero() }

// State implements Stater: Connected says that the file was good when it was last read.
func (f *File) State() State {
	s := State{Kind: "file", Watches: f.board.watches()}
	f.mu.Lock()
	s.Connected = f.fine()
	s.Since = f.since
	s.LastError = f.failure
	s.Extra = map[string]int64{"reloads": f.reloads}
	f.mu.Unlock()
	for i := range s.Watches {
		s.Watches[i].Stale = !s.Connected
	}
	s.Sort()
	return s
}

// notices are the kernel's notices of changes in the file's folder; without them the file is only polled.
type notices struct{ w *fsnotify.Watcher }

// notices begins to listen, if it can.
func (f *File) notices() *notices {
	n := &notices{}
	n.renew(f)
	return n
}

// renew begins to listen to the folder where that failed before, or where the folder was replaced.
func (n *notices) renew(f *File) {
	if n.w == nil {
		w, err := fsnotify.NewWatcher()
		if err != nil {
			return
		}
		n.w = w
	}
	if err := n.w.Add(filepath.Dir(f.o.Path)); err != nil {
		n.close()
	}
}

func (n *notices) close() {
	if n.w != nil {
		_ = n.w.Close() // what it still has to tell is not wanted
		n.w = nil
	}
}

func (n *notices) events() <-chan fsnotify.Event {
	if n.w == nil {
		return nil
	}
	return n.w.Events
}

func (n *notices) errors() <-chan error {
	if n.w == nil {
		return nil
	}
	return n.w.Errors
}
