package etcd

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	pb "go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
	"go.uber.org/zap"
)

const (
	// hopeless is how long etcd must not answer before the client is made anew.
	hopeless = 15 * time.Second
	// maxBeatPause is the longest time between two signs of life, and from an outage's end until we notice.
	maxBeatPause = 5 * time.Second
	// keepAliveTime is how long a connection may be silent before the library asks whether somebody is there.
	keepAliveTime = 10 * time.Second
	// maxAnswer bounds one answer of a server.
	maxAnswer = 64 << 20
	// oldLeases is how many leases of ours are remembered; those before have long expired.
	oldLeases = 4
)

var (
	errExpired  = errors.New("the lease has expired")
	errRestored = errors.New("etcd's data are older than before: they were restored")
)

// link is a client of the library with the lease that we write under. It is a value: whenever one of these changes, or
// nothing that was read is worth anything any more, there is a new link.
type link struct {
	client *clientv3.Client
	lease  clientv3.LeaseID
	epoch  int
	ctx    context.Context // ends with the link
	cancel context.CancelFunc
}

// serve keeps a client and a lease until ctx ends.
func (r *Registry) serve(ctx context.Context) {
	var p pace
	for ctx.Err() == nil {
		began := time.Now()
		err := r.session(ctx)
		r.disconnect(err)
		if time.Since(began) > hopeless+maxRetryPause {
			p.reset()
		}
		p.failed(time.Now())
		sleep(ctx, min(time.Until(p.notBefore), maxBeatPause))
	}
}

// session makes a client, and lives with it until it is of no use or ctx ends. Then it revokes the lease.
func (r *Registry) session(ctx context.Context) error {
	client, err := r.dial(ctx)
	if err != nil {
		return fmt.Errorf("connect: %w", err)
	}
	defer client.Close()   //nolint:errcheck // it tells of its context's end
	defer r.drop()         // before the client is closed
	defer r.revoke(client) // which does nothing unless r is being closed
	r.mu.Lock()
	lease := r.lease
	r.mu.Unlock()
	for {
		fresh := lease == 0
		if fresh {
			if lease, err = r.grant(ctx, client); err != nil {
				return fmt.Errorf("get a lease: %w", err)
			}
		}
		r.arrive(client, lease, fresh)
		switch err = r.keep(ctx, client, lease); {
		case errors.Is(err, errExpired):
			lease = 0
		case !errors.Is(err, errRestored):
			return err
		}
		r.options.Log.Warn("registry/etcd: beginning anew", "servers", r.options.Address, "reason", err)
		r.mu.Lock()
		r.lease = lease
		r.epoch++
		r.mu.Unlock()
	}
}

// dial makes a client. Only with a password does it need a server for that.
func (r *Registry) dial(ctx context.Context) (*clientv3.Client, error) {
	o := &r.options
	c := clientv3.Config{
		// The client outlives ctx, for the lease to be revoked.
		Context: context.WithoutCancel(ctx), Endpoints: o.servers, DialTimeout: o.ConnectTimeout, Username: o.user, Password: o.password,
		DialKeepAliveTime: keepAliveTime, DialKeepAliveTimeout: o.CallTimeout, MaxCallRecvMsgSize: maxAnswer,
		Logger: zap.NewNop(), // what goes wrong we see ourselves
	}
	if o.TLS != nil {
		var err error
		if c.TLS, err = o.TLS.config(); err != nil {
			return nil, err
		}
	}
	return clientv3.New(c)
}

func (r *Registry) closing() bool { return r.ctx.Err() != nil }

func (r *Registry) grant(ctx context.Context, client *clientv3.Client) (clientv3.LeaseID, error) {
	ctx, cancel := context.WithTimeout(ctx, r.options.CallTimeout)
	defer cancel()
	from := time.Now()
	answer, err := client.Grant(ctx, int64(r.options.SessionTimeout.Seconds()))
	if err != nil {
		return 0, err
	}
	r.latency.Note(time.Since(from))
	return answer.ID, nil
}

