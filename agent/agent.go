package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/motand/motand/agent/cluster"
	"github.com/motand/motand/conf"
	"github.com/motand/motand/filters"
	"github.com/motand/motand/httpbridge"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/registry"
)

// lastWords is how long the registries may take to be left after the grace period.
const lastWords = 2 * time.Second

// Version is the version of this build; the linker sets it.
var Version = "dev"

// Agent is a running motand.
type Agent struct {
	log        *slog.Logger
	compiler   *compiler
	listeners  *listeners
	announcer  *announcer
	management *management
	switchers  *switchers
	metadata   *metadata
	reporter   *reporter
	expiries   *certificates
	logs       *logs        // nil before build
	locks      locks        // on the folders of the state
	given      *inheritance // what others have opened; nil for nothing
	screenFile string       // keeps the refers filter

	snapshot atomic.Pointer[snapshot] // in use; nil before build has made it
	routes   atomic.Pointer[routes]   // its routes, one load away from a call
	exports  atomic.Pointer[exports]  // its exports and, for a while, those that were withdrawn
	inbound  *inbound
	motanIn  *motan.Server
	exportIn *motan.Server
	httpIn   *httpbridge.Server // without a listener where HTTP is switched off

	changing sync.Mutex      // held over all of a change of the configuration: there is one at a time
	life     context.Context // guarded by changing; nil before begin; its end ends what serves
	leaving  []leaver        // guarded by changing
	closing  time.Time       // guarded by changing; until then listeners stay that nobody wants any more
	shown    func()          // guarded by changing; ends showing the agent in registries; nil before begin
	base     *conf.Config    // guarded by changing; as it was read, without what programs ask for
	dynamics dynamics        // guarded by changing
	demands  demands         // of domains, which lead to further dynamics
	reloads  reloads
	reading  sync.Mutex                   // held over reading the configuration again and taking it into use: the later file wins
	load     func() (*conf.Config, error) // reads the configuration again; nil where the agent was given one
	source   *source                      // of load; nil likewise
	pushes   *pushes                      // of parts of the configuration
	guard    *reloadGuard
	laidFile laidFile
	holdups  holdups
	scrape   atomic.Pointer[scrape] // the last one; nil before the first

	altering   sync.RWMutex  // held while somebody changes what the agent has been told
	upgrading  atomic.Bool   // nothing is changed: another process takes over, or this one does; set under altering
	begun      chan struct{} // closed when the start is over, whatever became of it
	succeeded  chan struct{} // closed when another process has everything
	upgrades   upgrades
	succeeding sync.Mutex // held over all of an attempt, and by Run once it ends
	notifier   notifier
	control    control // takes requests of upgrades

	started   time.Time
	stopping  atomic.Bool // set under changing
	cancel    context.CancelFunc
	serving   sync.WaitGroup
	accepting sync.WaitGroup // those of serving that accept connections
	failed    chan error     // of listeners that ended by themselves
}

// New compiles c and opens every listener. Nothing is served and nobody is told before Run.
// On an error nothing stays open; a *ListenError says that an address could not be had, a
// *ConfigError what is wrong with c.
func New(c *conf.Config, x Extensions) (*Agent, error) { return newAgent(c, x, nil) }

// newAgent is New for an agent that need not open the sockets that it is given.
func newAgent(c *conf.Config, x Extensions, given *inheritance) (*Agent, error) {
	a := &Agent{failed: make(chan error, 1), succeeded: make(chan struct{}), begun: make(chan struct{}), started: time.Now(), given: given}
	if err := a.build(c, x); err != nil {
		a.free()
		return nil, err
	}
	return a, nil
}

