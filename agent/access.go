package agent

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/motand/motand/conf"
)

// access decides who may change something over the management port, and writes down who did.
//
// What changes state needs the token where the listener takes connections of other hosts, and so does what tells too much
// of the inside; else everybody who can connect may. Requests that a browser makes for another site may change nothing
// anywhere.
type access struct {
	rules atomic.Pointer[accessRules]
	log   *slog.Logger

	refused atomic.Int64
	told    atomic.Int64 // seconds since 1970 in which a refusal was last written down
	saved   atomic.Int64 // refusals that were not written down since
}

// accessRules are what the configuration says of access.
type accessRules struct {
	beyond     bool // connections of other hosts are taken
	trustLocal bool // those of this host need no token all the same
	token      string
	tokenFile  string
	audit      *slog.Logger // nil: nothing is written down
}

const (
	maxToken     = 4 << 10
	auditedBytes = 1 << 10 // of a request's body
)

func newAccess(c *conf.Agent, listeners []net.Listener, audit, log *slog.Logger) *access {
	a := &access{log: log}
	a.use(c, listeners, audit)
	return a
}

// use takes the rules of c into use. The token is needed where other hosts reach one of the listeners.
func (a *access) use(c *conf.Agent, listeners []net.Listener, audit *slog.Logger) {
	r := &accessRules{trustLocal: c.ManagementTrustLocal, token: c.ManagementToken, tokenFile: c.ManagementTokenFile, audit: audit}
	r.beyond = slices.ContainsFunc(listeners, func(l net.Listener) bool { return !isLoopback(l.Addr()) })
	a.rules.Store(r)
}

// isLoopback tells whether only this host can connect to a listener's address.
func isLoopback(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return !ok || tcp.IP.IsLoopback()
}

// warn tells that a management port which others reach has no token.
func (a *access) warn() {
	r := a.rules.Load()
	if token, err := r.wanted(); r.beyond && (err != nil || token == "") {
		a.log.Warn("agent: other hosts reach the management port and there is no token, so nothing can be changed over it, by programs on this host neither; set managementTokenFile, or managementHost: 127.0.0.1", "err", err)
	}
}

// wanted is the token; a file is read each time, so that it can be replaced.
func (r *accessRules) wanted() (string, error) {
	if r.tokenFile == "" {
		return r.token, nil
	}
	f, err := os.Open(r.tokenFile)
	if err != nil {
		return "", fmt.Errorf("agent: managementTokenFile: %w", err)
	}
	defer f.Close() //nolint:errcheck // nothing was written
	text, err := io.ReadAll(io.LimitReader(f, maxToken+1))
	if err == nil && len(text) > maxToken {
		err = fmt.Errorf("%s: larger than %d bytes", r.tokenFile, maxToken)
	}
	if err != nil {
		return "", fmt.Errorf("agent: managementTokenFile: %w", err)
	}
	return strings.TrimSpace(string(text)), nil
}

// change guards what alters state, and writes it down.
func (a *access) change(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if isForeign(r) {
			a.refuse(w, r, http.StatusForbidden, "requests from another site are refused\n")
			return
		}
		if status, why := a.check(r); status != http.StatusOK {
			a.refuse(w, r, status, why)
			return
		}
		body := &head{Reader: r.Body}
		r.Body = struct {
			io.Reader
			io.Closer
		}{body, r.Body}
		seen := &seenStatus{ResponseWriter: w, status: http.StatusOK}
		h(seen, r)
		a.note(r, seen.status, body.taken)
	}
}

// private guards what tells more than a stranger should know.
func (a *access) private(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if status, why := a.check(r); status != http.StatusOK {
			a.refuse(w, r, status, why)
			return
		}
		h(w, r)
	}
}

// isForeign tells whether a browser was tricked into sending r: by the page of another site, or by a page whose name was
// made to mean this host.
func isForeign(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return r.Header.Get("Origin") != "" || site != "" && site != "none" && (site != "same-origin" || !isThisHost(r.Host))
}

