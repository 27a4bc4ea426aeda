package zookeeper

import (
	"context"
	"time"
)

const (
	// maxJobs is how many lists, commands and claims are worked on at once; each list has up to readers requests under way.
	maxJobs = 8
	// maxReadings is how many of these may be readings, so that long lists do not hold up what we announce.
	maxReadings = maxJobs - 2
	// oldSessions is how many sessions of ours are remembered; nodes of older ones have long expired.
	oldSessions = 4
	// idle is the longest that reconcile sleeps; it only bounds arithmetic.
	idle = time.Hour
	// lookAgain is how often it is looked at whether a link is hopeless, or may be authorized again.
	lookAgain = time.Second
)

// job does requests without holding a lock. What it returns is run with Registry.mu held.
type job func() (finish func(now time.Time))

// reconcile is the one goroutine that decides what to do: it compares what is wanted with what the tree is known to hold,
// and starts jobs for the difference. It ends when ctx does.
func (r *Registry) reconcile(ctx context.Context) {
	defer close(r.stopped)
	timer := time.NewTimer(0)
	defer timer.Stop()
	var finish func(time.Time)
	for {
		jobs, next := r.step(time.Now(), finish)
		finish = nil
		for _, j := range jobs {
			r.wg.Go(func() { r.finished <- j() }) // ends with its requests; finished has room for all jobs
		}
		timer.Reset(next)
		select {
		case <-ctx.Done():
			return
		case <-r.wake:
		case <-timer.C:
		case finish = <-r.finished:
		}
	}
}

// step takes the outcome of a job if there is one, and the server's notices, and returns what is to be done now and how long
// nothing else will be.
func (r *Registry) step(now time.Time, finish func(time.Time)) (jobs []job, next time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	// Notices first: one that came before the answer to a reading belongs before it.
	r.observe(now)
	if finish != nil {
		r.running--
		finish(now)
	}
	if !r.connected {
		r.agenda = agenda{}
		return nil, lookAgain
	}
	if !r.authorized {
		return r.authorize(now), lookAgain
	}
	jobs, again := r.due(now)
	return jobs, again.Sub(now)
}

// observe takes what the link has to tell. The caller holds mu.
func (r *Registry) observe(now time.Time) {
	up, arrivals, changed := r.link.mail.take()
	for _, path := range changed {
		r.noticed(path)
	}
	if id := r.link.conn.SessionID(); up && id != 0 && arrivals != r.arrivals {
		r.arrivals = arrivals
		r.arrive(now, id)
	}
	if !up && r.connected {
		r.connected, r.since = false, now
		r.options.Log.Warn("registry/zookeeper: connection lost; what is known stays in use", "servers", r.options.Address,
			"reason", r.link.problem())
	}
	if !up && r.link.hopeless() {
		r.relink()
	}
}

// arrive takes a connection with a session. The caller holds mu.
func (r *Registry) arrive(now time.Time, id int64) {
	newSession := id != r.session
	if r.session != 0 {
		r.counts.reconnects++
	}
	if newSession {
		clear(r.spare)
		if r.session != 0 {
			r.past = append([]int64{r.session}, r.past[:min(len(r.past), oldSessions-1)]...)
		}
		r.session = id
		r.sessions++
	}
	if !r.connected {
		r.since = now
	}
	r.connected = true
	r.options.Log.Info("registry/zookeeper: connected", "servers", r.options.Address, "new_session", newSession)
	for _, o := range r.lookouts {
		o.arrive(now, newSession, o.list.known)
	}
	for _, o := range r.orders {
		o.arrive(now, newSession, o.last.known)
	}
	for _, m := range r.claims {
		m.arrive(now)
	}
}

// relink gives up a link that no server lets in any more, and makes a new one. The caller holds mu.
func (r *Registry) relink() {
	r.options.Log.Warn("registry/zookeeper: all servers refuse the session; beginning a new one", "servers", r.options.Address)
	l, err := dialLink(&r.options, r.address, r.wake)
	if err != nil {
		r.failure = err.Error()
		return
	}
	old := r.link
	r.wg.Go(old.close) // ends by itself in a few seconds
	r.link, r.arrivals, r.authorized = l, 0, r.options.Auth == ""
	clear(r.spare)
}

// authorize returns the job that tells the servers who we are. The library repeats that after each reconnect; nothing else
// is asked before it has been done once. The caller holds mu.
func (r *Registry) authorize(now time.Time) []job {
	if r.running > 0 || now.Before(r.authPace.notBefore) {
		return nil
	}
	r.running++
	c, l := r.client(), r.link
	return []job{func() func(time.Time) {
		err := c.do("authorize", "/", func() error { return l.conn.AddAuth("digest", []byte(r.options.Auth)) })
		return func(now time.Time) {
			if l != r.link {
				return
			}
			if r.authorized = err == nil; !r.authorized {
				r.failure = err.Error()
				r.authPace.failed(now)
				return
			}
			r.failure = ""
		}
	}}
}

// client returns what jobs make their requests with. The caller holds mu.
func (r *Registry) client() client {
	return client{link: r.link, id: r.session, acl: r.options.acl(), timeout: r.options.CallTimeout, counts: r.counts}
}

// lookoutJob reads a list. The caller holds mu.
func (r *Registry) lookoutJob(c client, o *lookout, now time.Time) job {
	how, fired := o.begin(now), o.fired
	c.polite = how.before.known
	r.counts.readings++
	return func() func(time.Time) {
		l, err := c.read(how)
		return func(now time.Time) {
			o.busy = false
			if c.id != r.session || c.link != r.link { // what it says of the watch is about another session
				o.dirty, o.armed = true, false
				return
			}
			if o.finish(now, how, fired, r.options.Relist, l, err, r.options.Log) {
				r.counts.lost++
			}
			if r.lookouts[o.dir] != o {
				r.keepWatch(o.dir, &o.vigil)
			}
		}
	}
}

// claimJob makes the tree agree with a claim. The caller holds mu.
func (r *Registry) claimJob(c client, path string, m *claim, ours []int64) job {
	want, withdrawn, generation := m.want, m.withdrawn, m.generation
	overruled := r.overrules(path, m)
	m.busy = true
	return func() func(time.Time) {
		var err error
		changed := false
		switch {
		case overruled: // the node there is of this session as well
		case withdrawn:
			err = c.release(want, ours)
		default:
			changed, err = c.hold(want, ours)
		}
		return func(now time.Time) {
			m.busy = false
			if c.id != r.session || c.link != r.link {
				return // looked at again in the new session
			}
			if m.finish(now, generation, c.id, r.options.SelfCheck, changed, err, r.options.Log) {
				r.counts.repairs++
			}
			if err == nil && withdrawn && m.generation == generation {
				delete(r.claims, path)
			}
		}
	}
}
