package agent

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// The answers are motan-go's, word by word where it is about what we have.
func TestLogConfig(t *testing.T) {
	a := managed(t, new(recorder))
	steps := []struct{ target, want string }{
		{"/logConfig/get", `{"code":200,"body":"{\"level\":\"info\",\"accessLog\":true,\"metricsLog\":false}"}`},
		{"/logConfig/set?level=debug", `{"code":200,"body":"set log level:debug"}`},
		{"/logConfig/get", `{"code":200,"body":"{\"level\":\"debug\",\"accessLog\":true,\"metricsLog\":false}"}`},
		{"/logConfig/set?level=loud", `{"code":500,"body":"set log level failed. err:there is no level loud, only trace, debug, info, warn, error, dpanic, panic, fatal"}`},
		{"/logConfig/set?access=false", `{"code":200,"body":"set accessLog status:false"}`},
		{"/logConfig/get", `{"code":200,"body":"{\"level\":\"debug\",\"accessLog\":false,\"metricsLog\":false}"}`},
		{"/logConfig/set?access=perhaps", `{"code":500,"body":"set accessLog status failed. err:strconv.ParseBool: parsing \"perhaps\": invalid syntax"}`},
		{"/logConfig/set?metrics=true", `{"code":500,"body":"set metricsLog status failed. err:metrics are not logged here, /metrics has them"}`},
	}
	for _, s := range steps {
		if w := ask(t, a, http.MethodGet, s.target, ""); w.Code != 200 || w.Body.String() != s.want+"\n" {
			t.Errorf("%s: got %d %s, want 200 %s", s.target, w.Code, w.Body, s.want)
		}
	}
}

// A file that was moved away is begun anew by reopen; rotate begins a new one and keeps, or compresses, the old.
func TestReopenAndRotate(t *testing.T) {
	dir := t.TempDir()
	l, err := openLogs(logging(t, "motan-agent: {log_dir: "+dir+", log_async: false, log_max_files: 3}\n", func(*conf.Agent) {}), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer l.end()
	file := filepath.Join(dir, "motand.log")
	l.log.Info("first")
	if err := os.Rename(file, file+".1"); err != nil {
		t.Fatal(err)
	}
	l.reopen()
	l.log.Info("second")
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "first") || !strings.Contains(string(text), "second") {
		t.Errorf("after reopen: got %q, %v", text, err)
	}
	l.rotate()
	l.log.Info("third")
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), "second") || !strings.Contains(string(text), "third") {
		t.Errorf("after rotate: got %q, %v", text, err)
	}
	if old, err := filepath.Glob(filepath.Join(dir, "motand-2*.log")); err != nil || len(old) != 1 {
		t.Errorf("old files: got %v, %v; want one", old, err)
	}
}
