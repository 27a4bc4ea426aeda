package motango

import (
	"testing"
	"time"

	"github.com/weibocom/motan-go/core"

	"github.com/motand/motand/filters"
	"github.com/motand/motand/motan"
)

// What a filter does to requests and answers arrives.
func TestFilter(t *testing.T) {
	tests := []struct {
		name   string
		do     func(p *plugin, q core.Request, next next) core.Response
		asked  string // of the provider; "" for nothing
		answer string
		added  string // attachment "by" of the answer
	}{
		{"passes on", func(_ *plugin, q core.Request, next next) core.Response { return next(q) }, "test hi", "hi", ""},
		{"attachments", func(_ *plugin, q core.Request, next next) core.Response {
			q.SetAttachment("from", q.GetAttachment("from")+"+"+q.GetMethod())
			r := next(q)
			r.SetAttachment("by", r.GetAttachment("served-by")+"+filter")
			return r
		}, "test+hello hi", "hi", "echo+filter"},
		{"a key taken out", func(_ *plugin, q core.Request, next next) core.Response {
			q.GetAttachments().Delete("from")
			return next(q)
		}, " hi", "hi", ""},
		{"a clone", func(_ *plugin, q core.Request, next next) core.Response {
			clone := q.Clone().(core.Request)
			clone.SetAttachment("from", "clone")
			return next(clone)
		}, "clone hi", "hi", ""},
		{"reads arguments and answer", func(_ *plugin, q core.Request, next next) core.Response {
			if err := q.ProcessDeserializable([]any{""}); err != nil {
				return nil
			}
			q.SetAttachment("from", "read "+q.GetArguments()[0].(string))
			r := next(q)
			if err := r.ProcessDeserializable(""); err != nil {
				return nil
			}
			r.SetAttachment("by", r.GetValue().(string))
			return r
		}, "read hi hi", "hi", "hi"},
		{"changes the answer", func(_ *plugin, q core.Request, next next) core.Response {
			r := next(q).(*core.MotanResponse)
			r.Value = "changed"
			return r
		}, "test hi", "changed", ""},
		{"answers itself", func(_ *plugin, q core.Request, _ next) core.Response {
			r := &core.MotanResponse{RequestID: q.GetRequestID(), Value: "own"}
			r.SetAttachment("by", "filter")
			return r
		}, "", "own", "filter"},
		{"refuses", func(_ *plugin, q core.Request, _ next) core.Response {
			return core.BuildExceptionResponse(q.GetRequestID(), &core.Exception{ErrCode: 403, ErrMsg: "no", ErrType: core.ServiceException})
		}, "", "exception: no", ""},
		{"tries again", func(_ *plugin, q core.Request, next next) core.Response {
			next(q)
			q.SetAttachment("from", "again")
			return next(q)
		}, "again hi", "hi", ""},
		{"returns nothing", func(_ *plugin, q core.Request, next next) core.Response {
			next(q)
			return nil
		}, "test hi", "the filter returned no response", ""},
		{"another request", func(_ *plugin, _ core.Request, next next) core.Response {
			return next(&core.MotanRequest{})
		}, "", "exception: the filter passed on a request that it was not given", ""},
		{"arguments that cannot be written", func(_ *plugin, q core.Request, next next) core.Response {
			q.(*core.MotanRequest).SetArguments([]any{make(chan int)})
			return next(q)
		}, "", "exception: the request of a filter: arguments: ", ""},
		{"its own keys", func(p *plugin, q core.Request, next next) core.Response {
			q.SetAttachment("from", p.url.GetParam("plugin.key", "")+p.url.GetAddressStr()+p.url.Path+p.url.Group)
			return next(q)
		}, "value10.0.0.1:8002com.example.Echog hi", "hi", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			provider := new(echo)
			h := behind(t, &plugin{do: tt.do}, filters.ClientAgent, map[string]string{"plugin.key": "value", "requestTimeout": "30000"}, provider)
			answer, attachments := ask(t, h, nil)
			if len(answer) > len(tt.answer) && tt.answer != "" && tt.answer[len(tt.answer)-1] == ' ' {
				answer = answer[:len(tt.answer)] // what motan-go says of it follows
			}
			if answer != tt.answer || attachments["by"] != tt.added || provider.last() != tt.asked {
				t.Errorf("got %q, by %q, the provider was asked %q; want %q, %q, %q", answer, attachments["by"], provider.last(), tt.answer, tt.added, tt.asked)
			}
			provider.wait.Wait()
		})
	}
}

