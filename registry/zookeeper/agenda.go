package zookeeper

import "time"

// lookShare is how far apart, for each list, command and claim, are two looks at all of them, which take some hundred
// nanoseconds for each: with ten thousand of them there are five looks a second at most. What the server tells of does not
// wait for them. Without this each notice and each answer would cost a look.
const lookShare = 20 * time.Microsecond

// agenda is what was due when all lists, commands and claims were last looked at, as far as it was not begun yet. Its fields
// are guarded by Registry.mu.
type agenda struct {
	tasks []task
	look  time.Time // all may be looked at again
}

// task is something to be done beside less than most others.
type task struct {
	most  int
	begin func(now time.Time, c client) job // nil when it is not to be done any more
}

// due returns the jobs that can be begun now, and when to look again if nothing happens before. The caller holds mu.
func (r *Registry) due(now time.Time) (jobs []job, again time.Time) {
	again = r.agenda.look // whatever brings us here may have made something due
	if !now.Before(again) {
		again = r.plan(now)
		r.agenda.look = now.Add(time.Duration(len(r.claims)+len(r.orders)+len(r.lookouts)) * lookShare)
	}
	c, left := r.client(), r.agenda.tasks[:0]
	for _, t := range r.agenda.tasks {
		if r.running >= t.most {
			left = append(left, t) // the end of a job brings us back
			continue
		}
		if j := t.begin(now, c); j != nil {
			r.running++
			jobs = append(jobs, j)
		}
	}
	clear(r.agenda.tasks[len(left):])
	r.agenda.tasks = left
	return jobs, again
}

// plan puts what is due into the agenda, and returns when something else will be. The caller holds mu.
func (r *Registry) plan(now time.Time) (next time.Time) {
	next = now.Add(idle)
	tasks := r.agenda.tasks[:0]
	// late tells whether at has come; else it is remembered.
	late := func(at time.Time, ok bool) bool {
		if ok && at.After(now) && at.Before(next) {
			next = at
		}
		return ok && !at.After(now)
	}
	for path, m := range r.claims {
		if !r.yielded && late(m.due(r.session)) {
			tasks = append(tasks, task{maxJobs, func(now time.Time, c client) job {
				at, ok := m.due(r.session)
				if r.yielded || !ok || at.After(now) || r.claims[path] != m {
					return nil
				}
				return r.claimJob(c, path, m, append([]int64{r.session}, r.past...))
			}})
		}
	}
	for _, o := range r.orders {
		if late(o.due()) {
			tasks = append(tasks, r.orderTask(o))
		}
	}
	for _, o := range r.lookouts {
		if late(o.due()) {
			tasks = append(tasks, r.lookoutTask(o))
		}
	}
	r.agenda.tasks = tasks
	return next
}

func (r *Registry) orderTask(o *order) task {
	return task{maxReadings, func(now time.Time, c client) job {
		if at, ok := o.due(); !ok || at.After(now) || r.orders[o.path] != o {
			return nil
		}
		return r.orderJob(c, o)
	}}
}

func (r *Registry) lookoutTask(o *lookout) task {
	return task{maxReadings, func(now time.Time, c client) job {
		if at, ok := o.due(); !ok || at.After(now) || r.lookouts[o.dir] != o {
			return nil
		}
		return r.lookoutJob(c, o, now)
	}}
}

// noticed takes the server's word that what is at path has changed. It is read without a look at all others. The caller holds
// mu.
func (r *Registry) noticed(path string) {
	r.counts.notices++
	delete(r.spare, path)
	if o := r.lookouts[path]; o != nil {
		o.notice()
		r.agenda.tasks = append(r.agenda.tasks, r.lookoutTask(o))
	}
	if o := r.orders[path]; o != nil {
		o.notice()
		r.agenda.tasks = append(r.agenda.tasks, r.orderTask(o))
	}
}
