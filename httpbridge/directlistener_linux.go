package httpbridge

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
)

// directListener takes connections of a listener of TCP or unix as directConns.
type directListener struct {
	net.Listener
	file *os.File // a second descriptor of the listener: that of package net cannot be waited for
	raw  syscall.RawConn
	tcp  bool
	try  func(fd uintptr) bool // accept, made once

	// Of the Accept that runs:
	fd    int
	errno syscall.Errno
}

// Direct returns a listener that takes the place of l, and closes it, for a Server: clients that connect for one call cost
// less. One goroutine at a time may accept of it. It is l itself where l is no socket.
func Direct(l net.Listener) (net.Listener, error) {
	s, ok := l.(interface{ File() (*os.File, error) })
	if !ok {
		return l, nil
	}
	file, err := s.File()
	if err != nil {
		return nil, fmt.Errorf("httpbridge: listen: %w", err)
	}
	d := &directListener{Listener: l, file: file}
	d.try = d.accept
	_, d.tcp = l.(*net.TCPListener)
	if d.raw, err = file.SyscallConn(); err == nil && d.tcp {
		var failed error
		err = d.raw.Control(func(fd uintptr) { // the connections have it from their listener
			failed = os.NewSyscallError("setsockopt", syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_NODELAY, 1))
		})
		err = errors.Join(err, failed)
	}
	if err != nil {
		_ = file.Close() // it was only copied
		return nil, fmt.Errorf("httpbridge: listen: %w", err)
	}
	return d, nil
}

// Accept waits for the next connection.
func (d *directListener) Accept() (net.Conn, error) {
	if err := d.raw.Read(d.try); err != nil {
		return nil, net.ErrClosed
	}
	if d.errno != 0 {
		return nil, os.NewSyscallError("accept4", d.errno)
	}
	c := &directConn{fd: d.fd, local: d.Addr(), remote: d.Addr()}
	if d.tcp {
		c.remote = peerOf(d.fd)
	}
	return c, nil
}

// accept is one attempt; false lets the poller wait.
func (d *directListener) accept(fd uintptr) bool {
	for {
		n, _, errno := syscall.RawSyscall6(syscall.SYS_ACCEPT4, fd, 0, 0, syscall.SOCK_CLOEXEC|syscall.SOCK_NONBLOCK, 0, 0)
		if errno == syscall.EINTR {
			continue
		}
		d.fd, d.errno = int(n), errno
		return errno != syscall.EAGAIN
	}
}

// Close closes both descriptors.
func (d *directListener) Close() error { return errors.Join(d.Listener.Close(), d.file.Close()) }

// File is that of *net.TCPListener.
func (d *directListener) File() (*os.File, error) {
	return d.Listener.(interface{ File() (*os.File, error) }).File() //nolint:forcetypeassert // Direct has looked
}

// SyscallConn is that of *net.TCPListener.
func (d *directListener) SyscallConn() (syscall.RawConn, error) {
	return d.Listener.(syscall.Conn).SyscallConn() //nolint:forcetypeassert // who has File has it, too
}

// SetUnlinkOnClose is that of *net.UnixListener; without a file it does nothing.
func (d *directListener) SetUnlinkOnClose(unlink bool) {
	if u, ok := d.Listener.(*net.UnixListener); ok {
		u.SetUnlinkOnClose(unlink)
	}
}

// peerOf is the address of the client; that of nobody where it is gone.
func peerOf(fd int) *net.TCPAddr {
	peer, _ := syscall.Getpeername(fd) // the scheduler is not told of it
	switch peer := peer.(type) {
	case *syscall.SockaddrInet4:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom4(peer.Addr), uint16(peer.Port)))
	case *syscall.SockaddrInet6:
		return net.TCPAddrFromAddrPort(netip.AddrPortFrom(netip.AddrFrom16(peer.Addr).Unmap(), uint16(peer.Port)))
	}
	return new(net.TCPAddr)
}
