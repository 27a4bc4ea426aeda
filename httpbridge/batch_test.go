package httpbridge

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// inBatch answers what the service of a test is to answer by its method.
func inBatch(c *motan.Call) {
	switch string(c.Request.Method()) {
	case "fail":
		c.Fail(motan.Errorf(motan.KindNoEndpoint, motan.CodeNoEndpoints, "no endpoint"))
	case "exception":
		c.Reply.SetException(motan.Exception{Code: 30001, Message: "biz", Type: motan.TypeBiz})
		c.End()
	case "metadata":
		f := &c.Request
		reply(strings.Join([]string{string(f.Group()), string(f.Version()), string(f.Get("M_tmo")), string(f.Get("k")), string(f.MethodDesc())}, " "))(c)
	case "nan":
		c.Reply.SetSerialization(motan.SerializeSimple)
		c.Reply.SetBody([]byte{byte(simple.TagFloat64), 0x7f, 0xf8, 0, 0, 0, 0, 0, 1})
		c.End()
	default:
		echo(c)
	}
}

func TestBatch(t *testing.T) {
	tests := []struct{ name, body, want string }{
		{"none", ` [ ] `, `[]`},
		{
			"two", `[{"service":"s","method":"m","args":["a"],"id":1},{"service":"s","method":"m","args":[2],"id":"b"}]`,
			`[{"id":1,"status":200,"value":"a"},{"id":"b","status":200,"value":2}]`,
		},
		{
			"a failing one among others", `[{"service":"s","method":"fail"},{"service":"s","method":"exception"},{"service":"s","method":"m","args":5}]`,
			`[{"status":503,"error":{"errcode":1001,"errmsg":"no endpoint","errtype":1}},{"status":500,"error":{"errcode":30001,"errmsg":"biz","errtype":2}},{"status":200,"value":5}]`,
		},
		{"no argument", `[{"service":"s","method":"m"}]`, `[{"status":200,"value":null}]`},
		{
			"everything", `[{"service":"s","method":"metadata","group":"g","version":"2.0","timeout":50,"metadata":{"k":"v"},"signature":"int","args":[1]}]`,
			`[{"status":200,"value":"g 2.0 50 v int"}]`,
		},
		{"headers hold for all", `[{"service":"s","method":"metadata"}]`, `[{"status":200,"value":"header  300  "}]`},
		{
			"out of range", `[{"service":"s","method":"m","signature":"int","args":[2147483648]}]`,
			`[{"status":400,"error":{"errcode":400,"errmsg":"args: simple: json at $[0] (byte 1): the number does not fit int","errtype":1}}]`,
		},
		{"no service", `[{"method":"m"}]`, `[{"status":400,"error":{"errcode":400,"errmsg":"service: the name is empty","errtype":1}}]`},
		{"a newline in a name", `[{"service":"s","method":"m\nM_g\nx"}]`, `[{"status":400,"error":{"errcode":400,"errmsg":"method: control characters are not allowed in a name","errtype":1}}]`},
		{"a newline in the group", `[{"service":"s","method":"m","group":"g\nx"}]`, `[{"status":400,"error":{"errcode":400,"errmsg":"header \"group\": control characters are not allowed","errtype":1}}]`},
		{"reserved metadata", `[{"service":"s","method":"m","metadata":{"host":"x"}}]`, "reserved"},
		{"an answer that is no JSON", `[{"service":"s","method":"nan"},{"service":"s","method":"m","args":[1]}]`, `{"status":200,"value":1}]`},
	}
	l := serve(t, &Server{Handler: motan.HandlerFunc(inBatch)})
	for _, tt := range tests {
		for _, path := range []string{"/rpc", "/rpc/"} {
			t.Run(tt.name+path, func(t *testing.T) {
				got := ask(t, l.Dial, post(path, tt.body, "MOTAN-g: header", "MOTAN-tmo: 300", "X-Request-Id: r"))
				if !json.Valid([]byte(got.body)) || got.status != 200 || got.headers.Get("X-Request-Id") != "r" {
					t.Fatalf("got %d %v %s, want 200 and JSON", got.status, got.headers, got.body)
				}
				if got.body != tt.want+"\n" && (tt.want[0] == '[' || !strings.Contains(got.body, tt.want)) {
					t.Errorf("got %s, want %s", got.body, tt.want)
				}
			})
		}
	}
}

