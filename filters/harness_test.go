package filters

import (
	"testing"

	"github.com/motand/motand/motan"
)

// call is a call of a method as it comes in, with metadata given as key, value, key, value.
func call(method string, pairs ...string) *motan.Call {
	c := motan.NewCall()
	c.Service, c.Group, c.Application = "com.example.Echo", "g", "app"
	c.Request.SetSerialization(motan.SerializeSimple)
	c.Request.Set("M_p", "com.example.Echo")
	c.Request.Set("M_m", method)
	for i := 0; i+1 < len(pairs); i += 2 {
		c.Request.Set(pairs[i], pairs[i+1])
	}
	return c
}

// settings are those of a filter of the entry echo.
func settings(params map[string]string) Settings {
	return Settings{
		Role: ClientAgent, ID: "echo", Application: "app", Group: "g", Service: "com.example.Echo",
		Params: params, States: new(States), Switches: new(Switches),
	}
}

// ok is a provider that answers.
var ok = answer(func(*motan.Call) {})

// behind is next behind the filter, as the agent builds it.
func behind(t testing.TB, next motan.Handler, name string, s Settings) (motan.Handler, motan.Filter) {
	t.Helper()
	f := build(t, name, s)
	return motan.NewChain(next, NewGuard(name, f, s, nil)), f
}

// outcomeOf does the call and names its end: "ok", or the errcode and the message of why not.
func outcomeOf(t testing.TB, h motan.Handler, c *motan.Call) string {
	t.Helper()
	motan.Do(h, c)
	defer c.Release()
	if c.Err != nil {
		return c.Err.Kind.String() + ": " + c.Err.Message
	}
	if x, failed := c.Reply.Exception(); failed {
		return "exception: " + x.Message
	}
	return "ok"
}

// counted is what metrics show of a filter: results, and states.
func counted(s *States, name string) (n float64) {
	for _, counts := range []bool{true, false} {
		for k, value := range s.sum(counts) {
			if k.id == name {
				n += value
			}
		}
	}
	return n
}

// passesFree fails when a call that passes the filter allocates.
func passesFree(t *testing.T, name string, params map[string]string) {
	t.Helper()
	if raced {
		t.Skip("the race detector makes pools drop what they hold")
	}
	h, _ := behind(t, ok, name, settings(params))
	request := call("hello", "M_s", "app")
	defer request.Release()
	n := testing.AllocsPerRun(500, func() {
		c := motan.NewCall()
		c.Request.CopyFrom(&request.Request)
		c.Service, c.Group, c.Endpoint, c.Remote = request.Service, request.Group, "10.0.0.1:80", "10.1.2.3"
		motan.Do(h, c)
		if c.Err != nil {
			t.Error(c.Err)
		}
		c.Release()
	})
	if n != 0 {
		t.Errorf("%s: got %v allocations for a call that passes, want 0", name, n)
	}
}
