package filters

import (
	"maps"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestHeader(t *testing.T) {
	tests := []struct {
		name   string
		params string
		in     []string
		want   map[string]string // beside M_p and M_m
	}{
		{"nothing", "", []string{"a", "1"}, map[string]string{"a": "1"}},
		{"set", "header.set=a=2,b=3", []string{"a", "1"}, map[string]string{"a": "2", "b": "3"}},
		{"add", "header.add=a=2,b=3", []string{"a", "1"}, map[string]string{"a": "1", "b": "3"}},
		{"remove", "header.remove=a,c", []string{"a", "1", "b", "2"}, map[string]string{"b": "2"}},
		{"rename", "header.rename=a=c,x=y", []string{"a", "1", "b", "2"}, map[string]string{"c": "1", "b": "2"}},
		{"rename over another", "header.rename=a=b", []string{"a", "1", "b", "2"}, map[string]string{"b": "1"}},
		{"in order", "header.remove=a header.rename=b=a header.add=b=4 header.set=c=5", []string{"a", "1", "b", "2"}, map[string]string{"a": "2", "b": "4", "c": "5"}},
		{"application", "header.set=M_s=other", []string{"M_s", "shop"}, map[string]string{"M_s": "other"}},
		{"method", "hello().header.set=a=2", []string{"a", "1"}, map[string]string{"a": "2"}},
		{"another method", "put().header.set=a=2", []string{"a", "1"}, map[string]string{"a": "1"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var got map[string]string
			h, _ := behind(t, answer(func(c *motan.Call) { got = motantest.Metadata(&c.Request) }), "header", settings(textParams(tt.params)))
			c := arrived(t, call("hello", tt.in...))
			if out := outcomeOf(t, h, c); out != "ok" {
				t.Fatalf("got %s", out)
			}
			delete(got, "M_p")
			delete(got, "M_m")
			if !maps.Equal(got, tt.want) {
				t.Errorf("got %v, want %v", got, tt.want)
			}
		})
	}
	passesFree(t, "header", textParams("header.set=a=2 header.add=M_s=other header.rename=x=y header.remove=z header.replyRemove=x"))
}

func TestHeaderOfReplies(t *testing.T) {
	h, _ := behind(t, answer(func(c *motan.Call) {
		c.Reply.Set("x-internal", "1")
		c.Reply.Set("kept", "2")
	}), "header", settings(textParams("header.replyRemove=x-internal header.replySet=zone=north")))
	c := call("hello")
	defer c.Release()
	motan.Do(h, c)
	if got, want := motantest.Metadata(&c.Reply), (map[string]string{"kept": "2", "zone": "north"}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestHeaderMistakes(t *testing.T) {
	_, err := NewHeader(settings(textParams("header.set=M_p=x header.remove=M_g header.rename=a=M_m header.add=nonsense header.replySet=M_e=x get().header.set==x")))
	for _, key := range []string{"header.set: ", "header.remove: ", "header.rename: ", "header.add: ", "header.replySet: ", "get().header.set: "} {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("got %v, want %s among them", err, key)
		}
	}
}
