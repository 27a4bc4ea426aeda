package zktest

import (
	"os"
	"path/filepath"
	"testing"
)

// StartReadOnly starts one server of an ensemble whose others are gone, and which serves only those who are content to read.
// Anybody else it refuses by ending the connection. The server is stopped at the end of the test, which is skipped where Start
// would skip it.
func StartReadOnly(tb testing.TB) *Server {
	tb.Helper()
	s := prepare(tb)
	free := freePorts(tb, 6)
	s.jvm = []string{"-Dreadonlymode.enabled=true"}
	s.add("initLimit=10\nsyncLimit=5\n"+
		"server.1=127.0.0.1:%d:%d\nserver.2=127.0.0.1:%d:%d\nserver.3=127.0.0.1:%d:%d\n",
		free[0], free[1], free[2], free[3], free[4], free[5])
	err := os.MkdirAll(s.data(), 0o700)
	if err == nil {
		err = os.WriteFile(filepath.Join(s.data(), "myid"), []byte("1"), 0o600)
	}
	if err != nil {
		tb.Fatalf("zktest: configure: %v", err)
	}
	s.Restart()
	return s
}
