package agent

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/conf"
)

const (
	certificateTick = time.Minute
	certificateSoon = 21 * 24 * time.Hour // from then on it is told of; those of 90 days are renewed with 30 left
	certificateTold = 24 * time.Hour      // and told again after
	maxCertificate  = 1 << 20             // bytes of a file
	maxShown        = 1000                // certificates of servers that are kept
)

// The kinds of certificates.
const (
	certificateOwn    = "own"    // we show it
	certificateSigner = "signer" // we trust who shows one that it has signed
	certificateServer = "server" // was shown to us
)

// certificateKey is a certificate in use: whose it is, and where it comes from.
type certificateKey struct {
	Entry string `json:"entry"` // of the configuration: motan-registry.zk
	Kind  string `json:"kind"`  // own, signer, server
	Name  string `json:"name"`  // the file, or the server that has shown it
}

// certificate is when one ends.
type certificate struct {
	certificateKey
	Ends  time.Time `json:"ends,omitzero"`
	Error string    `json:"error,omitempty"` // why it cannot be read
}

// certificates knows when those end that connections depend on: the files that the configuration names, and what servers
// have shown. Its methods may be called at once.
type certificates struct {
	log *slog.Logger

	mu    sync.Mutex
	files map[certificateKey]certificate // guarded by mu; of the configuration in use
	shown map[certificateKey]certificate // guarded by mu
	told  map[certificateKey]time.Time   // guarded by mu; when the log told of it
}

// seen is what is told of certificates that the servers of an entry show.
func (x *certificates) seen(entry string) func(string, *x509.Certificate) {
	if x == nil { // of a configuration that is only checked
		return nil
	}
	return func(server string, shown *x509.Certificate) {
		k := certificateKey{entry, certificateServer, server}
		x.mu.Lock()
		defer x.mu.Unlock()
		if _, known := x.shown[k]; !known && len(x.shown) >= maxShown {
			return
		}
		if x.shown == nil {
			x.shown = make(map[certificateKey]certificate)
		}
		x.shown[k] = certificate{certificateKey: k, Ends: shown.NotAfter}
	}
}

// run reads the files again and again, until ctx ends: others renew them.
func (x *certificates) run(ctx context.Context, inUse func() *conf.Config) {
	tick := time.NewTicker(certificateTick)
	defer tick.Stop()
	for {
		x.read(inUse())
		x.tell(time.Now())
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// read reads the files that c names, and forgets what was of entries that are gone.
func (x *certificates) read(c *conf.Config) {
	files, entries := make(map[certificateKey]certificate), make(map[string]bool)
	for _, k := range certificateFiles(c) {
		entries[k.Entry] = true
		if k.Name == "" {
			continue
		}
		one := certificate{certificateKey: k}
		var err error
		if one.Ends, err = certificateEnd(k); err != nil {
			one.Error = err.Error()
		}
		files[k] = one
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.files = files
	for k := range x.shown {
		if !entries[k.Entry] {
			delete(x.shown, k)
		}
	}
	for k := range x.told {
		if !entries[k.Entry] {
			delete(x.told, k)
		}
	}
}

// certificateFiles are the certificates that c names. An entry that uses TLS is in it even if it names none.
func certificateFiles(c *conf.Config) []certificateKey {
	var all []certificateKey
	add := func(entry, ca, own string) {
		all = append(all, certificateKey{entry, certificateSigner, ca}, certificateKey{entry, certificateOwn, own})
	}
	for _, r := range c.Registries {
		if t, secure, err := tlsOf(r); secure && err == nil {
			add("motan-registry."+r.ID, t.ca, t.cert)
		}
	}
	for _, s := range c.Services {
		if s.HTTP.ProxySchema == "https" {
			add("motan-service."+s.ID, s.HTTP.ProxyTLS.CA, s.HTTP.ProxyTLS.Cert)
		}
	}
	if strings.HasPrefix(c.Agent.TraceEndpoint, "https:") {
		add(traceEntry, "", "")
	}
	return all
}

// traceEntry is the entry of the collector of spans.
const traceEntry = "motan-agent.traceEndpoint"

// certificateEnd is when what is in a file cannot be used any more: of our own certificate and those that come with it the
// first end, of signers the last, for a file may hold old ones beside those that have taken their place.
func certificateEnd(k certificateKey) (end time.Time, err error) {
	f, err := os.Open(k.Name)
	if err != nil {
		return end, err
	}
	defer f.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(f, maxCertificate))
	if err != nil {
		return end, err
	}
	for len(text) > 0 {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			continue
		}
		one, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return end, fmt.Errorf("%s: %w", k.Name, err)
		}
		later := one.NotAfter.After(end)
		if end.IsZero() || later == (k.Kind == certificateSigner) {
			end = one.NotAfter
		}
	}
	if end.IsZero() {
		return end, errors.New(k.Name + " holds no certificate in PEM form")
	}
	return end, nil
}