func (a *Agent) build(c *conf.Config, x Extensions) error {
	a.expiries = new(certificates)
	logs, err := openLogs(c, a.expiries)
	if err != nil {
		return err
	}
	a.log, a.logs, a.expiries.log = logs.log, logs, logs.log
	ip := c.Agent.LocalIP
	if ip == "" {
		ip = localIP()
	}
	warnOfLocalIP(a.log, c, ip)
	a.compiler = &compiler{
		extensions: x, pool: new(cluster.Pool), metrics: newMetrics(), accessLog: logs.access,
		states: new(filters.States), switches: new(filters.Switches), spans: logs.spans, route: a.routeTo,
		local: new(registry.Local), localIP: ip, log: a.log,
		inUse: &a.routes, demands: &a.demands, expiries: a.expiries,
		own: func(addr netip.AddrPort) bool { return a.listeners.own(addr) },
	}
	a.compiler.rulebook.file, a.compiler.rulebook.log = filepath.Join(c.Agent.RuntimeDir, "traffic.json"), a.log
	a.demands.refer = a.demand
	a.screenFile = filepath.Join(c.Agent.RuntimeDir, screenFile)
	if list := recallScreenings(a.screenFile, a.log); list != nil {
		a.compiler.screenings.Store(&list)
	}
	a.base = c
	if a.successor() != nil {
		a.dynamics = a.restored(a.successor().bequest.Dynamics)
	}
	s, err := a.compiler.compile(a.dynamics.effective(c), nil)
	if err != nil {
		return &ConfigError{placed{err}}
	}
	warnOfUnserved(a.log, c, s.registries)
	a.snapshot.Store(s)
	a.switchers = newSwitchers(a.compiler.switches, c.Agent.RuntimeDir, a.log)
	a.switchers.use(s)
	a.expiries.read(s.config)
	if a.listeners, err = listen(s.sockets(), a.given); err != nil {
		return err
	}
	a.given.warn(a.log)
	if a.locks, err = lockFolders(&c.Agent, len(a.compiler.stores) > 0, a.given, a.log); err != nil {
		return &ConfigError{placed{err}}
	}
	a.routes.Store(s.routes)
	a.exports.Store(s.exports)
	a.metadata = &metadata{log: a.log, snapshot: &a.snapshot}
	a.inbound = &inbound{exports: &a.exports, metadata: a.metadata}
	a.motanIn = a.motanServer(&c.Agent, &outbound{routes: &a.routes, motan: true})
	a.exportIn = a.motanServer(&c.Agent, a.inbound)
	a.httpIn = a.newHTTP(&c.Agent)
	a.announcer = newAnnouncer(a.compiler, s)
	a.reporter = newReporter(a, &c.Metrics)
	a.pushes = newPushes(a)
	a.guard = newReloadGuard(a)
	a.holdups = holdups{every: holdupEvery, log: a.log, seen: make(map[string]*holdup)}
	a.management = newManagement(a)
	a.management.warn()
	a.observe()
	a.notifier = a.newNotifier()
	a.laidFile.open(filepath.Join(c.Agent.RuntimeDir, laidName), a.log)
	if x := a.successor(); x == nil {
		a.readjust(a.laidFile.last().Filters)
	} else {
		a.upgrading.Store(true)
		a.inherit(&x.bequest)
		for _, s := range a.compiler.stores {
			_ = s.Hold(context.Background()) // nothing is being written yet
		}
	}
	return nil
}

// successor is the way into the place of another process; nil where there is none.
func (a *Agent) successor() *successor {
	if a.given == nil {
		return nil
	}
	return a.given.successor
}

func (a *Agent) motanServer(c *conf.Agent, h motan.Handler) *motan.Server {
	return &motan.Server{
		Handler:          h,
		MaxContentLength: c.MaxContentLength,
		FrameTimeout:     c.FrameTimeout,
		MaxConns:         c.MaxConnections,
		Room:             &motan.Room{Limit: int64(c.BytesInFlight) / 2}, // each its own: requests that go from one to the other must not wait for themselves
		Logger:           a.log,
	}
}

// Run serves until ctx ends, then withdraws, drains and returns nil: everything that was
// accepted has been answered, or the grace period was over. force ends the draining at once.
func (a *Agent) Run(ctx context.Context, force <-chan struct{}) error {
	s := a.snapshot.Load()
	c := &s.config.Agent
	inner, cancel := context.WithCancel(context.Background())
	a.cancel = cancel
	begun := sync.OnceFunc(func() { close(a.begun) })
	defer begun()
	defer a.free()
	defer removePID(c.PIDFile)
	if a.successor() != nil {
		if err := a.takeOver(ctx, inner); err != nil {
			a.given.refuse(err)
			return err
		}
	} else {
		if err := writePID(c.PIDFile); err != nil { // before anybody is told of us
			return err
		}
		if err := a.begin(inner); err != nil {
			a.drain(force)
			return err
		}
	}
	begun()
	a.log.Info("agent: serving", "version", Version, "motan", addrs(a.listeners.of("motan")), "http", addrs(a.listeners.of("http")),
		"management", addrs(a.listeners.of("management")), "export", s.ports, "local_ip", a.compiler.localIP,
		"refers", len(s.all), "services", len(s.exported))
	if n := a.announcer.unused(); n > 0 {
		a.log.Info("agent: services are not in use yet: callers on other hosts do not see them before a GET of /200 on the management port",
			"services", n, "management", addrs(a.listeners.of("management")))
	}
	a.control = control{upgrade: a.upgrade, log: a.log}
	if l, err := openControl(c.RuntimeDir); err != nil {
		a.log.Warn("agent: motand upgrade cannot reach this process, SIGUSR2 can", "err", err)
	} else {
		a.control.start(ctx, l)
	}
	a.notifier.ready()
	looking, quiet := context.WithCancel(inner)
	defer quiet()
	t := troubles{
		registries: func() map[string]registry.Registry { return a.snapshot.Load().registries },
		clients:    a.compiler.pool.Each, unknown: func() []string { return a.snapshot.Load().unknown() }, log: a.log,
	}
	a.serving.Go(func() { t.run(looking) })                    // ends with looking
	a.serving.Go(func() { a.forgetUpstreams(looking) })        // likewise
	a.serving.Go(func() { a.reporter.run(looking) })           // likewise
	a.serving.Go(func() { a.pushes.run(looking) })             // likewise
	a.serving.Go(func() { a.guard.run(looking) })              // likewise
	a.serving.Go(func() { a.raiseShares(looking) })            // likewise
	a.serving.Go(func() { a.followRules(looking) })            // likewise
	a.serving.Go(func() { a.notifier.run(looking) })           // likewise
	a.serving.Go(func() { a.expiries.run(looking, a.config) }) // likewise
	a.serving.Go(func() { a.logs.rotateHourly(looking) })      // likewise
	if a.compiler.extensions.ownFilters() {
		a.serving.Go(func() { a.holdups.run(looking) }) // likewise
	}
	var failure error
	select {
	case <-ctx.Done():
	case <-a.succeeded:
	case failure = <-a.failed:
	}
	quiet()             // that registries are left is no trouble
	a.succeeding.Lock() // for good: what is under way has ended with ctx, and no other upgrade begins
	select {
	case <-a.succeeded:
		a.control.close(true)
		a.retire()
	default:
		a.control.close(false)
		a.drain(force)
	}
	return failure
}

