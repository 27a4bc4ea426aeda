package agent

import (
	"fmt"
	"net"
	"os"
	"syscall"
)

// checkPeer refuses processes of other users, except root.
func checkPeer(conn *net.UnixConn) error {
	raw, err := conn.SyscallConn()
	if err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	var peer *syscall.Ucred
	var failure error
	if err := raw.Control(func(fd uintptr) {
		peer, failure = syscall.GetsockoptUcred(int(fd), syscall.SOL_SOCKET, syscall.SO_PEERCRED)
	}); err != nil {
		return fmt.Errorf("agent: %w", err)
	}
	if failure != nil {
		return fmt.Errorf("agent: who asks is not known: %w", failure)
	}
	if peer.Uid != 0 && int(peer.Uid) != os.Getuid() {
		return fmt.Errorf("agent: user %d may not do this; run it as user %d or as root", peer.Uid, os.Getuid())
	}
	return nil
}
