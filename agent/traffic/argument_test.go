package traffic

import (
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// request is one with the arguments in a serialization.
func request(t testing.TB, serialization int, body []byte) *motan.Frame {
	t.Helper()
	q := new(motan.Frame)
	q.SetSerialization(serialization)
	q.SetBody(body)
	return q
}

func simpleBody(t testing.TB, arguments ...any) []byte {
	t.Helper()
	body, err := simple.AppendAll(nil, arguments...)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

func TestPlace(t *testing.T) {
	body := simpleBody(
		t, "jack", int32(-18), simple.StringMap{{Key: "uid", Value: "7"}, {Key: "name", Value: "ray"}}, []string{"a", "bc"},
		simple.Map{{Key: int64(1), Value: "no"}, {Key: "user", Value: simple.Map{{Key: "tags", Value: []any{true, nil, 2.5}}}}}, nil,
	)
	text := []byte(`["jack", -18, {"uid":"7","na\u006de":"ray"}, ["a","bc"], {"x":{"user":[1,{"y":2}]}, "user" : {"tags":[true, null, 2.5]}} , null]`)
	tests := []struct {
		place, want string
		ok          bool
	}{
		{"0", "jack", true},
		{"1", "-18", true},
		{"2.uid", "7", true},
		{"2.name", "ray", true},
		{"2.no", "", false},
		{"2", "", false},
		{"3.1", "bc", true},
		{"3.2", "", false},
		{"3.x", "", false},
		{"4.user.tags.0", "true", true},
		{"4.user.tags.1", "", false},
		{"4.user.tags.2", "2.5", true},
		{"4.user.tags", "", false},
		{"4.no", "", false},
		{"0.x", "", false},
		{"5", "", false},
		{"6", "", false},
	}
	for _, tt := range tests {
		p := parsePlace(tt.place)
		for name, q := range map[string]*motan.Frame{"simple": request(t, motan.SerializeSimple, body), "JSON": request(t, motan.SerializeJSON, text)} {
			var room scratch
			if got, ok := p.of(q, &room); string(got) != tt.want || ok != tt.ok {
				t.Errorf("%s, %s: got %q, %t, want %q, %t", name, tt.place, got, ok, tt.want, tt.ok)
			}
		}
	}
	p := parsePlace("0.uid")
	var room scratch
	if got, _ := p.of(request(t, motan.SerializeJSON, []byte(` {"uid":"7"}`)), &room); string(got) != "7" {
		t.Errorf("an argument without a list: got %q, want 7", got)
	}
	if _, ok := p.of(request(t, motan.SerializeHessian2, body), &room); ok {
		t.Error("hessian2: got a value, want none")
	}
	zipped := request(t, motan.SerializeSimple, simpleBody(t, strings.Repeat("a", 1000)))
	if err := zipped.Deflate(10); err != nil {
		t.Fatal(err)
	}
	if _, ok := p.of(zipped, &room); ok {
		t.Error("compressed: got a value, want none")
	}
}

// No body makes the scan fail, run away or allocate.
func FuzzPlace(f *testing.F) {
	f.Add([]byte(`[1,{"a":"\u0041b"},[[[`), "1.a")
	f.Add([]byte(`{"a":{"a":{"a":1}}}`), "0.a.a.a")
	f.Add(simpleBody(f, "x", simple.StringMap{{Key: "a", Value: "b"}}), "1.a")
	f.Add(simpleBody(f, []any{int32(1), simple.Map{{Key: "a", Value: true}}}), "0.1.a")
	f.Fuzz(func(t *testing.T, body []byte, text string) {
		p := parsePlace(text)
		for _, number := range []int{motan.SerializeSimple, motan.SerializeJSON} {
			var room scratch
			p.of(request(t, number, body), &room)
		}
	})
}