// config is the configuration in use.
func (a *Agent) config() *conf.Config { return a.snapshot.Load().config }

// prepare takes the snapshot into use; nothing is served yet.
func (a *Agent) prepare(ctx context.Context) error {
	a.compiler.accessLog.Start()
	if a.compiler.spans != nil {
		a.compiler.spans.Start()
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	a.life = ctx
	a.reloads.begin()
	if err := a.snapshot.Load().start(ctx); err != nil {
		return err
	}
	s := a.compiler.recallLaid(a.snapshot.Load(), a.laidFile.last().Traffic)
	a.snapshot.Store(a.compiler.recallRules(s))
	a.compiler.steer(a.snapshot.Load())
	return nil
}

// begin takes the snapshot into use and serves.
func (a *Agent) begin(ctx context.Context) error {
	if err := a.prepare(ctx); err != nil {
		return err
	}
	a.changing.Lock()
	defer a.changing.Unlock()
	var local []opened // served when what they lead to is there
	for _, x := range a.listeners.all() {
		if server := serverOf(x.Name); server == "motan" || server == "http" {
			local = append(local, x)
		} else {
			a.accept(x)
		}
	}
	if err := a.announcer.start(ctx); err != nil {
		return err
	}
	a.show(a.snapshot.Load())
	a.snapshot.Load().copy(ctx, a.compiler)
	a.restoreDynamics()
	for _, x := range local {
		a.accept(x)
	}
	return nil
}

// serve runs a listener on a goroutine of its own; it ends when its server is shut down.
func (a *Agent) serve(x opened, serve func(net.Listener) error) {
	a.accepting.Add(1)
	a.serving.Go(func() {
		defer a.accepting.Done()
		err := serve(x.listener)
		if dropped := a.listeners.dropped(x.listener); err != nil && !a.stopping.Load() && !dropped {
			a.fail(fmt.Errorf("agent: %s listener ended: %w", x.Name, err))
		}
	})
}

// fail has Run end with err.
func (a *Agent) fail(err error) {
	select {
	case a.failed <- err:
	default: // it ends already
	}
}

func addrs(all []net.Listener) []string {
	text := make([]string, len(all))
	for i, l := range all {
		text[i] = l.Addr().String()
	}
	return text
}

func writePID(path string) error {
	if path == "" {
		return nil
	}
	if err := writeFile(path, strconv.Itoa(os.Getpid())); err != nil {
		return &ConfigError{fmt.Errorf("pid file %s: %w; name one that can be written with -pidfile or motan-agent.pidfile", path, err)}
	}
	return nil
}

// removePID removes the pid file if it is still ours.
func removePID(path string) {
	text, err := os.ReadFile(path)
	if err == nil && string(text) == strconv.Itoa(os.Getpid()) {
		_ = os.Remove(path) // a stale file does no harm
	}
}

// ExitCode is what the process ends with for err: 0 stopped as asked, 1 bad configuration, 2
// cannot listen, 3 internal.
func ExitCode(err error) int {
	var listen *ListenError
	var config *ConfigError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &config):
		return 1
	case errors.As(err, &listen):
		return 2
	}
	return 3
}
