package simple

import (
	"bytes"
	"encoding/hex"
	"errors"
	"math"
	"strings"
	"testing"
)

type (
	named      string
	namedBool  bool
	namedByte  byte
	namedInt16 int16
	namedInt32 int32
	namedInt   int
	named32    float32
	named64    float64
)

func TestAppend(t *testing.T) {
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"int", 7, "090e"},
		{"negative int", -300, "09d704"},
		{"int32 above 2^30 in five bytes", int32(1 << 30), "088080808008"},
		{"nil bytes", []byte(nil), "0300000000"},
		{"nil map", map[string]string(nil), "0200000000"},
		{"nil Map", Map(nil), "1400000000"},
		{"nil list", []any(nil), "1500000000"},
		{"null inside", []any{nil}, "150000000100"},
		{"map of strings sorted", map[string]string{"b": "2", "a": "1"}, "020000001400000001610000000131" + "00000001620000000132"},
		{"map of any sorted", map[string]any{"b": nil, "a": "x"}, "1400000013" + "010000000161" + "010000000178" + "010000000162" + "00"},
		{"Map of strings stays 14", Map{{"a", "b"}}, "140000000c010000000161010000000162"},
		{"StringMap keeps order", StringMap{{"b", ""}, {"a", ""}}, "0200000012" + "0000000162" + "00000000" + "0000000161" + "00000000"},
		{"map of ints sorted", map[int]bool{2: true, 1: false}, "1400000008" + "09020500" + "09040501"},
		{"map with any keys", map[any]any{"n": int32(1)}, "140000000801000000016e0802"},
		{"ints", []int{1}, "15000000020902"},
		{"int32s", []int32{-1}, "15000000020801"},
		{"lists of strings", [][]string{{"x"}, nil}, "150000000f" + "04000000050000000178" + "0400000000"},
		{"named string", named("a"), "010000000161"},
		{"named strings", []named{"a"}, "04000000050000000161"},
		{"named map", map[named]named{"a": "b"}, "020000000a00000001610000000162"},
		{"named bytes", []namedByte{1, 2}, "03000000020102"},
		{"named bool", namedBool(true), "0501"},
		{"named byte", namedByte(9), "0609"},
		{"named int16", namedInt16(-2), "07fffe"},
		{"named int32", namedInt32(300), "08d804"},
		{"named int", namedInt(7), "090e"},
		{"named float32", named32(1), "0a3f800000"},
		{"named float64", named64(-1.5), "0bbff8000000000000"},
		{"NaN", math.Float64frombits(0x7ff8000000000001), "0b7ff8000000000001"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Append([]byte("x"), tt.v)
			if err != nil {
				t.Fatal(err)
			}
			if hex.EncodeToString(got) != hex.EncodeToString([]byte("x"))+tt.want {
				t.Errorf("got %x, want 78%s", got, tt.want)
			}
			if err := Valid(got[1:]); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestAppendRefuses(t *testing.T) {
	loop := []any{nil}
	loop[0] = loop
	deep := any("x")
	for range MaxDepth + 1 {
		deep = []any{deep}
	}
	tests := []struct {
		name string
		v    any
		msg  string
	}{
		{"int8", int8(1), "int8 has no form"},
		{"uint16", uint16(1), "uint16 has no form"},
		{"uint64", uint64(1), "uint64 has no form"},
		{"struct", struct{}{}, "struct {} has no form"},
		{"pointer", new(string), "*string has no form"},
		{"inside a list", []any{"a", uint(1)}, "uint has no form"},
		{"inside a Map", Map{{"a", uint(1)}}, "uint has no form"},
		{"key of a Map", Map{{uint(1), "a"}}, "uint has no form"},
		{"inside a Go map", map[string]any{"a": uint(1)}, "uint has no form"},
		{"inside a slice", []uint16{1}, "uint16 has no form"},
		{"key of a Go map", map[uint]string{1: "a"}, "uint has no form"},
		{"value of a Go map", map[int]uint{1: 1}, "uint has no form"},
		{"a list that holds itself", loop, "more than 64 containers"},
		{"too deep", deep, "more than 64 containers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Append([]byte("x"), tt.v)
			var bad *EncodeError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.msg) {
				t.Errorf("error %v, want an *EncodeError with %q", err, tt.msg)
			}
			if string(got) != "x" {
				t.Errorf("got %x, want dst as it was", got)
			}
			if got, err := AppendAll([]byte("x"), "good", tt.v); err == nil || string(got) != "x" {
				t.Errorf("AppendAll: %x, %v, want dst as it was and an error", got, err)
			}
		})
	}
}

func TestAppendDepth(t *testing.T) {
	for name, inner := range map[string]any{"nothing": nil, "a named string": named("x"), "bytes": []byte{1}, "named bytes": []namedByte{1}} {
		v := inner
		for range MaxDepth {
			v = []any{v}
		}
		b, err := Append(nil, v)
		if err != nil {
			t.Fatalf("%d lists around %s: %v", MaxDepth, name, err)
		}
		if err := Valid(b); err != nil {
			t.Errorf("%d lists around %s: %v", MaxDepth, name, err)
		}
	}
}

func TestGet(t *testing.T) {
	m := Map{{"a", 1}, {int64(1), "int"}, {[]byte("a"), "bytes"}, {"a", 2}}
	if v, ok := m.Get("a"); !ok || v != 2 {
		t.Errorf("Map.Get of a repeated key: %v, %t, want the last one, 2", v, ok)
	}
	if v, ok := m.Get("b"); ok {
		t.Errorf("Map.Get of an absent key: %v", v)
	}
	s := StringMap{{"a", "1"}, {"b", ""}, {"a", "2"}}
	if v, ok := s.Get("a"); !ok || v != "2" {
		t.Errorf("StringMap.Get of a repeated key: %q, %t, want the last one, 2", v, ok)
	}
	if v, ok := s.Get("b"); !ok || v != "" {
		t.Errorf("StringMap.Get of an empty value: %q, %t, want it to be found", v, ok)
	}
	if _, ok := s.Get("c"); ok {
		t.Error("StringMap.Get finds an absent key")
	}
}

func TestAppendAllocates(t *testing.T) {
	dst := make([]byte, 0, 1024)
	var v any = []any{"text", int64(1 << 40), Map{{"k", StringMap{{"a", "b"}}}}, []string{"x"}, []byte{1}, 1.5, true, nil}
	got := testing.AllocsPerRun(100, func() {
		if out, err := Append(dst, v); err != nil || !bytes.Equal(out[:1], []byte{byte(TagList)}) {
			t.Error("Append fails")
		}
	})
	if got != 0 {
		t.Errorf("%v allocations, want 0", got)
	}
}
