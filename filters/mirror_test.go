package filters

import (
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// says is a provider that answers with a value, and keeps the requests that it has seen.
type says struct {
	value any
	seen  []map[string]string
	held  []*motan.Call // with hold, calls that are not answered
	hold  bool
}

func (s *says) Handle(c *motan.Call) {
	pairs := make(map[string]string)
	for k, v := range c.Request.All() {
		pairs[string(k)] = string(v)
	}
	s.seen = append(s.seen, pairs)
	if s.hold {
		c.Batch = nil
		s.held = append(s.held, c)
		return
	}
	s.answer(c)
}

func (s *says) answer(c *motan.Call) {
	switch v := s.value.(type) {
	case *motan.Error:
		c.Fail(v)
		return
	case motan.Exception:
		c.Reply.SetException(v)
	default:
		body, err := simple.Append(nil, v)
		if err != nil {
			panic(err) // a mistake of the test's
		}
		c.Reply.SetSerialization(motan.SerializeSimple)
		c.Reply.SetBody(body)
	}
	c.End()
}

// mirrored is a provider behind the filter, which copies to other.
func mirrored(t *testing.T, provider, other *says, params string) (motan.Handler, *States) {
	t.Helper()
	s := settings(textParams(params))
	s.Branch = func(group string) motan.Handler {
		if group != "next" {
			t.Errorf("got group %s, want next", group)
		}
		return other
	}
	s.Route = func(service, group string) motan.Handler {
		if service == "com.example.Other" {
			return other
		}
		return nil
	}
	h, _ := behind(t, provider, "mirror", s)
	return h, s.States
}

func TestMirror(t *testing.T) {
	user := simple.Map{{Key: "id", Value: int32(7)}, {Key: "tags", Value: []any{"a", "b"}}}
	same := simple.Map{{Key: "id", Value: int32(1234567)}, {Key: "tags", Value: []any{"c"}}}
	biz := motan.Exception{Code: 1, Type: motan.TypeBiz, Message: "no"}
	tests := []struct {
		name           string
		primary, other any
		want           string
	}{
		{"alike", user, user, "same"},
		{"other values of the same form", user, same, "other_length"},
		{"another key", user, simple.Map{{Key: "uid", Value: int32(7)}}, "other_structure"},
		{"another type", "7", int32(7), "other_structure"},
		{"an exception of the implementation", user, biz, "other_outcome"},
		{"both fail", biz, biz, "same"},
		{"another exception", biz, motan.Exception{Code: 1, Type: motan.TypeService, Message: "no"}, "other_outcome"},
		{"no answer", user, motan.Errorf(motan.KindTimeout, 1, "late"), "other_outcome"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			provider, other := &says{value: tt.primary}, &says{value: tt.other}
			h, states := mirrored(t, provider, other, "mirror.to=@next")
			want := outcomeOf(t, provider, call("hello"))
			if got := outcomeOf(t, h, call("hello", "uid", "7")); got != want {
				t.Errorf("got %s, want what the provider says: %s", got, want)
			}
			if counted(states, tt.want) != 1 || counted(states, "copied") != 1 || counted(states, "in_flight") != 0 {
				t.Errorf("got no %s among %v", tt.want, states.sum(true))
			}
			got := other.seen[0]
			if got["mirror"] != "1" || got["uid"] != "7" || got["M_m"] != "hello" || provider.seen[1]["mirror"] != "" {
				t.Errorf("the copy: got %v, want it marked", got)
			}
		})
	}
}