// A failure of the call is an exception for the filter, which may make an answer of it.
func TestFailures(t *testing.T) {
	provider := &echo{reply: func(c *motan.Call) { c.Err = motan.Errorf(motan.KindTimeout, 400, "too late") }}
	var got *core.Exception
	pass := &plugin{do: func(_ *plugin, q core.Request, next next) core.Response {
		r := next(q)
		got = r.GetException()
		return r
	}}
	h := behind(t, pass, filters.ClientAgent, nil, provider)
	if answer, _ := ask(t, h, nil); answer != "too late" || got == nil || got.ErrCode != 400 || got.ErrMsg != "too late" {
		t.Errorf("got %q and the filter %v, want the call's own error", answer, got)
	}
	mend := &plugin{do: func(_ *plugin, q core.Request, next next) core.Response {
		next(q)
		return &core.MotanResponse{Value: "mended"}
	}}
	if answer, _ := ask(t, behind(t, mend, filters.ClientAgent, nil, provider), nil); answer != "mended" {
		t.Errorf("got %q, want the filter's answer", answer)
	}
}

// A compressed body is read by a filter, and goes on as it came where none reads it.
func TestCompressed(t *testing.T) {
	provider := new(echo)
	read := &plugin{do: func(_ *plugin, q core.Request, next next) core.Response {
		if err := q.ProcessDeserializable([]any{""}); err != nil {
			return core.BuildExceptionResponse(0, &core.Exception{ErrMsg: err.Error()})
		}
		return next(q)
	}}
	answer, _ := ask(t, behind(t, read, filters.ClientAgent, nil, provider), func(c *motan.Call) {
		if err := c.Request.Deflate(1); err != nil {
			t.Fatal(err)
		}
	})
	if answer != "hi" || provider.last() != "test hi" {
		t.Errorf("got %q, the provider was asked %q", answer, provider.last())
	}
}

// A filter sees an endpoint where it stands around an attempt, a provider where around a service.
func TestCaller(t *testing.T) {
	for role, want := range map[string]string{filters.ClientAgent: "endpoint", filters.ServerAgent: "provider"} {
		got := ""
		p := &plugin{
			do: func(_ *plugin, q core.Request, next next) core.Response { return next(q) },
			seen: func(c core.Caller) {
				switch c.(type) {
				case core.Provider:
					got = "provider"
				case core.EndPoint:
					got = "endpoint"
				}
			},
		}
		if answer, _ := ask(t, behind(t, p, role, nil, new(echo)), nil); answer != "hi" || got != want {
			t.Errorf("%s: got %q and a %s, want a %s", role, answer, got, want)
		}
	}
}

// A panic fails the call alone, on either way; after ten the filter is cut out.
func TestPanics(t *testing.T) {
	for name, do := range map[string]func(*plugin, core.Request, next) core.Response{
		"on the way in":   func(*plugin, core.Request, next) core.Response { panic("broken") },
		"on the way back": func(_ *plugin, q core.Request, next next) core.Response { next(q); panic("broken") },
	} {
		t.Run(name, func(t *testing.T) {
			h := behind(t, &plugin{do: do}, filters.ClientAgent, nil, new(echo))
			for i := range 10 {
				if answer, _ := ask(t, h, nil); answer != "filter plugin failed" {
					t.Fatalf("call %d: got %q, want that the filter failed", i, answer)
				}
			}
			if answer, _ := ask(t, h, nil); answer != "hi" {
				t.Errorf("after ten: got %q, want the answer without the filter", answer)
			}
		})
	}
}

