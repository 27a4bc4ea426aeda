package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"os"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// screening says which nodes of a refer may be used, by their address, as motan-go's refers filter has it: each of a list
// takes nodes out, or lets only some in.
type screening struct {
	Group   string `json:"group"`   // of the refer; empty is every one
	Service string `json:"service"` // likewise
	Mode    string `json:"mode"`    // include or exclude
	Rule    string `json:"rule"`    // beginnings of addresses, and networks, with commas between
}

// screen is the screenings of one refer. It is never changed. A nil screen lets every node through.
type screen struct{ include, exclude []hostSet }

// hostSet is the hosts that one rule means.
type hostSet struct {
	begins   []string
	networks []netip.Prefix
}

// What a list may hold.
const (
	maxScreenings = 1000
	maxHosts      = 1000 // of one rule
)

// parseScreenings reads a list and checks all of it.
func parseScreenings(text []byte) ([]screening, error) {
	var list []screening
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, fmt.Errorf(`%w; wanted is a list such as [{"group":"g","service":"com.example.Hello","mode":"exclude","rule":"10.1.,10.2.0.0/16"}]`, err)
	}
	if len(list) > maxScreenings {
		return nil, fmt.Errorf("%d rules, at most %d are taken", len(list), maxScreenings)
	}
	for i, x := range list {
		if x.Mode != "include" && x.Mode != "exclude" {
			return nil, fmt.Errorf("rule %d: mode is %.40q, must be include or exclude", i+1, x.Mode)
		}
		if _, err := parseHostSet(x.Rule); err != nil {
			return nil, fmt.Errorf("rule %d: %w", i+1, err)
		}
	}
	return list, nil
}

func parseHostSet(text string) (hostSet, error) {
	var h hostSet
	for item := range strings.SplitSeq(text, ",") {
		item = strings.TrimSpace(item)
		switch {
		case item == "":
		case strings.Contains(item, "/") && !strings.HasPrefix(item, "unix:"):
			p, err := netip.ParsePrefix(item)
			if err != nil {
				return h, fmt.Errorf("%.80q is no network such as 10.1.0.0/16", item)
			}
			h.networks = append(h.networks, p.Masked())
		default:
			h.begins = append(h.begins, item)
		}
	}
	switch n := len(h.begins) + len(h.networks); {
	case n == 0:
		return h, errors.New("the rule is empty; write beginnings of addresses or networks, such as 10.1.,10.2.0.0/16")
	case n > maxHosts:
		return h, fmt.Errorf("the rule has %d parts, at most %d are taken", n, maxHosts)
	}
	return h, nil
}

func (h *hostSet) has(host string) bool {
	for _, begin := range h.begins {
		if strings.HasPrefix(host, begin) {
			return true
		}
	}
	if len(h.networks) == 0 {
		return false
	}
	addr, err := netip.ParseAddr(host)
	for _, n := range h.networks {
		if err == nil && n.Contains(addr.Unmap()) {
			return true
		}
	}
	return false
}

// screenOf is what a checked list says about a refer; nil for nothing.
func screenOf(list []screening, r *conf.Refer) *screen {
	var s *screen
	for _, x := range list {
		if x.Group != "" && x.Group != r.Group || x.Service != "" && x.Service != r.Path {
			continue
		}
		hosts, err := parseHostSet(x.Rule)
		if err != nil {
			continue // the list was checked
		}
		if s == nil {
			s = new(screen)
		}
		if x.Mode == "include" {
			s.include = append(s.include, hosts)
		} else {
			s.exclude = append(s.exclude, hosts)
		}
	}
	return s
}

// through returns the nodes that may be used; all of them where that would be none.
func (s *screen) through(nodes []registry.Node) []registry.Node {
	if s == nil {
		return nodes
	}
	kept := make([]registry.Node, 0, len(nodes))
	for _, n := range nodes {
		if s.admits(n.Host) {
			kept = append(kept, n)
		}
	}
	if len(kept) == 0 {
		return nodes
	}
	return kept
}

func (s *screen) admits(host string) bool {
	for i := range s.exclude {
		if s.exclude[i].has(host) {
			return false
		}
	}
	for i := range s.include {
		if s.include[i].has(host) {
			return true
		}
	}
	return len(s.include) == 0
}

// screenFile is in the runtime folder.
const screenFile = "refersfilter.json"

// recallScreenings reads what was set in an earlier run.
func recallScreenings(file string, log *slog.Logger) []screening {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	var list []screening
	if err == nil {
		list, err = parseScreenings(text)
	}
	if err != nil {
		log.Warn("agent: the refers filter that was set before cannot be read, all nodes are used", "file", file, "err", err)
	}
	return list
}

// setScreenings has refers use the nodes that list lets through, and writes it down. Nothing changes on an error.
func (a *Agent) setScreenings(list []screening) error {
	text, err := json.Marshal(list)
	if err != nil {
		return err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	if err := writeFile(a.screenFile, string(text)+"\n"); err != nil {
		return err
	}
	a.compiler.screenings.Store(&list)
	var errs []error
	for _, x := range a.snapshot.Load().all {
		s := screenOf(list, x.refer)
		errs = append(errs, x.steering.sift(s), x.crossing.sift(s))
	}
	return errors.Join(errs...)
}

// screenings are those in force.
func (k *compiler) screened() []screening {
	if list := k.screenings.Load(); list != nil && *list != nil {
		return *list
	}
	return []screening{}
}

// coded is the form of answers that motan-go has for several of its URLs.
type coded struct {
	Code int `json:"code"`
	Body any `json:"body"`
}

func (m *management) getScreenings(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, coded{http.StatusOK, m.agent.compiler.screened()})
}

// setScreenings answers /refers/filter/set. Unlike motan-go it applies nothing that is wrong, and keeps what is right over a
// restart.
func (m *management) setScreenings(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxManagementBody)
	list, err := parseScreenings([]byte(r.FormValue("config")))
	if err != nil {
		answer(w, http.StatusBadRequest, coded{http.StatusBadRequest, "config: " + err.Error()})
		return
	}
	if err := m.agent.setScreenings(list); err != nil {
		answer(w, http.StatusInternalServerError, coded{http.StatusInternalServerError, err.Error()})
		return
	}
	m.agent.log.Info("agent: refers filter set", "rules", len(list), "by", r.RemoteAddr)
	answer(w, http.StatusOK, coded{http.StatusOK, "ok"})
}
