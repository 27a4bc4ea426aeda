package httpbridge

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"path"
	"strings"
)

// CGISettings are the keys of a service with "provider: cgi". The verb of calls is HTTPRequestMethod of the ProviderSettings.
type CGISettings struct {
	Address         string // host:port or unix:///path of the FastCGI server, such as PHP-FPM
	ScriptFilename  string // CGI_SCRIPT_FILENAME: the script of every call; empty finds it by the path, below DocumentRoot
	DocumentRoot    string // CGI_DOCUMENT_ROOT
	KeepConnections int    // CGI_KEEP_CONNECTIONS: as fastcgi.Settings.Keep
	Log             *slog.Logger
}

const (
	// scriptEnding is the end of a path's segment that names a script.
	scriptEnding = ".php"
	// indexScript answers for the paths that name none.
	indexScript = "/index.php"
)

// place is which script answers for a path, in the terms of CGI.
type place struct {
	filename string // SCRIPT_FILENAME
	name     string // SCRIPT_NAME: the part of the path that leads to the script
	info     string // PATH_INFO: the rest
}

// check tells whether the settings can be used, and where the server is.
func (s *CGISettings) check() (network, address string, err error) {
	if s.ScriptFilename == "" && s.DocumentRoot == "" {
		return "", "", errors.New("neither CGI_SCRIPT_FILENAME nor CGI_DOCUMENT_ROOT is set: one of them must say which script answers")
	}
	if strings.ContainsRune(s.ScriptFilename+s.DocumentRoot, 0) {
		return "", "", errors.New("CGI_SCRIPT_FILENAME and CGI_DOCUMENT_ROOT must not have a zero byte")
	}
	if socket, ok := strings.CutPrefix(s.Address, unixPrefix); ok {
		if socket == "" {
			return "", "", errors.New("CGI_HOST: the path of the unix socket is missing: unix:///path")
		}
		return "unix", socket, nil
	}
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return "", "", fmt.Errorf("CGI_HOST and CGI_PORT: %w", err)
	}
	return "tcp", s.Address, nil
}

// scriptName is the path that the one script is asked for by: where it lies below the document root, else its file's name.
func (s *CGISettings) scriptName() string {
	if name, ok := strings.CutPrefix(s.ScriptFilename, strings.TrimSuffix(s.DocumentRoot, "/")+"/"); ok && s.DocumentRoot != "" {
		return "/" + name
	}
	return "/" + path.Base(s.ScriptFilename)
}

// find tells which script answers for a path, which begins with a slash and has no dot segments. It looks at no file: that
// may be another machine's, or another view of this one's.
func (s *CGISettings) find(asked string) place {
	if s.ScriptFilename != "" {
		p := place{filename: s.ScriptFilename, name: s.scriptName(), info: asked}
		if rest, ok := strings.CutPrefix(asked, p.name); ok && (rest == "" || rest[0] == '/') {
			p.info = rest
		}
		return p
	}
	root := strings.TrimSuffix(s.DocumentRoot, "/")
	for end := 1; end <= len(asked); end++ {
		if (end == len(asked) || asked[end] == '/') && strings.HasSuffix(asked[:end], scriptEnding) {
			return place{filename: root + asked[:end], name: asked[:end], info: asked[end:]}
		}
	}
	return place{filename: root + indexScript, name: indexScript, info: asked}
}