// A filter that does not return loses its call when the time is over, and takes no room from others for ever.
func TestSlow(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(release <-chan struct{}) func(*plugin, core.Request, next) core.Response
		want string
	}{
		{"on the way in", func(release <-chan struct{}) func(*plugin, core.Request, next) core.Response {
			return func(_ *plugin, q core.Request, next next) core.Response {
				<-release
				return next(q)
			}
		}, errSlow.Message},
		{"on the way back", func(release <-chan struct{}) func(*plugin, core.Request, next) core.Response {
			return func(_ *plugin, q core.Request, next next) core.Response {
				r := next(q)
				<-release
				r.SetAttachment("by", "too late")
				return r
			}
		}, "hi"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			release := make(chan struct{})
			s := settings(filters.ClientAgent, map[string]string{"requestTimeout": "50", "plugin.maxConcurrent": "2"})
			made, err := Entry(&plugin{do: tt.do(release)}).New(s)
			if err != nil {
				t.Fatal(err)
			}
			h := motan.NewChain(new(echo), filters.NewGuard("plugin", made, s, nil))
			for range 2 {
				if answer, by := ask(t, h, nil); answer != tt.want || by["by"] != "" {
					t.Errorf("got %q by %q, want %q", answer, by["by"], tt.want)
				}
			}
			if answer, _ := ask(t, h, nil); answer != errFull.Message {
				t.Errorf("with two calls stuck: got %q, want that it is full", answer)
			}
			close(release)
			room := made.(*filter).room
			for len(room) > 0 {
				<-time.After(time.Millisecond)
			}
			if answer, _ := ask(t, h, func(c *motan.Call) { c.Deadline = c.Start + int64(time.Minute) }); answer != "hi" {
				t.Errorf("once they have returned: got %q, want the answer", answer)
			}
		})
	}
}

// A filter may give up waiting for the next one, as hystrix does: its answer counts once the call is back.
func TestReturnsBeforeNext(t *testing.T) {
	blocked := make(chan struct{})
	provider := &echo{reply: func(*motan.Call) { <-blocked }}
	h := behind(t, &plugin{do: func(_ *plugin, q core.Request, next next) core.Response {
		began := make(chan struct{})
		go func() { // ends with the call
			close(began)
			next(q)
		}()
		<-began
		for provider.last() == "" {
			<-time.After(time.Millisecond)
		}
		defer close(blocked)
		return &core.MotanResponse{Value: "gave up"}
	}}, filters.ClientAgent, map[string]string{"requestTimeout": "30000"}, provider)
	if answer, _ := ask(t, h, nil); answer != "gave up" {
		t.Errorf("got %q, want the filter's answer", answer)
	}
}

func TestSettings(t *testing.T) {
	for key, value := range map[string]string{"plugin.maxConcurrent": "0", "requestTimeout": "x"} {
		_, err := Entry(new(plugin)).New(settings(filters.ClientAgent, map[string]string{key: value}))
		if x, ok := err.(*filters.SettingError); !ok || x.Key != key { //nolint:errorlint // it is returned as it is
			t.Errorf("%s=%s: got %v, want an error that names the key", key, value, err)
		}
	}
}

// Calls of many nodes do not make filters without end.
func TestNodesAreBounded(t *testing.T) {
	made, err := Entry(&plugin{}).New(settings(filters.ClientAgent, nil))
	if err != nil {
		t.Fatal(err)
	}
	f := made.(*filter)
	for i := range maxNodes + 100 {
		if _, err := f.instance(string(rune('a'+i%26)) + time.Duration(i).String() + ":80"); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.nodes) != maxNodes {
		t.Errorf("got %d filters, want %d", len(f.nodes), maxNodes)
	}
}
