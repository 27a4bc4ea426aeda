package handover

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"syscall"
	"time"
)

// Env is the variable of the environment that gives the new process the descriptor of its end.
const Env = "MOTAND_HANDOVER_FD"

// Channel is one end of the socket. One goroutine at a time may send, and one receive.
type Channel struct{ conn *net.UnixConn }

// Pair makes a socket of two ends: ours, and the file that the new process inherits. The caller closes both.
func Pair() (ours *Channel, theirs *os.File, err error) {
	syscall.ForkLock.RLock() // or a program started meanwhile would inherit them
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err == nil {
		syscall.CloseOnExec(fds[0])
		syscall.CloseOnExec(fds[1])
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, nil, fmt.Errorf("handover: %w", os.NewSyscallError("socketpair", err))
	}
	theirs = os.NewFile(uintptr(fds[1]), "handover")
	if ours, err = newChannel(uintptr(fds[0])); err != nil {
		_ = theirs.Close()
		return nil, nil, err
	}
	return ours, theirs, nil
}

// Inherited returns the channel to the process that has started this one to take its place; nil where there is none.
// It takes the variable out of the environment, so that programs started by this one do not see it.
func Inherited() (*Channel, error) {
	text, ok := os.LookupEnv(Env)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(Env); err != nil {
		return nil, fmt.Errorf("handover: %w", err)
	}
	fd, err := strconv.ParseUint(text, 10, 31)
	if err != nil || fd < 3 {
		return nil, fmt.Errorf("handover: %s=%.20q names no descriptor; leave it unset, motand upgrade sets it", Env, text)
	}
	return newChannel(uintptr(fd))
}

// newChannel takes fd over, also on an error.
func newChannel(fd uintptr) (*Channel, error) {
	f := os.NewFile(fd, "handover")
	if f == nil {
		return nil, fmt.Errorf("handover: descriptor %d is none", fd)
	}
	conn, err := net.FileConn(f) // a copy
	_ = f.Close()
	if err != nil {
		return nil, fmt.Errorf("handover: descriptor %d: %w", fd, err)
	}
	u, ok := conn.(*net.UnixConn)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("handover: descriptor %d is not a unix socket", fd)
	}
	return &Channel{u}, nil
}

// Send sends a message before the time given. The body is written as JSON; nil is none. The descriptor of file, where
// there is one, goes with it; it stays the caller's too.
func (c *Channel) Send(by time.Time, kind Kind, body any, file syscall.Conn) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return fmt.Errorf("handover: message %d: %w", kind, err)
		}
	}
	b, err := encode(kind, text)
	if err != nil {
		return err
	}
	if err := c.conn.SetWriteDeadline(by); err != nil {
		return fmt.Errorf("handover: send: %w", err)
	}
	n := 0
	if file != nil {
		if n, err = c.sendFile(b[:headerSize], file); err != nil {
			return fmt.Errorf("handover: send a descriptor: %w", err)
		}
	}
	if _, err := c.conn.Write(b[n:]); err != nil {
		return fmt.Errorf("handover: send: %w", err)
	}
	return nil
}

// sendFile sends the first bytes of a message with a descriptor.
func (c *Channel) sendFile(header []byte, file syscall.Conn) (n int, err error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var failure error
	err = raw.Control(func(fd uintptr) {
		n, _, failure = c.conn.WriteMsgUnix(header, syscall.UnixRights(int(fd)), nil)
	})
	if err == nil {
		err = failure
	}
	return n, err
}

// Receive waits for the next message until the time given; a zero time waits for ever.
func (c *Channel) Receive(by time.Time) (m Message, err error) {
	if err := c.conn.SetReadDeadline(by); err != nil {
		return m, fmt.Errorf("handover: receive: %w", err)
	}
	defer func() {
		if err != nil && m.File != nil {
			_ = m.File.Close() // nobody gets it
			m.File = nil
		}
	}()
	header := make([]byte, headerSize)
	for n := 0; n < headerSize; {
		got, file, err := c.receiveSome(header[n:])
		if file != nil && m.File != nil {
			_ = file.Close()
			return m, errGarbage
		} else if file != nil {
			m.File = file
		}
		if err != nil {
			return m, fmt.Errorf("handover: receive: %w", err)
		}
		n += got
	}
	kind, size, err := decode(header)
	if err != nil {
		return m, err
	}
	body, err := io.ReadAll(io.LimitReader(c.conn, int64(size))) // grows with what arrives
	if err == nil && len(body) < size {
		err = io.ErrUnexpectedEOF
	}
	if err != nil {
		return m, fmt.Errorf("handover: receive: %w", err)
	}
	if checksum(header[:sumAt], body) != binary.BigEndian.Uint32(header[sumAt:]) {
		return m, fmt.Errorf("%w: the checksum is wrong", errGarbage)
	}
	m.Kind, m.Body = kind, body
	return m, nil
}

// receiveSome reads part of a header, and the descriptor that may come with it.
func (c *Channel) receiveSome(b []byte) (int, *os.File, error) {
	rights := make([]byte, syscall.CmsgSpace(4))
	n, oobn, flags, _, err := c.conn.ReadMsgUnix(b, rights)
	file := fileOf(rights[:max(oobn, 0)])
	switch {
	case err != nil:
		return 0, file, err
	case n == 0:
		return 0, file, io.EOF
	case flags&syscall.MSG_CTRUNC != 0:
		return 0, file, errGarbage
	}
	return n, file, nil
}

// fileOf is the first descriptor of a control message; others are closed.
func fileOf(rights []byte) *os.File {
	messages, err := syscall.ParseSocketControlMessage(rights)
	if err != nil {
		return nil
	}
	var file *os.File
	for _, m := range messages {
		fds, err := syscall.ParseUnixRights(&m)
		if err != nil {
			continue
		}
		for _, fd := range fds {
			if file == nil {
				file = os.NewFile(uintptr(fd), "handed over")
				continue
			}
			_ = syscall.Close(fd)
		}
	}
	return file
}

// Close closes this end, which the other side notices.
func (c *Channel) Close() error { return c.conn.Close() }
