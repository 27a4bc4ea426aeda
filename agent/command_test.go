package agent

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/motand/motand/conf"
)

// motan-go's spelling of flags is understood, and so is that of everything else.
func TestSpell(t *testing.T) {
	tests := []struct{ name, in, want string }{
		{"nothing", "", ""},
		{"flags alone mean run", "-c x.yaml", "run -c x.yaml"},
		{"motan-go's", "-c x.yaml -port 9981 -eport 1 -hport 2 -mport 3 -pidfile p -log_dir l -application a -pool b -idc c -localIP 10.0.0.1 -recover", "run -c x.yaml --port 9981 --eport 1 --hport 2 --mport 3 --pidfile p --log_dir l --application a --pool b --idc c --localIP 10.0.0.1 --recover"},
		{"with equal signs", "-port=9981 -recover=true", "run --port=9981 --recover=true"},
		{"flags that have no effect", "-log_async=false -log_buffer_size 1 -log_level info -log_structured -rotate_per_hour -log_filter_caller", "run --log_async=false --log_buffer_size 1 --log_level info --log_structured --rotate_per_hour --log_filter_caller"},
		{"two dashes", "--port 9981", "run --port 9981"},
		{"with a command", "check -pool p", "check --pool p"},
		{"command and two dashes", "run --port 1", "run --port 1"},
		{"unknown flags are left alone", "-prot 1", "run -prot 1"},
		{"help", "--help", "--help"},
		{"short help", "-h", "-h"},
		{"version", "--version", "--version"},
		{"short version", "-v", "-v"},
		{"a negative number", "-port -1", "run --port -1"},
		{"unknown command", "rnu -port 1", "rnu -port 1"},
		{"call keeps its own", "call -t 1s svc m", "call -t 1s svc m"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := strings.Fields(tt.in)
			given := slices.Clone(in)
			if got := strings.Join(spell(rootCommand(Default()), in), " "); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
			if !slices.Equal(in, given) {
				t.Errorf("the arguments were changed: %q", in)
			}
		})
	}
}

func TestExitCode(t *testing.T) {
	config, listen := &ConfigError{errors.New("x")}, &ListenError{Err: errors.New("y")}
	tests := []struct {
		name string
		err  error
		want int
	}{
		{"stopped", nil, 0},
		{"configuration", config, 1},
		{"wrapped", fmt.Errorf("start: %w", config), 1},
		{"listen", listen, 2},
		{"several listeners", errors.Join(listen, listen), 2},
		{"other", errors.New("x"), 3},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := ExitCode(tt.err); got != tt.want {
				t.Errorf("got %d, want %d", got, tt.want)
			}
		})
	}
}

func file(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "motan.yaml")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// What a user gets for good and bad command lines and configurations.
func TestMainCommands(t *testing.T) {
	good := file(t, directYAML+"motan-refer:\n  r: {path: svc, group: g, registry: direct}\n")
	bad := file(t, "motan-agent:\n  prot: 9981\n")
	tests := []struct {
		name string
		args []string
		code int
	}{
		{"version", []string{"version"}, 0},
		{"version flag", []string{"--version"}, 0},
		{"help", []string{"--help"}, 0},
		{"help of a command", []string{"run", "--help"}, 0},
		{"check", []string{"check", "-c", good}, 0},
		{"check of a bad one", []string{"check", "-c", bad}, 1},
		{"check of none", []string{"check", "-c", bad + ".none"}, 1},
		{"run of a bad one", []string{"run", "-c", bad}, 1},
		{"motan-go's way", []string{"-c", bad}, 1},
		{"unknown flag", []string{"run", "-prot", "1"}, 1},
		{"unknown command", []string{"rnu"}, 1},
		{"no number", []string{"run", "-port", "x"}, 1},
		{"too much", []string{"check", "more", "-c", good}, 1},
		{"call without a method", []string{"call", "svc"}, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := Main(tt.args, Default()); got != tt.code {
				t.Errorf("got exit code %d, want %d", got, tt.code)
			}
		})
	}
}

// A mistake on the command line is told in one line with what to do.
func TestCommandLineAdvice(t *testing.T) {
	if got, want := advice(errors.New("unknown\n\nDid you mean this?\n\tcheck")), "unknown Did you mean this? check; motand --help"; !strings.HasPrefix(got, want) {
		t.Errorf("got %q, want %q first", got, want)
	}
	if got, want := advice(errors.New("see motand run --help")), "see motand run --help"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	root := rootCommand(Default())
	root.SetArgs([]string{"check", "motand.yaml"})
	if err := root.Execute(); err == nil || !strings.Contains(err.Error(), `check takes flags only, not "motand.yaml"; a configuration is named with -c`) {
		t.Errorf("got %v, want the hint at -c", err)
	}
}

// check prints a summary, and every mistake with its place; warnings are not mistakes.
func TestCheckPrints(t *testing.T) {
	run := func(text string) (out, warnings string, err error) {
		root := rootCommand(Default())
		var stdout, stderr bytes.Buffer
		root.SetOut(&stdout)
		root.SetErr(&stderr)
		root.SetArgs([]string{"check", "-c", file(t, text)})
		err = root.Execute()
		return stdout.String(), stderr.String(), err
	}
	out, warnings, err := run(directYAML + "motan-refer:\n  r: {path: svc, group: g, registry: direct, filter: nowhere}\n")
	if want := "configuration is good: 1 registries, 1 refers, 0 services, 0 http clients\n"; err != nil || out != want {
		t.Errorf("got %q, %v, want %q", out, err, want)
	}
	if !strings.Contains(warnings, "motan.yaml:4:") || !strings.Contains(warnings, "nowhere") {
		t.Errorf("got the warnings %q, want the filter with its place", warnings)
	}
	// What run would warn of is told as well, and nothing twice.
	_, warnings, err = run(directYAML + "motan-refer:\n  r: {path: svc, group: g, registry: direct, filter: nowhere}\n  q: {path: other, group: g, registry: direct, filter: trace}\n")
	for _, want := range []string{"motan.yaml:4:", "warning: filter trace records nothing, set motan-agent.traceEndpoint or traceFile entry=q\n"} {
		if err != nil || strings.Count(warnings, "\n") != 2 || !strings.Contains(warnings, want) {
			t.Errorf("got %v and %q, want two lines and %q", err, warnings, want)
		}
	}
	_, _, err = run("motan-agent:\n  prot: 9981\n  mport: many\n")
	if lines := strings.Split(fmt.Sprint(err), "\n"); len(lines) != 2 || !strings.Contains(lines[0], "motan.yaml:2:") || !strings.Contains(lines[1], "motan.yaml:3:") {
		t.Errorf("got %v, want both mistakes with their places", err)
	}
	if _, ok := errors.AsType[*ConfigError](err); !ok {
		t.Errorf("got %T, want *ConfigError", err)
	}
	if _, ok := errors.AsType[placed](err); !ok {
		t.Errorf("got %#v, want lines that begin with their places", err)
	}
}

// An error is told once, as the error and not as a warning as well.
func TestLoadTellsNothingTwice(t *testing.T) {
	var warnings bytes.Buffer
	c, err := load(conf.Options{Path: file(t, "motan-agent:\n  prot: 9981\n")}, &warnings)
	if c != nil || ExitCode(err) != 1 || strings.Contains(warnings.String(), "prot") {
		t.Errorf("got %v, %v and the warnings %q, want one error", c, err, warnings.String())
	}
}