// What is not to be copied is not.
func TestMirrorSpares(t *testing.T) {
	tests := []struct {
		name, params, result string
		change               func(*motan.Call)
		copies               int
	}{
		{"copies", "mirror.to=@next", "skipped", func(c *motan.Call) { c.Request.Set("mirror", "1") }, 0},
		{"one-way calls", "mirror.to=@next", "skipped", func(c *motan.Call) { c.Request.Type |= motan.FlagOneway }, 0},
		{"but where they are asked for", "mirror.to=@next mirror.oneway=true", "copied", func(c *motan.Call) { c.Request.Type |= motan.FlagOneway }, 1},
		{"a method", "mirror.to=@next hello().mirror.percent=0", "copied", nil, 0},
		{"but for a method", "hello().mirror.to=@next", "copied", nil, 1},
		{"what is too large", "mirror.to=@next mirror.maxBytes=10", "skipped", nil, 0},
		{"what nobody serves", "mirror.to=com.example.Nobody", "unreachable", nil, 0},
		{"but another service", "mirror.to=com.example.Other@x", "copied", nil, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			provider, other := &says{value: "a"}, &says{value: "a"}
			h, states := mirrored(t, provider, other, tt.params)
			c := call("hello")
			if tt.change != nil {
				tt.change(c)
			}
			if got := outcomeOf(t, h, c); got != "ok" || len(other.seen) != tt.copies {
				t.Errorf("got %s and %d copies, want ok and %d", got, len(other.seen), tt.copies)
			}
			if want := min(1, len(other.seen)); tt.result == "copied" && counted(states, "copied") != float64(want) {
				t.Errorf("got %g copied, want %d", counted(states, "copied"), want)
			}
			if (tt.result == "unreachable" || strings.Contains(tt.params, "maxBytes")) && counted(states, tt.result) != 1 {
				t.Errorf("got %v, want one %s", states.sum(true), tt.result)
			}
		})
	}
}

// Copies that are not answered hold up nobody, and only so many are made.
func TestMirrorIsBounded(t *testing.T) {
	provider, other := &says{value: "a"}, &says{value: "a", hold: true}
	h, states := mirrored(t, provider, other, "mirror.to=@next mirror.maxInFlight=3")
	for range 10 {
		if got := outcomeOf(t, h, call("hello")); got != "ok" {
			t.Fatalf("got %s, want ok", got)
		}
	}
	if len(other.held) != 3 || counted(states, "skipped") != 7 || counted(states, "in_flight") != 3 {
		t.Errorf("got %d copies in flight, %g skipped, want 3 and 7", len(other.held), counted(states, "skipped"))
	}
	for _, c := range other.held {
		other.answer(c)
	}
	if counted(states, "same") != 3 || counted(states, "in_flight") != 0 {
		t.Errorf("got %g alike and %g in flight, want 3 and 0", counted(states, "same"), counted(states, "in_flight"))
	}
}

func TestMirrorRefuses(t *testing.T) {
	for params, want := range map[string]string{
		"mirror.to=@g":                       "where the calls go themselves",
		"mirror.to=com.example.Echo":         "where the calls go themselves",
		"mirror.to=@x mirror.percent=101":    "0 to 100",
		"mirror.to=@x mirror.maxInFlight=-1": "1 to 1000000",
	} {
		if _, err := NewMirror(settings(textParams(params))); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %q", params, err, want)
		}
	}
}

func TestMirrorCosts(t *testing.T) {
	passesFree(t, "mirror", textParams("mirror.to=com.example.Other mirror.percent=0"))
}

func TestStructure(t *testing.T) {
	json := func(body string) shape {
		c := motan.NewCall()
		c.Reply.SetSerialization(motan.SerializeJSON)
		c.Reply.SetBody([]byte(body))
		return shapeOf(c)
	}
	tests := []struct {
		a, b string
		want bool
	}{
		{`{"a":1,"b":[1,2]}`, `{"a":2,"b":[3]}`, true},
		{`{"a":1}`, `{"a":"1"}`, false},
		{`{"a":1}`, `{"b":1}`, false},
		{`[1,"a"]`, `[1]`, false},
		{`[{"a":null}]`, `[{"a":null},{"a":null}]`, true},
		{`{"a":{"a":1}}`, `{"a":1,"a":1}`, false},
	}
	for _, tt := range tests {
		a, b := json(tt.a), json(tt.b)
		if a.structure == 0 || (a.structure == b.structure) != tt.want {
			t.Errorf("%s and %s: got alike %t, want %t", tt.a, tt.b, a.structure == b.structure, tt.want)
		}
	}
}

func FuzzStructure(f *testing.F) {
	body, err := simple.Append(nil, []any{"a", simple.Map{{Key: "k", Value: int32(1)}}, simple.StringMap{{Key: "a", Value: "b"}}})
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte(`{"a":[1,{"b":null}]}`))
	f.Fuzz(func(_ *testing.T, body []byte) {
		c := motan.NewCall()
		for _, number := range []int{motan.SerializeSimple, motan.SerializeJSON} {
			c.Reply.SetSerialization(number)
			c.Reply.SetBody(body)
			shapeOf(c)
		}
	})
}
