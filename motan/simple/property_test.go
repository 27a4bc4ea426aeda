package simple

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"strconv"
	"strings"
	"testing"
)

// seeded returns a generator whose seed is printed if the test fails.
func seeded(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("seed %d", seed)
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}

var someTexts = []string{
	"", "a", "$bytes", "$type", "value", "$object", "int32", "AQ==", "世界", "😀", "line\nend", "\x00\x1f\x7f",
	`"quoted" \ `, "a string that is longer than a machine word", "\u2028", "</script>",
}

func randomText(r *rand.Rand) string {
	if r.IntN(3) == 0 {
		return strconv.Itoa(r.IntN(1000))
	}
	return someTexts[r.IntN(len(someTexts))]
}

func randomInt(r *rand.Rand) int64 {
	return int64(r.Uint64()) >> r.IntN(64)
}

func randomFloat(r *rand.Rand) float64 {
	for {
		f := math.Float64frombits(r.Uint64())
		if r.IntN(2) == 0 {
			f = float64(r.IntN(2000)-1000) / 8
		}
		if !math.IsNaN(f) && !math.IsInf(f, 0) {
			return f
		}
	}
}

// randomValue returns a value of the types that Decode returns, at most depth containers deep, that JSON can carry.
func randomValue(r *rand.Rand, depth int) any {
	kinds := 14
	if depth == 0 {
		kinds = 10
	}
	size := r.IntN(4)
	switch r.IntN(kinds) {
	case 0:
		return nil
	case 1:
		return randomText(r)
	case 2:
		return []byte(randomText(r))
	case 3:
		return r.IntN(2) == 0
	case 4:
		return byte(r.Uint32())
	case 5:
		return int16(r.Uint32())
	case 6:
		return int32(r.Uint32()) >> r.IntN(32)
	case 7:
		return randomInt(r)
	case 8:
		for {
			if f := math.Float32frombits(r.Uint32()); !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0) {
				return f
			}
		}
	case 9:
		return randomFloat(r)
	case 10:
		m := StringMap{}
		for _, name := range randomNames(r, size) {
			m = append(m, StringPair{name, randomText(r)})
		}
		return m
	case 11:
		list := []string{}
		for range size {
			list = append(list, randomText(r))
		}
		return list
	case 12:
		m := Map{}
		for _, name := range randomNames(r, size) {
			m = append(m, Pair{name, randomValue(r, depth-1)})
		}
		return m
	default:
		list := []any{}
		for range size {
			list = append(list, randomValue(r, depth-1))
		}
		return list
	}
}

// randomNames returns n different names.
func randomNames(r *rand.Rand, n int) []string {
	var names []string
	seen := map[string]bool{}
	for len(names) < n {
		if name := randomText(r); !seen[name] {
			seen[name] = true
			names = append(names, name)
		}
	}
	return names
}

func TestRandomValues(t *testing.T) {
	r := seeded(t)
	for range 2000 {
		v := randomValue(r, 5)
		b, err := Append(nil, v)
		if err != nil {
			t.Fatalf("Append(%#v): %v", v, err)
		}
		got, rest, err := Decode(b)
		if err != nil || len(rest) != 0 || !reflect.DeepEqual(got, v) {
			t.Fatalf("Decode(%x) = %#v, rest %x, %v, want %#v", b, got, rest, err, v)
		}
		again, err := Append(nil, got)
		if err != nil || !bytes.Equal(again, b) {
			t.Fatalf("Append(Decode(%x)) = %x, %v", b, again, err)
		}
		text := typedJSON(t, b)
		back, err := AppendJSON(nil, text)
		if err != nil {
			t.Fatalf("AppendJSON(%s): %v", text, err)
		}
		returned, _, err := Decode(back)
		if err != nil || !reflect.DeepEqual(loose(returned), loose(v)) {
			t.Fatalf("by way of %s: %#v, %v, want %#v", text, returned, err, v)
		}
	}
}

// typedJSON writes both forms of JSON, checks their size and syntax and returns the typed one.
func typedJSON(t *testing.T, b []byte) []byte {
	t.Helper()
	plain, err := AppendJSONValue(nil, b)
	if err != nil {
		t.Fatalf("AppendJSONValue(%x): %v", b, err)
	}
	typed, err := JSONWriter{Typed: true}.AppendValue(nil, b)
	if err != nil {
		t.Fatalf("typed AppendValue(%x): %v", b, err)
	}
	if !json.Valid(plain) || !json.Valid(typed) {
		t.Fatalf("%x becomes %s and %s, which is no JSON", b, plain, typed)
	}
	if len(plain) > 6*len(b)+4 || len(typed) > 16*len(b)+4 {
		t.Fatalf("%d bytes become %d plain and %d typed, more than documented", len(b), len(plain), len(typed))
	}
	return typed
}

