package agent

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"slices"
	"strings"

	"github.com/motand/motand/agent/handover"
	"github.com/motand/motand/agent/systemd"
	"github.com/motand/motand/httpbridge"
)

// inheritance is what an agent is given and need not make: listening sockets by systemd or by the process whose place it
// takes, locks and what is known by the latter. A nil inheritance is none.
type inheritance struct {
	sockets   []inherited
	locks     []*os.File
	successor *successor // nil unless another process is there whose place is taken
}

// inherited is a socket that somebody else has opened.
type inherited struct {
	handover.Socket
	file *os.File
}

// inherit takes what this process is given: by the process whose place it takes, or else by systemd. It is nil for nothing.
func inherit() (*inheritance, error) {
	h, err := inheritAgent()
	if h != nil || err != nil {
		return h, err
	}
	sockets, err := systemd.Sockets()
	if len(sockets) == 0 || err != nil {
		return nil, err
	}
	h = new(inheritance)
	for _, s := range sockets {
		h.sockets = append(h.sockets, inherited{handover.Socket{Name: s.Name, Foreign: true}, s.File})
	}
	return h, nil
}

// warn tells of sockets that nobody uses. Those of export ports may be for services of programs that register later.
func (h *inheritance) warn(log *slog.Logger) {
	if h == nil || h.successor != nil {
		return
	}
	for _, x := range h.sockets {
		if !strings.HasPrefix(x.Name, "export-") {
			log.Warn("agent: a socket of systemd is not used: its FileDescriptorName is not motan, http, management or export-PORT, or the configuration has no such listener", "name", x.Name)
		}
	}
}

// find returns the index of the socket of that name, -1 when there is none. One of systemd has no address of its own: the
// unit says where it listens.
func (h *inheritance) find(name, network, addr string) int {
	if h == nil {
		return -1
	}
	return slices.IndexFunc(h.sockets, func(x inherited) bool {
		return x.Name == name && (x.Network == "" || x.Network == network && x.Addr == addr)
	})
}

// take returns the socket of that name; nil when there is none.
func (h *inheritance) take(name, network, addr string) (net.Listener, handover.Socket, error) {
	i := h.find(name, network, addr)
	if i < 0 {
		return nil, handover.Socket{}, nil
	}
	x := h.sockets[i]
	h.sockets = slices.Delete(h.sockets, i, i+1)
	l, err := x.listen()
	return l, x.Socket, err
}

// listen makes a listener of the socket, whose file it closes.
func (x *inherited) listen() (net.Listener, error) {
	l, err := net.FileListener(x.file) // a copy
	_ = x.file.Close()
	if err != nil {
		return nil, fmt.Errorf("socket %s that was handed over: %w", x.Name, err)
	}
	if u, ok := l.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(!x.Foreign)
	}
	return ready(x.Name, l)
}

// ready prepares a listener for the server whose connections come in by it.
func ready(name string, l net.Listener) (net.Listener, error) {
	if serverOf(name) != "http" {
		return l, nil
	}
	direct, err := httpbridge.Direct(l)
	if err != nil {
		_ = l.Close()
		return nil, err
	}
	return direct, nil
}

// close gives back what nobody has taken: sockets that the configuration does not name any more.
func (h *inheritance) close() {
	if h == nil {
		return
	}
	for _, x := range h.sockets {
		_ = x.file.Close()
	}
	for _, f := range h.locks {
		_ = f.Close()
	}
	h.sockets, h.locks = nil, nil
}

// closer is a listener whose file of a unix socket may stay.
type closer interface{ SetUnlinkOnClose(unlink bool) }

// pause stops accepting: connections wait in the sockets, which stay as they are, until somebody accepts from them. Resume
// or the inheritance's close ends that.
func (l *listeners) pause() (*inheritance, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	paused := new(inheritance)
	for _, x := range l.open {
		f, ok := x.listener.(interface{ File() (*os.File, error) })
		if !ok {
			paused.close()
			return nil, fmt.Errorf("agent: a listener of type %T cannot be kept", x.listener)
		}
		file, err := f.File() // a copy
		if err != nil {
			paused.close()
			return nil, fmt.Errorf("agent: keep socket %s: %w", x.Name, err)
		}
		paused.sockets = append(paused.sockets, inherited{x.Socket, file})
	}
	for _, x := range l.open {
		l.leave(x.listener)
		if u, ok := x.listener.(closer); ok {
			u.SetUnlinkOnClose(false)
		}
		_ = x.listener.Close()
	}
	l.open = nil
	return paused, nil
}

// resume accepts from the sockets again. It returns the new listeners.
func (l *listeners) resume(paused *inheritance) ([]opened, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var errs []error
	for _, x := range paused.sockets {
		listener, err := x.listen()
		if err != nil {
			errs = append(errs, err)
			continue
		}
		l.open = append(l.open, opened{listener, x.Socket})
	}
	paused.sockets = nil
	return slices.Clone(l.open), errors.Join(errs...)
}

// close closes all.
func (l *listeners) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, x := range l.open {
		_ = x.listener.Close()
	}
}