// meansThisHost tells whether who asks without a token has asked for this host: a name of somebody else's, to which a browser would
// show the answer, may be made to lead here. Unix sockets are out of browsers' reach.
func meansThisHost(r *http.Request) bool {
	if addr, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok && addr.Network() == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(r.Host)
	if err != nil {
		host = r.Host
	}
	own, err := os.Hostname()
	short, _, _ := strings.Cut(own, ".")
	return host == "" || isThisHost(r.Host) || err == nil && (strings.EqualFold(host, own) || strings.EqualFold(host, short))
}

// check looks for the token where one is needed.
func (a *access) check(r *http.Request) (status int, why string) {
	rules := a.rules.Load()
	if !rules.beyond && !isStranger(r) || rules.trustLocal && isLocal(r) {
		if !meansThisHost(r) {
			return http.StatusForbidden, "this name may be that of a web page that was made to mean this host: ask 127.0.0.1 or localhost\n"
		}
		return http.StatusOK, ""
	}
	wanted, err := rules.wanted()
	if err == nil && wanted == "" {
		err = errors.New("agent: no token is set: motan-agent.managementTokenFile names the file with it")
	}
	if err != nil {
		a.log.Debug("agent: management request refused", "err", err)
		return http.StatusForbidden, "this needs a token, and the agent has none: set managementTokenFile\n"
	}
	given, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok {
		return http.StatusUnauthorized, "this needs the token of managementTokenFile: send Authorization: Bearer TOKEN\n"
	}
	a1, a2 := sha256.Sum256([]byte(strings.TrimSpace(given))), sha256.Sum256([]byte(wanted))
	if subtle.ConstantTimeCompare(a1[:], a2[:]) != 1 {
		return http.StatusForbidden, "the token is not that of managementTokenFile\n"
	}
	return http.StatusOK, ""
}

// isStranger tells whether r came from another host: over a connection of a listener that has gone, where none of them takes
// such connections any more.
func isStranger(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && !net.ParseIP(host).IsLoopback()
}

// isLocal tells whether a program on this host asks.
func isLocal(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	return err == nil && net.ParseIP(host).IsLoopback()
}

// refuse answers, counts, and writes down one refusal a second with the number of the others.
func (a *access) refuse(w http.ResponseWriter, r *http.Request, status int, why string) {
	a.refused.Add(1)
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="motand"`)
	}
	text(w, status, why)
	now := time.Now().Unix()
	if last := a.told.Load(); last == now || !a.told.CompareAndSwap(last, now) {
		a.saved.Add(1)
		return
	}
	a.log.Warn("agent: management request refused", "status", status, "path", short(r.URL.Path), "remote", r.RemoteAddr, "others", a.saved.Load())
	a.note(r, status, nil)
}

// note writes down a request that has changed, or was to change, something.
func (a *access) note(r *http.Request, status int, body []byte) {
	audit := a.rules.Load().audit
	if audit == nil {
		return
	}
	attrs := []any{"status", status, "method", r.Method, "path", short(r.URL.Path), "remote", r.RemoteAddr, "agent", short(r.UserAgent())}
	if q := r.URL.RawQuery; q != "" {
		attrs = append(attrs, "query", short(q))
	}
	if len(body) > 0 {
		attrs = append(attrs, "body", string(body))
	}
	if n := a.saved.Swap(0); n > 0 {
		attrs = append(attrs, "refused_unseen", n)
	}
	audit.Info("management", attrs...)
}

// short bounds what a stranger has written.
func short(text string) string { return text[:min(len(text), auditedBytes)] }

// head is a body whose first bytes are kept.
type head struct {
	io.Reader
	taken []byte
}

// Read reads on.
func (h *head) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	h.taken = append(h.taken, p[:min(n, auditedBytes-len(h.taken))]...)
	return n, err
}

// seenStatus is an answer whose status is remembered.
type seenStatus struct {
	http.ResponseWriter
	status int
}

// WriteHeader remembers the status.
func (s *seenStatus) WriteHeader(status int) {
	s.status = status
	s.ResponseWriter.WriteHeader(status)
}

// Unwrap is for http.ResponseController.
func (s *seenStatus) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// secrets hides from a text what no reader may see.
func (a *access) secrets(text []byte) []byte {
	text = secrets.ReplaceAll(text, []byte("${1}***"))
	if token := a.rules.Load().token; token != "" {
		text = bytes.ReplaceAll(text, []byte(token), []byte("***"))
	}
	return text
}
