package simple

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"testing"
)

// vector is an entry of testdata: bytes written by another implementation and the values that they mean.
type vector struct {
	Name, Origin, Input, Hex string
	Decoded                  []described
}

// described is a value by the name of its type.
type described struct {
	Type  string
	Value json.RawMessage
}

// longInts are Java's ten byte forms of an int32, the only vectors whose encoding is not the shortest.
var longInts = map[string]string{
	"java_int_2^30": "088080808008",
	"java_int_max":  "08feffffff0f",
}

func TestVectors(t *testing.T) {
	files := map[string]int{"motan-go.json": 44, "java.json": 29, "php.json": 15, "bodies.json": 30}
	for file, atLeast := range files {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var vectors []vector
		if err := json.Unmarshal(text, &vectors); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		if len(vectors) < atLeast {
			t.Errorf("%s: got %d vectors, want at least %d", file, len(vectors), atLeast)
		}
		for _, v := range vectors {
			t.Run(file+"/"+v.Name, func(t *testing.T) { testVector(t, v) })
		}
	}
}

func testVector(t *testing.T, v vector) {
	t.Helper()
	b := unhex(t, v.Hex)
	if err := Valid(b); err != nil {
		t.Errorf("Valid: %v", err)
	}
	got, err := DecodeAll(b)
	if err != nil {
		t.Fatalf("DecodeAll(%s): %v", v.Hex, err)
	}
	want := []any{}
	for _, d := range v.Decoded {
		want = append(want, d.build(t))
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("DecodeAll(%s) = %#v, want %#v", v.Hex, got, want)
	}
	again, err := AppendAll(nil, got...)
	if err != nil {
		t.Fatalf("AppendAll(%#v): %v", got, err)
	}
	if long, ok := longInts[v.Name]; ok {
		b = unhex(t, long)
	}
	if !bytes.Equal(again, b) {
		t.Errorf("AppendAll(%#v) = %x, want %x", got, again, b)
	}
}

// build makes the Go value that Decode must return for d.
func (d described) build(t *testing.T) any {
	t.Helper()
	switch d.Type {
	case "null":
		return nil
	case "string":
		return field[string](t, d)
	case "bytes_hex":
		return unhex(t, field[string](t, d))
	case "string[]":
		return append([]string{}, field[[]string](t, d)...)
	case "bool":
		return field[bool](t, d)
	case "byte":
		return field[byte](t, d)
	case "int16":
		return field[int16](t, d)
	case "int32":
		return field[int32](t, d)
	case "int64":
		n, err := strconv.ParseInt(field[string](t, d), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	case "float32":
		return field[float32](t, d)
	case "float64":
		if string(d.Value) == `"+Inf"` {
			return math.Inf(1)
		}
		return field[float64](t, d)
	case "map<string,string>":
		m := StringMap{}
		for _, p := range field[[][2]string](t, d) {
			m = append(m, StringPair{p[0], p[1]})
		}
		return m
	case "map":
		m := Map{}
		for _, p := range field[[][2]described](t, d) {
			m = append(m, Pair{p[0].build(t), p[1].build(t)})
		}
		return m
	case "array":
		list := []any{}
		for _, e := range field[[]described](t, d) {
			list = append(list, e.build(t))
		}
		return list
	}
	t.Fatalf("testdata describes a value of unknown type %q", d.Type)
	return nil
}

func field[T any](t *testing.T, d described) T {
	t.Helper()
	var v T
	if err := json.Unmarshal(d.Value, &v); err != nil {
		t.Fatalf("value of type %s: %v", d.Type, err)
	}
	return v
}

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(s)
	if err != nil {
		t.Fatalf("bad hexadecimal in a test: %v", err)
	}
	return b
}
