package agent

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// demoCall is a call of the demo provider with the arguments as a JSON array.
func demoCall(t *testing.T, method, args string) *motan.Call {
	t.Helper()
	body, err := simple.AppendJSONArgs(nil, []byte(args))
	if err != nil {
		t.Fatal(err)
	}
	c := request("svc", method)
	c.Request.SetBody(body)
	return c
}

func TestDemoProvider(t *testing.T) {
	tests := []struct{ method, args, want string }{
		{"echo", `["a"]`, `"a"`},
		{"echo", `["a",1,null]`, `["a",1,null]`},
		{"echo", `[]`, `null`},
		{"echo", `[{"id":9007199254740993}]`, `{"id":9007199254740993}`},
		{"hello", `["mesh"]`, `"hello mesh"`},
		{"hello", `[]`, `"hello world"`},
		{"hello", `[7]`, `"hello world"`},
		{"slow", `[0]`, `0`},
		{"slow", `[-5]`, `-5`},
		{"slow", `["x"]`, `0`},
	}
	for _, tt := range tests {
		t.Run(tt.method+tt.args, func(t *testing.T) {
			c := do(t, demoProvider{}, demoCall(t, tt.method, tt.args))
			if c.Err != nil {
				t.Fatal(c.Err)
			}
			got, err := simple.AppendJSONValue(nil, c.Reply.Body())
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s (%v), want %s", got, err, tt.want)
			}
			if c.Reply.Serialization() != motan.SerializeSimple {
				t.Errorf("serialization: got %d, want simple", c.Reply.Serialization())
			}
		})
	}
}

func TestDemoFails(t *testing.T) {
	for args, want := range map[string]string{`["no luck"]`: "no luck", `[]`: "failed as asked"} {
		c := do(t, demoProvider{}, demoCall(t, "fail", args))
		if x, _ := c.Reply.Exception(); x != (motan.Exception{Code: 30001, Type: motan.TypeBiz, Message: want}) {
			t.Errorf("%s: got %+v, want a business exception %q", args, x, want)
		}
	}
}

// Slow takes the time that it was asked for, and no more than a minute.
func TestDemoSlow(t *testing.T) {
	for args, want := range map[string]time.Duration{`[1500]`: 1500 * time.Millisecond, `[9999999]`: time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			done := make(chan struct{})
			c := demoCall(t, "slow", args)
			begin := time.Now()
			c.Push(ending(done), 0)
			demoProvider{}.Handle(c)
			<-done
			if got := time.Since(begin); got != want || c.Err != nil {
				t.Errorf("%s: got an answer after %v (%v), want %v", args, got, c.Err, want)
			}
		})
	}
}

// ending is closed when a call has ended.
type ending chan struct{}

func (e ending) Return(*motan.Call, int) bool {
	close(e)
	return false
}

// What is wrong with a call is told, whatever it holds.
func TestDemoRefuses(t *testing.T) {
	tests := []struct {
		name   string
		change func(f *motan.Frame)
		code   int
		text   string
	}{
		{"method", func(f *motan.Frame) { f.Set("M_m", "nothing") }, 500, "method nothing is not of the demo provider"},
		{"no method", func(f *motan.Frame) { f.Del("M_m") }, 500, "method  is not of the demo provider"},
		{"serialization", func(f *motan.Frame) { f.SetSerialization(0) }, 500, "deserialize fail. err: the demo provider reads simple (6), not serialization 0"},
		{"body", func(f *motan.Frame) { f.SetBody([]byte{1, 0xff, 0xff, 0xff, 0xff}) }, 500, "deserialize fail. err:"},
		{"gzip", func(f *motan.Frame) { f.Type |= motan.FlagGzip }, 500, "deserialize fail. err:"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			c := demoCall(t, "echo", `["a"]`)
			tt.change(&c.Request)
			do(t, demoProvider{}, c)
			if c.Err == nil || c.Err.Code != tt.code || !strings.HasPrefix(c.Err.Message, tt.text) {
				t.Errorf("got %v, want %d %s", c.Err, tt.code, tt.text)
			}
		})
	}
}