func TestBatchRefused(t *testing.T) {
	one := `{"service":"s","method":"m"}`
	tests := []struct {
		name, raw string
		status    int
		message   string
	}{
		{"no array", post("/rpc", one), 400, "JSON array of calls"},
		{"empty", post("/rpc", ""), 400, "JSON array of calls"},
		{"unknown field", post("/rpc", `[{"servic":"s"}]`), 400, `call 0 of the batch: json: unknown field "servic"`},
		{"no object", post("/rpc", `[`+one+`,1]`), 400, "call 1 of the batch"},
		{"cut off", post("/rpc", `[`+one), 400, "no end"},
		{"two", post("/rpc", `[] []`), 400, "follows"},
		{"too many", post("/rpc", `[`+strings.Repeat(one+",", maxBatch)+one+`]`), 413, "100"},
		{"a form", strings.Replace(post("/rpc", "a=1"), "application/json", typeForm, 1), 415, "application/json"},
		{"a page", post("/rpc", `[]`, "Origin: http://x"), 403, "web pages"},
		{"text", post("/rpc", `[]`, "Accept: text/plain"), 406, "application/json"},
		{"a bomb", post("/rpc", gzipped(t, strings.Repeat(" ", 1<<20)+"[]"), "Content-Encoding: gzip"), 413, ""},
		{"a header", post("/rpc", `[]`, "MOTAN-tmo: x"), 400, "milliseconds"},
	}
	r := record(reply(nil))
	l := serve(t, &Server{Handler: r, MaxBodySize: 1 << 16})
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checkError(t, ask(t, l.Dial, tt.raw), tt.status, tt.message)
			if len(r.got) > 0 {
				t.Errorf("a call was made: %v", r.last(t).meta)
			}
		})
	}
}

// TestBatchAtOnce checks that the calls of a batch do not wait for each other.
func TestBatchAtOnce(t *testing.T) {
	var calls []*motan.Call
	l := serve(t, &Server{Handler: motan.HandlerFunc(func(c *motan.Call) {
		if calls = append(calls, c); len(calls) < 3 {
			return
		}
		for _, c := range calls { // the last first, and none before all have come
			defer reply(string(c.Request.Method()))(c)
		}
	})})
	got := ask(t, l.Dial, post("/rpc", `[{"service":"s","method":"a"},{"service":"s","method":"b"},{"service":"s","method":"c"}]`))
	if want := `[{"status":200,"value":"a"},{"status":200,"value":"b"},{"status":200,"value":"c"}]` + "\n"; got.body != want {
		t.Errorf("got %s, want %s", got.body, want)
	}
}

// TestBatchOfLargeAnswers bounds what the answers take together.
func TestBatchOfLargeAnswers(t *testing.T) {
	s := &Server{Handler: motan.HandlerFunc(reply(strings.Repeat("x", 60<<10))), MaxBodySize: 64 << 10}
	l := serve(t, s)
	got := ask(t, l.Dial, post("/rpc", `[`+strings.Repeat(`{"service":"s","method":"m"},`, 9)+`{"service":"s","method":"m"}]`))
	if fine, refused := strings.Count(got.body, `"status":200`), strings.Count(got.body, "too large together"); !json.Valid([]byte(got.body)) || fine != 4 || refused != 6 {
		t.Errorf("got %d bytes with %d answers and %d refused, want 4 and 6", len(got.body), fine, refused)
	}
	wait(t, "the room to be free", func() bool { return s.BytesHeld() == 0 })
}

// TestBatchLost checks that a call that nobody ends does not take the others along.
func TestBatchLost(t *testing.T) {
	lost := make(chan *motan.Call, 1)
	l := serve(t, &Server{DefaultTimeout: 20e6, Handler: motan.HandlerFunc(func(c *motan.Call) {
		if string(c.Request.Method()) == "lost" {
			lost <- c
			return
		}
		echo(c)
	})})
	got := ask(t, l.Dial, post("/rpc", `[{"service":"s","method":"lost"},{"service":"s","method":"m","args":[1]}]`))
	if !strings.HasPrefix(got.body, `[{"status":504,"error":`) || !strings.HasSuffix(got.body, `{"status":200,"value":1}]`+"\n") {
		t.Errorf("got %s, want 504 and 1", got.body)
	}
	(<-lost).End()
}

// FuzzBatch sends any body and wants JSON back, and an answer for each call.
func FuzzBatch(f *testing.F) {
	f.Add([]byte(`[{"service":"s","method":"m","args":["a"],"id":1}]`))
	f.Add([]byte(`[{"service":"s","method":"fail","metadata":{"a":"b"},"signature":"int"},{}]`))
	f.Add([]byte(`[{"id":{"a":[1]},"args":nul}`))
	l := serve(f, &Server{Handler: motan.HandlerFunc(inBatch)})
	f.Fuzz(func(t *testing.T, body []byte) {
		got := ask(t, l.Dial, post("/rpc", string(body)))
		if !json.Valid([]byte(got.body)) {
			t.Fatalf("%q: got %d %q, want JSON", body, got.status, got.body)
		}
		var answers, calls []json.RawMessage
		if got.status == 200 && (json.Unmarshal([]byte(got.body), &answers) != nil || json.Unmarshal(body, &calls) != nil || len(answers) != len(calls)) {
			t.Fatalf("%q: got %s", body, got.body)
		}
	})
}