// loose makes equal what JSON does not tell apart: the two kinds of maps and of lists.
func loose(v any) any {
	switch v := v.(type) {
	case StringMap:
		m := Map{}
		for _, p := range v {
			m = append(m, Pair{p.Key, p.Value})
		}
		return m
	case []string:
		list := []any{}
		for _, s := range v {
			list = append(list, s)
		}
		return list
	case Map:
		m := Map{}
		for _, p := range v {
			m = append(m, Pair{p.Key, loose(p.Value)})
		}
		return m
	case []any:
		list := []any{}
		for _, e := range v {
			list = append(list, loose(e))
		}
		return list
	default:
		return v
	}
}

// randomJSON returns a document whose names have none of the "$" shapes.
func randomJSON(r *rand.Rand, depth int) string {
	kinds := 7
	if depth == 0 {
		kinds = 5
	}
	var parts []string
	switch r.IntN(kinds) {
	case 0:
		return []string{"null", "true", "false"}[r.IntN(3)]
	case 1, 2:
		return quoted(randomText(r))
	case 3:
		return strconv.FormatInt(randomInt(r), 10)
	case 4:
		text := strconv.FormatFloat(randomFloat(r), "eg"[r.IntN(2)], -1, 64)
		if !strings.ContainsAny(text, ".e") {
			text += ".0"
		}
		return text
	case 5:
		for _, name := range randomNames(r, r.IntN(4)) {
			parts = append(parts, quoted(strings.ReplaceAll(name, "$", "S"))+" : "+randomJSON(r, depth-1))
		}
		return "{" + strings.Join(parts, " , ") + "}"
	default:
		for range r.IntN(4) {
			parts = append(parts, randomJSON(r, depth-1))
		}
		return "[ " + strings.Join(parts, ",\n") + "]"
	}
}

// quoted is the JSON string of another implementation, with its escapes for HTML.
func quoted(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}

func TestRandomJSON(t *testing.T) {
	r := seeded(t)
	for range 2000 {
		text := randomJSON(r, 5)
		b, err := AppendJSON(nil, []byte(text))
		if err != nil {
			t.Fatalf("AppendJSON(%s): %v", text, err)
		}
		if len(b) > 3*len(text) {
			t.Fatalf("%d bytes of JSON become %d, more than documented", len(text), len(b))
		}
		if err := Valid(b); err != nil {
			t.Fatalf("AppendJSON(%s) = %x: %v", text, b, err)
		}
		back, err := AppendJSONValue(nil, b)
		if err != nil {
			t.Fatalf("AppendJSONValue(%x): %v", b, err)
		}
		if got, want := meaning(t, back), meaning(t, []byte(text)); !reflect.DeepEqual(got, want) {
			t.Fatalf("%s comes back as %s", text, back)
		}
	}
}

// meaning reads JSON by the standard library, with integers and floats told apart and exact.
func meaning(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return exact(t, v)
}

func exact(t *testing.T, v any) any {
	t.Helper()
	switch v := v.(type) {
	case json.Number:
		if !strings.ContainsAny(v.String(), ".eE") {
			return "integer " + v.String()
		}
		f, err := v.Float64()
		if err != nil {
			t.Fatal(err)
		}
		return f
	case map[string]any:
		for k := range v {
			v[k] = exact(t, v[k])
		}
		return v
	case []any:
		for i := range v {
			v[i] = exact(t, v[i])
		}
		return v
	default:
		return v
	}
}

// TestWorstSizes holds the documented bounds for the inputs that come nearest to them.
func TestWorstSizes(t *testing.T) {
	for _, member := range []string{"0e0", `""`, "[]", "{}", "null", "[0e0]", `{"":0e0}`, "0", "[[0e0]]"} {
		text := "[" + member + strings.Repeat(","+member, 2000) + "]"
		if b, err := AppendJSON(nil, []byte(text)); err != nil || len(b) > 3*len(text) {
			t.Errorf("%s: %d bytes become %d (%v), more than documented", member, len(text), len(b), err)
		}
	}
	for _, member := range []any{
		nil, strings.Repeat("\x01", 1000), byte(255), int16(-32768), int32(-64), float32(-9.999999e20), false,
		math.Float32frombits(1), -1.2345678901234567e-300,
		Map{{"$object", nil}},
		StringMap{{"$bytes", ""}},
		[]byte{},
		Map{{int32(-64), byte(200)}},
	} {
		list := []any{}
		for range 2000 {
			list = append(list, member)
		}
		b, err := Append(nil, list)
		if err != nil {
			t.Fatal(err)
		}
		typedJSON(t, b)
	}
}

// TestManyNames makes objects of many names, which are sorted instead of compared, cheap and right.
func TestManyNames(t *testing.T) {
	members := make([]string, 20000)
	for i := range members {
		members[i] = fmt.Sprintf(`"k%d":%d`, i*7919%len(members), i)
	}
	text := "{" + strings.Join(members, ",") + "}"
	b, err := AppendJSON(nil, []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	back, err := AppendJSONValue(nil, b)
	if err != nil || string(back) != text {
		t.Errorf("the object does not come back as it was: %v", err)
	}
	if _, err := AppendJSON(nil, []byte(text[:len(text)-1]+`,"k5":0}`)); err == nil || !strings.Contains(err.Error(), "$.k5") {
		t.Errorf("a name twice among %d: error %v", len(members), err)
	}
}