// arrive has everybody use client and lease.
func (r *Registry) arrive(client *clientv3.Client, lease clientv3.LeaseID, fresh bool) {
	r.drop()
	r.mu.Lock()
	defer r.mu.Unlock()
	if fresh {
		if len(r.past) == oldLeases {
			r.past = r.past[:oldLeases-1]
		}
		r.past = append([]clientv3.LeaseID{lease}, r.past...)
		r.sessions++
		r.revision = 0
	}
	r.lease = lease
	l := &link{client: client, lease: lease, epoch: r.epoch}
	l.ctx, l.cancel = context.WithCancel(r.ctx)
	r.link = l
	r.setConnected(fresh) // an older lease has to prove itself
	r.options.Log.Info("registry/etcd: connected", "servers", r.options.Address, "new_lease", fresh)
}

// drop ends the link.
func (r *Registry) drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.link != nil {
		r.link.cancel()
		r.link = nil
	}
}

// keep gives signs of life until the lease or the client is lost; the error says which.
func (r *Registry) keep(ctx context.Context, client *clientv3.Client, lease clientv3.LeaseID) error {
	var p pace
	alive := time.Now()
	for {
		beats, err := r.beat(ctx, client, lease)
		switch {
		case ctx.Err() != nil, errors.Is(err, errExpired), errors.Is(err, errRestored):
			return err
		case beats > 0:
			alive = time.Now()
			p.reset()
		case time.Since(alive) > hopeless:
			return err
		}
		r.disconnect(err)
		p.failed(time.Now())
		sleep(ctx, min(time.Until(p.notBefore), maxBeatPause))
	}
}

// beat gives signs of life on one stream until it fails, and returns how many were answered. There is one stream and not one
// for each sign, because beginning a stream has the servers check a password, at some 100 ms of CPU.
func (r *Registry) beat(ctx context.Context, client *clientv3.Client, lease clientv3.LeaseID) (beats int, err error) {
	ctx, cancel := context.WithCancel(clientv3.WithRequireLeader(ctx))
	defer cancel()
	pause := min(r.options.SessionTimeout/4, maxBeatPause)
	patience := min(r.options.SessionTimeout/3, r.options.CallTimeout)
	watchdog := time.AfterFunc(patience, cancel)
	defer watchdog.Stop()
	stream, err := pb.NewLeaseClient(client.ActiveConnection()).LeaseKeepAlive(ctx)
	if err != nil {
		return 0, fmt.Errorf("begin to keep the lease: %w", err)
	}
	for {
		watchdog.Reset(patience)
		from := time.Now()
		if err := stream.Send(&pb.LeaseKeepAliveRequest{ID: int64(lease)}); err != nil {
			return beats, fmt.Errorf("keep the lease: %w", err)
		}
		answer, err := stream.Recv()
		switch {
		case err != nil && ctx.Err() != nil:
			return beats, fmt.Errorf("keep the lease: no answer within %v", patience)
		case err != nil:
			return beats, fmt.Errorf("keep the lease: %w", err)
		case answer.TTL <= 0:
			return beats, errExpired
		}
		watchdog.Stop()
		r.latency.Note(time.Since(from))
		beats++
		if !r.alive(answer.GetHeader().GetRevision()) {
			return beats, errRestored
		}
		sleep(ctx, pause-rand.N(pause/10+1))
		if ctx.Err() != nil {
			return beats, ctx.Err()
		}
	}
}

// alive notes an answer of etcd at that revision. It reports false when that is before one that was seen.
func (r *Registry) alive(revision int64) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.connected {
		r.setConnected(true)
	}
	ok := revision >= r.revision || revision == 0
	r.revision = revision
	return ok
}

// disconnect notes that etcd does not answer, and why.
func (r *Registry) disconnect(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || r.closing() {
		return
	}
	if r.connected || r.failure == "" {
		r.options.Log.Warn("registry/etcd: no connection; what is known stays in use", "servers", r.options.Address, "error", err)
	}
	r.setConnected(false)
	r.failure = err.Error()
}

// setConnected tells all who wait for a connection. The caller holds mu.
func (r *Registry) setConnected(up bool) {
	if up != r.connected {
		r.connected, r.since = up, time.Now()
	}
	if up {
		r.failure = ""
	}
	close(r.changed)
	r.changed = make(chan struct{})
}

// await waits for a connection and returns the link, nil when ctx ends before.
func (r *Registry) await(ctx context.Context) *link {
	for {
		r.mu.Lock()
		l, connected, changed := r.link, r.connected, r.changed
		r.mu.Unlock()
		if l != nil && connected && ctx.Err() == nil {
			return l
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil
		}
	}
}

// sleep waits for d or the end of ctx.
func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
