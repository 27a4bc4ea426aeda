package motango

import (
	"fmt"
	"runtime/debug"
	"sync"
	"time"

	"github.com/weibocom/motan-go/core"

	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// exchange is one call in a filter of motan-go, and the goroutine on which that runs.
type exchange struct {
	filter   *filter
	instance *instance
	call     *motan.Call // touched by whose turn it is
	back     chan struct{}
	timer    *time.Timer
	request  *request
	response *response // the last that next has returned; nil before
	panicked *panicked

	mu       sync.Mutex
	turn     turn          // guarded by mu
	late     bool          // guarded by mu; the call's time was over while it was on its way
	returned bool          // guarded by mu; the filter has, without waiting for next
	result   core.Response // guarded by mu; what it has returned then
}

// turn says who owns the call.
type turn uint8

const (
	ours   turn = iota // the filter has it
	theirs             // it is on its way through the chain
	gone               // it has ended, or nobody waits for the filter any more
)

// panicked is what a filter has panicked with on its goroutine.
type panicked struct {
	value any
	stack []byte
}

// String tells where it was.
func (p *panicked) String() string { return fmt.Sprintf("%v at %s", p.value, p.stack) }

var (
	_ motan.Handler = (*exchange)(nil)

	errSlow = motan.Errorf(motan.KindTimeout, motan.CodeDefault, "the time for the call was over in a filter")
)

func (x *exchange) run() {
	defer func() { <-x.filter.room }()
	defer x.catch()
	x.call.Batch = nil
	x.request = newRequest(x)
	x.timer = time.AfterFunc(x.left(), x.expire) // stopped by finish
	var res core.Response
	if i := x.instance; i.endpoint != nil {
		res = i.endpoint.Filter(x.caller(), x.request.MotanRequest)
	} else {
		res = i.cluster.Filter(strategy{i}, balance{i}, x.request.MotanRequest)
	}
	x.finish(res)
}

// left is how long the call has.
func (x *exchange) left() time.Duration {
	deadline := x.call.Deadline
	if deadline == 0 {
		asked := min(int64(x.call.Request.TimeoutMillis()), x.filter.longest)
		deadline = x.call.Start + max(asked, x.filter.timeout)*int64(time.Millisecond)
	}
	return time.Duration(deadline - motan.Now())
}

// catch makes the call fail in the chain, where a guard counts it, because the filter has panicked.
func (x *exchange) catch() {
	value := recover()
	if value == nil {
		return
	}
	stack := debug.Stack()
	if x.timer != nil {
		x.timer.Stop()
	}
	if !x.leave(nil) {
		return
	}
	x.panicked = &panicked{value, stack[:min(len(stack), 4096)]}
	c := x.call
	c.Retry()
	c.Note(x.filter, x)
	if x.response != nil { // the chain's next step is the filter, once more
		c.Resume()
		return
	}
	c.End() // which comes by the filter's Reply
}

// leave tells that the filter has returned res. It is true where the call is at hand, to be ended; where it is still on
// its way, as behind a filter that gives up waiting, it ends with res when it comes back.
func (x *exchange) leave(res core.Response) bool {
	x.mu.Lock()
	defer x.mu.Unlock()
	mine := x.turn == ours
	if x.turn == theirs {
		x.returned, x.result = true, res
	} else {
		x.turn = gone
	}
	return mine
}

// expire ends the call while the filter has it.
func (x *exchange) expire() {
	x.mu.Lock()
	if x.turn == theirs { // the chain keeps the time
		x.late = true
	}
	mine := x.turn == ours
	if mine {
		x.turn = gone
	}
	x.mu.Unlock()
	if !mine {
		return
	}
	if x.response == nil {
		x.call.Err = errSlow
	}
	x.call.End()
}

// next passes the call on and returns how it has ended.
func (x *exchange) next(req core.Request) core.Response {
	x.mu.Lock()
	mine := x.turn == ours
	if mine {
		x.turn = theirs
	}
	x.mu.Unlock()
	if !mine {
		return exception(req, errSlow)
	}
	c := x.call
	if err := x.request.apply(req, c); err != nil {
		res := exception(req, motan.Errorf(motan.KindOther, motan.CodeInternal, "the request of a filter: %v", err))
		x.comeBack(nil)
		return res
	}
	if x.response != nil { // once more
		c.Retry()
	}
	c.Note(x.filter, x)
	c.Resume()
	<-x.back // the chain ends every call by its deadline
	res := newResponse(x)
	x.comeBack(res)
	return res.MotanResponse
}

// comeBack makes it the filter's turn again, unless nobody waits for that: then the call ends. res is nil where the call
// was not sent.
func (x *exchange) comeBack(res *response) {
	x.mu.Lock()
	if res != nil {
		x.response = res
	}
	x.turn = ours
	over := x.late || x.returned
	if over {
		x.turn = gone
	}
	returned, result := x.returned, x.result
	x.mu.Unlock()
	if !over {
		return
	}
	if returned {
		apply(x.response, result, x.call)
	}
	x.call.End()
}

// Handle is given the call on its way back.
func (x *exchange) Handle(c *motan.Call) {
	c.Batch = nil
	x.back <- struct{}{}
}

// finish ends the call with what the filter has returned.
func (x *exchange) finish(res core.Response) {
	x.timer.Stop()
	if !x.leave(res) {
		return
	}
	apply(x.response, res, x.call)
	x.call.End()
	if res != nil {
		if ctx := res.GetRPCContext(false); ctx != nil { // what motan-go does when the answer is sent
			now := time.Now()
			ctx.ResponseSendTime, x.request.RPCContext.ResponseSendTime = now, now
			ctx.OnFinish()
		}
	}
}

func (x *exchange) caller() core.Caller {
	if x.filter.settings.Role == filters.ServerAgent {
		return provider{node{x.instance}}
	}
	return endpoint{node{x.instance}}
}
