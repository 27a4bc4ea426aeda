package httpbridge

import (
	"encoding/json"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

func TestShape(t *testing.T) {
	for _, tt := range []struct{ args, typed, plain string }{
		{`[]`, `[]`, `[]`},
		{`["secret",7,1.25,true,null]`, `["text",1,1.5,true,null]`, `["text",1,1.5,true,null]`},
		{`[{"$type":"int32","value":7},{"$bytes":"AQI="}]`, `[{"$type":"int32","value":1},{"$bytes":"AA=="}]`, `[1,{"$bytes":"AA=="}]`},
		{`[["a","b"],[1,"x"],[]]`, `[["text"],[1],[]]`, `[["text"],[1],[]]`},
		{`[{"name":"x"},{"n":1,"o":{"p":[]}}]`, `[{"name":"text"},{"n":1,"o":{"p":[]}}]`, `[{"name":"text"},{"n":1,"o":{"p":[]}}]`},
		{`[{"u12345":1,"jane@example.com":2,"a b":3,"ok":4}]`, `[{"ok":1}]`, `[{"ok":1}]`},
		{`[[[[[["deep"]]]]]]`, `[[[[[[]]]]]]`, `[[[[[[]]]]]]`},
		{`[1,2,3,4,5,6,7,8,9,10]`, `[1,1,1,1,1,1,1,1]`, `[1,1,1,1,1,1,1,1]`},
	} {
		body, err := simple.AppendJSONArgs(nil, []byte(tt.args))
		if err != nil {
			t.Fatal(err)
		}
		if typed, plain := shapeOfAll(body, true), shapeOfAll(body, false); typed != tt.typed || plain != tt.plain {
			t.Errorf("%s: got %s and %s, want %s and %s", tt.args, typed, plain, tt.typed, tt.plain)
		}
	}
	for name, body := range map[string][]byte{"broken": {1, 0}, "another serialization": {0xff}} {
		if got := shapeOf(body); got != "" {
			t.Errorf("%s: got %s, want nothing", name, got)
		}
	}
	if got := shapeOf(nil); got != "null" {
		t.Errorf("no value: got %s, want null", got)
	}
}

// FuzzShape checks that a shape is JSON whatever was in the call.
func FuzzShape(f *testing.F) {
	f.Add(must(f, "a", int64(1), []any{simple.Map{{Key: "a", Value: int32(1)}, {Key: int64(1), Value: nil}}}, simple.StringMap{{Key: "k", Value: "v"}}))
	f.Add([]byte{20, 0, 0, 0, 2, 0, 0})
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, typed := range []bool{true, false} {
			if got := shapeOfAll(body, typed); !json.Valid([]byte(got)) || len(got) > shapeBytes {
				t.Fatalf("%x: got %s", body, got)
			}
		}
		if got := shapeOf(body); got != "" && !json.Valid([]byte(got)) {
			t.Fatalf("%x: got %s", body, got)
		}
	})
}

// TestLearnedIsBounded checks that calls of ever new methods cost no memory without end.
func TestLearnedIsBounded(t *testing.T) {
	s := &Server{}
	s.once.Do(s.setup)
	c := motan.NewCall()
	defer c.Release()
	c.Request.Set("M_p", "s")
	for i := range 3 * learnedMethods {
		c.Request.Set("M_m", "m"+strconv.Itoa(i))
		s.learned.note(c, nil)
	}
	if n := len(s.learned.of("s")); n > learnedMethods || n < learnedMethods/2 {
		t.Errorf("got %d methods, want at most %d", n, learnedMethods)
	}
	c.Request.Set("M_m", "m0")
	if n := testing.AllocsPerRun(100, func() { s.learned.note(c, nil) }); n > 0 {
		t.Errorf("a method that is known costs %v allocations, want 0", n)
	}
	c.Request.Set("M_m", strings.Repeat("new", 10))
	if n := testing.AllocsPerRun(100, func() { s.learned.note(c, nil) }); n > 1 && !raceEnabled {
		t.Errorf("one more costs %v allocations, want 0", n)
	}
}
