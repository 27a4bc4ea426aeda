package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
)

// pushes take parts of the configuration out of a registry: the YAML of /motan/agent/<application>/config is laid over the
// agent's files. It is used whole or not at all, and kept for a start without the registry. A node that is deleted or emptied
// takes nothing back, for that happens by accident: the text {} does.
type pushes struct {
	agent *Agent

	mu     sync.Mutex
	ctx    context.Context         // guarded by mu; nil before run
	stop   func()                  // guarded by mu; ends the watch
	of     string                  // guarded by mu; what the watch is of
	news   string                  // guarded by mu; the last text that was told
	wake   chan struct{}           // holds a token while there is news; made by newPushes
	status map[string]pushedStatus // guarded by mu; by registry
}

// pushedStatus is what became of a text.
type pushedStatus struct {
	Registry string `json:"registry"`
	Version  string `json:"version"` // of the text in the registry: a hash
	InUse    bool   `json:"inUse"`
	Error    string `json:"error,omitempty"`
}

func newPushes(a *Agent) *pushes {
	return &pushes{agent: a, wake: make(chan struct{}, 1), status: make(map[string]pushedStatus)}
}

// run takes what is pushed into use until ctx ends.
func (p *pushes) run(ctx context.Context) {
	p.mu.Lock()
	p.ctx = ctx
	p.mu.Unlock()
	p.follow(p.agent.snapshot.Load())
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.wake:
		}
		p.mu.Lock()
		text := p.news
		p.mu.Unlock()
		if text != "" {
			p.take(text)
		}
	}
}

// follow watches what the configuration of s names, and what was watched before no more unless it is the same.
func (p *pushes) follow(s *snapshot) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ctx == nil {
		return // run follows
	}
	a := &s.config.Agent
	wanted := ""
	if hold := s.holds[a.ConfigRegistry]; hold != nil {
		wanted = fmt.Sprintf("%s %s %p", a.ConfigRegistry, a.Application, hold)
	}
	if wanted == p.of {
		return
	}
	if p.stop != nil {
		p.stop()
		p.stop = nil
	}
	p.of = wanted
	if wanted == "" {
		return
	}
	commander, ok := registry.As[registry.Commander](s.registries[a.ConfigRegistry])
	if !ok {
		p.agent.log.Warn("agent: no configuration can be had from this registry", "registry", a.ConfigRegistry, "at", a.At("configRegistry"))
		return
	}
	ctx, cancel := context.WithCancel(p.ctx)
	p.stop = cancel
	err := commander.WatchCommand(ctx, registry.Scope{Config: a.Application}, func(text string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		if p.of != wanted {
			return
		}
		p.news = text
		select {
		case p.wake <- struct{}{}:
		default: // it will find the latest
		}
	})
	if err != nil {
		p.agent.log.Warn("agent: no configuration can be had from this registry", "registry", a.ConfigRegistry, "at", a.At("configRegistry"), "err", err)
	}
}

// take takes a text into use, which is kept then, or tells why not.
func (p *pushes) take(text string) {
	a := p.agent
	if a.source == nil {
		return
	}
	id := a.snapshot.Load().config.Agent.ConfigRegistry
	doc := conf.Document{Name: id + ":/motan/agent/" + a.snapshot.Load().config.Agent.Application + "/config", Text: text}
	sum := sha256.Sum256([]byte(text))
	version := hex.EncodeToString(sum[:6])
	a.reading.Lock()
	defer a.reading.Unlock()
	if a.source.lies(text) {
		p.told(id, pushedStatus{id, version, true, ""})
		return
	}
	c, err := a.source.loadUnder(doc)
	if err == nil {
		err = a.Reload(c)
	} else {
		a.reloads.refuse(err)
	}
	if err != nil {
		a.log.Error("agent: the configuration that was pushed cannot be used, the one in use stays", "registry", id, "version", version, "err", err)
		p.told(id, pushedStatus{id, version, false, err.Error()})
		return
	}
	a.source.lay(doc)
	if err := writeSecretFile(filepath.Join(c.Agent.RuntimeDir, pushedFile), text); err != nil {
		a.log.Error("agent: the configuration that was pushed is in use, but not kept for a start without the registry", "err", err)
	}
	a.log.Info("agent: configuration pushed", "registry", id, "version", version)
	p.told(id, pushedStatus{id, version, true, ""})
}

func (p *pushes) told(id string, s pushedStatus) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.status[id] = s
}

// takenBack notes that what was pushed is not in use any more.
func (p *pushes) takenBack(why error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, s := range p.status {
		if s.InUse && p.agent.source != nil && !p.agent.source.lies(p.news) {
			s.InUse, s.Error = false, why.Error()
			p.status[id] = s
		}
	}
}

// view is what became of the text in the registry that s names; nil where none was seen.
func (p *pushes) view(s *snapshot) *pushedStatus {
	p.mu.Lock()
	defer p.mu.Unlock()
	if x, ok := p.status[s.config.Agent.ConfigRegistry]; ok {
		return &x
	}
	return nil
}
