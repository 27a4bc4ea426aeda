package httpbridge

import (
	"errors"
	"log/slog"
	"net"
	"os"
	"syscall"
	"testing"
)

// TestAcceptGoesOn checks that a lack of file descriptors, and a client that went away, do not end the server.
func TestAcceptGoesOn(t *testing.T) {
	open, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	broken := errors.New("broken")
	errs := make(chan error, 4)
	for _, err := range []error{syscall.EMFILE, syscall.ECONNABORTED, syscall.ENFILE} {
		errs <- &net.OpError{Op: "accept", Err: os.NewSyscallError("accept4", err)}
	}
	errs <- broken
	s := &Server{Handler: record(echo), Logger: slog.New(slog.DiscardHandler)}
	if err := s.Serve(failingListener{open, errs}); !errors.Is(err, broken) {
		t.Errorf("got %v, want the error that does not pass", err)
	}
	if len(errs) != 0 {
		t.Errorf("%d errors were not met", len(errs))
	}
}