// list returns all certificates, those first that end first, and before them those that cannot be read.
func (x *certificates) list() []certificate {
	x.mu.Lock()
	defer x.mu.Unlock()
	all := []certificate{}
	for _, one := range x.files {
		all = append(all, one)
	}
	for _, one := range x.shown {
		all = append(all, one)
	}
	slices.SortFunc(all, func(a, b certificate) int {
		return cmp.Or(a.Ends.Compare(b.Ends), strings.Compare(a.Entry, b.Entry), strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name))
	})
	return all
}

// near tells whether somebody should do something about c.
func (c *certificate) near(now time.Time) bool {
	return c.Error != "" || c.Ends.Sub(now) < certificateSoon
}

// state is c for people.
func (c *certificate) state(now time.Time) string {
	switch left := c.Ends.Sub(now); {
	case c.Error != "":
		return "CANNOT BE READ: " + shown(c.Error)
	case left < 0:
		return "EXPIRED on " + c.Ends.Local().Format(time.DateTime)
	default:
		return fmt.Sprintf("in %d days, on %s", int(left.Hours()/24), c.Ends.Local().Format(time.DateTime))
	}
}

// tell logs those that end soon, have ended or cannot be read, each once a day.
func (x *certificates) tell(now time.Time) {
	for _, c := range x.due(now) {
		c.tell(x.log, now)
	}
}

// due returns those that the log has to tell of now.
func (x *certificates) due(now time.Time) []certificate {
	all := x.list()
	x.mu.Lock()
	defer x.mu.Unlock()
	return slices.DeleteFunc(all, func(c certificate) bool {
		told, before := x.told[c.certificateKey]
		switch {
		case !c.near(now):
			delete(x.told, c.certificateKey)
			return true
		case before && now.Sub(told) < certificateTold:
			return true
		}
		if x.told == nil {
			x.told = make(map[certificateKey]time.Time)
		}
		x.told[c.certificateKey] = now
		return false
	})
}

// tell logs what is the matter with c.
func (c *certificate) tell(log *slog.Logger, now time.Time) {
	about := []any{"entry", c.Entry, "kind", c.Kind, "name", c.Name}
	switch {
	case c.Error != "":
		log.Error("agent: certificate cannot be read: new connections fail", append(about, "err", c.Error)...)
	case c.Ends.Before(now):
		log.Error("agent: certificate has expired: new connections fail until it is renewed", append(about, "ended", c.Ends)...)
	default:
		log.Warn("agent: certificate expires soon, renew it", append(about, "ends", c.Ends, "days", int(c.Ends.Sub(now).Hours()/24))...)
	}
}

func (x *certificates) figure() metrics.Figure {
	return metrics.Figure{
		Name: "motand_certificate_expiry_timestamp_seconds", Help: "When a certificate in use ends, in seconds since 1970; those that cannot be read are 0.",
		Labels: []string{"entry", "kind", "name"},
		Read: func(emit func(float64, ...string)) {
			for _, c := range x.list() {
				ends := 0.0
				if c.Error == "" {
					ends = float64(c.Ends.Unix())
				}
				emit(ends, c.Entry, c.Kind, c.Name)
			}
		},
	}
}
