package motango

import (
	"sync"
	"testing"

	"github.com/weibocom/motan-go/core"
	"go.uber.org/goleak"

	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

func TestMain(m *testing.M) {
	goleak.VerifyTestMain(m,
		goleak.IgnoreCurrent(), // what motan-go starts with the program
		goleak.IgnoreAnyFunction("github.com/weibocom/motan-go/log.startFlush.func1"), // these three end with the program
		goleak.IgnoreAnyFunction("github.com/afex/hystrix-go/hystrix.(*metricExchange).Monitor"),
		goleak.IgnoreAnyFunction("github.com/afex/hystrix-go/hystrix.(*poolMetrics).Monitor"),
	)
}

// plugin is a filter of motan-go that does what the test says.
type plugin struct {
	do   func(p *plugin, request core.Request, next func(core.Request) core.Response) core.Response
	url  *core.URL
	seen func(core.Caller)
	next core.EndPointFilter
}

func (p *plugin) NewFilter(url *core.URL) core.Filter {
	return &plugin{do: p.do, seen: p.seen, url: url}
}

func (p *plugin) Filter(caller core.Caller, request core.Request) core.Response {
	if p.seen != nil {
		p.seen(caller)
	}
	return p.do(p, request, func(r core.Request) core.Response { return p.next.Filter(caller, r) })
}

func (p *plugin) GetName() string                  { return "plugin" }
func (p *plugin) GetIndex() int                    { return 5 }
func (p *plugin) GetType() int32                   { return core.EndPointFilterType }
func (p *plugin) HasNext() bool                    { return p.next != nil }
func (p *plugin) SetNext(next core.EndPointFilter) { p.next = next }
func (p *plugin) GetNext() core.EndPointFilter     { return p.next }
func (p *plugin) GetRuntimeInfo() map[string]any   { return nil }

func settings(role string, params map[string]string) filters.Settings {
	return filters.Settings{
		Role: role, ID: "echo", Application: "app", Group: "g", Service: "com.example.Echo", Params: params,
		States: new(filters.States), Switches: new(filters.Switches),
	}
}

// behind is next behind a filter of motan-go, guarded as in an agent.
func behind(t *testing.T, f core.Filter, role string, params map[string]string, next motan.Handler) motan.Handler {
	t.Helper()
	s := settings(role, params)
	made, err := Entry(f).New(s)
	if err != nil {
		t.Fatal(err)
	}
	return motan.NewChain(next, filters.NewGuard(f.GetName(), made, s, nil))
}

// echo is a provider that notes what it was asked and answers on a goroutine of its own.
type echo struct {
	mu    sync.Mutex
	asked []string // metadata "from", and the first argument
	reply func(*motan.Call)
	wait  sync.WaitGroup
}

func (e *echo) Handle(c *motan.Call) {
	c.Batch = nil
	e.wait.Go(func() { // ends with the call
		v, _, err := simple.Decode(c.Request.Body())
		if err != nil {
			v = err.Error()
		}
		text, _ := v.(string)
		e.mu.Lock()
		e.asked = append(e.asked, string(c.Request.Get("from"))+" "+text)
		reply := e.reply
		e.mu.Unlock()
		c.Reply.SetSerialization(motan.SerializeSimple)
		c.Reply.SetBody(c.Request.Body())
		c.Reply.Set("served-by", "echo")
		if reply != nil {
			reply(c)
		}
		c.End()
	})
}

func (e *echo) last() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if len(e.asked) == 0 {
		return ""
	}
	return e.asked[len(e.asked)-1]
}

// ask calls hello with one argument and returns the answer as text: the value, or errcode and message.
func ask(t *testing.T, h motan.Handler, change func(*motan.Call)) (answer string, attachments map[string]string) {
	t.Helper()
	c := motan.NewCall()
	defer c.Release()
	body, err := simple.Append(nil, "hi")
	if err != nil {
		t.Fatal(err)
	}
	c.Service, c.Group, c.Endpoint, c.Remote = "com.example.Echo", "g", "10.0.0.1:8002", "10.1.2.3"
	c.Request.SetSerialization(motan.SerializeSimple)
	c.Request.Set("M_p", "com.example.Echo")
	c.Request.Set("M_m", "hello")
	c.Request.Set("from", "test")
	c.Request.Set("M_rid", "42")
	c.Request.SetBody(body)
	if change != nil {
		change(c)
	}
	motan.Do(h, c)
	attachments = metadata(&c.Reply)
	if c.Err != nil {
		return c.Err.Message, attachments
	}
	if x, failed := c.Reply.Exception(); failed {
		return "exception: " + x.Message, attachments
	}
	if err := c.Reply.Inflate(1 << 20); err != nil {
		t.Fatal(err)
	}
	v, _, err := simple.Decode(c.Reply.Body())
	if err != nil {
		t.Fatalf("the reply cannot be read: %v", err)
	}
	text, _ := v.(string)
	return text, attachments
}

type next = func(core.Request) core.Response
