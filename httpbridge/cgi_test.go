package httpbridge

import (
	"strings"
	"testing"
)

// TestFindScript checks which script answers for a path.
func TestFindScript(t *testing.T) {
	front := CGISettings{ScriptFilename: "/www/public/index.php", DocumentRoot: "/www/public"}
	alone := CGISettings{ScriptFilename: "/srv/rpc.php"}
	below := CGISettings{DocumentRoot: "/www/"}
	tests := []struct {
		name     string
		settings CGISettings
		path     string
		want     place
	}{
		{"front", front, "/a/b", place{"/www/public/index.php", "/index.php", "/a/b"}},
		{"front by its name", front, "/index.php/a", place{"/www/public/index.php", "/index.php", "/a"}},
		{"front, nothing else", front, "/index.php", place{"/www/public/index.php", "/index.php", ""}},
		{"front, a name that only begins alike", front, "/index.phpx", place{"/www/public/index.php", "/index.php", "/index.phpx"}},
		{"front, another script", front, "/other.php", place{"/www/public/index.php", "/index.php", "/other.php"}},
		{"no folder", alone, "/m", place{"/srv/rpc.php", "/rpc.php", "/m"}},
		{"a script", below, "/wp-login.php", place{"/www/wp-login.php", "/wp-login.php", ""}},
		{"a script in a folder", below, "/a/b.php/c/d", place{"/www/a/b.php", "/a/b.php", "/c/d"}},
		{"the first script", below, "/a.php/b.php", place{"/www/a.php", "/a.php", "/b.php"}},
		{"no script", below, "/a/b", place{"/www/index.php", "/index.php", "/a/b"}},
		{"the root", below, "/", place{"/www/index.php", "/index.php", "/"}},
		{"an ending within", below, "/a.php5/x", place{"/www/index.php", "/index.php", "/a.php5/x"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if got := tt.settings.find(tt.path); got != tt.want {
				t.Errorf("got %+v, want %+v", got, tt.want)
			}
		})
	}
}

func TestNewScriptsErrors(t *testing.T) {
	tests := []struct {
		name string
		s    CGISettings
		want string
	}{
		{"no script", CGISettings{Address: "h:1"}, "neither CGI_SCRIPT_FILENAME nor CGI_DOCUMENT_ROOT"},
		{"no port", CGISettings{Address: "h", DocumentRoot: "/w"}, "CGI_HOST and CGI_PORT"},
		{"no socket", CGISettings{Address: "unix://", DocumentRoot: "/w"}, "unix:///path"},
		{"zero byte", CGISettings{Address: "h:1", DocumentRoot: "/w\x00"}, "zero byte"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			p, err := NewProvider(ProviderSettings{CGI: &tt.s})
			if p != nil || err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, %v, want an error with %q", p, err, tt.want)
			}
		})
	}
}
