package main

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
)

func TestParseArgument(t *testing.T) {
	tests := []struct {
		word string
		want any
	}{
		{`null`, nil},
		{`true`, true},
		{`12`, int64(12)},
		{`-9223372036854775808`, int64(math.MinInt64)},
		{`18446744073709551615`, 18446744073709551615.0},
		{`1.5`, 1.5},
		{`""`, ""},
		{`"a:b"`, "a:b"},
		{`["a","b"]`, []string{"a", "b"}},
		{`[]`, []string{}},
		{`[1,"a",null]`, []any{int64(1), "a", nil}},
		{`[["a"],[1]]`, []any{[]string{"a"}, []any{int64(1)}}},
		{`{"a":"b"}`, map[string]string{"a": "b"}},
		{`{"a":{"b":1}}`, map[string]any{"a": map[string]any{"b": int64(1)}}},
		{`string:12`, "12"},
		{`string:`, ""},
		{`bytes:AAH/`, []byte{0, 1, 255}},
		{`byte:255`, byte(255)},
		{`int16:-32768`, int16(math.MinInt16)},
		{`int32:-1`, int32(-1)},
		{`int64:1`, int64(1)},
		{`float32:1.5`, float32(1.5)},
		{`float64:2`, 2.0},
	}
	for _, tt := range tests {
		t.Run(tt.word, func(t *testing.T) {
			got, err := parseArgument(tt.word)
			if err != nil {
				t.Fatalf("parseArgument(%q): %v", tt.word, err)
			}
			if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("parseArgument(%q) = %#v, want %#v", tt.word, got, tt.want)
			}
		})
	}
}

func TestParseArgumentRefuses(t *testing.T) {
	for _, word := range []string{``, `text`, `unknown:1`, `1 2`, `{"a":}`, `byte:256`, `int16:x`, `bytes:*`, `1e999`} {
		t.Run(word, func(t *testing.T) {
			if got, err := parseArgument(word); err == nil {
				t.Errorf("parseArgument(%q) = %#v, want an error", word, got)
			}
		})
	}
}

func TestPrintable(t *testing.T) {
	tests := []struct {
		name  string
		value any
		want  string
	}{
		{"keys become text", map[any]any{int64(1): []any{[]byte{1}}}, `{"1":["AQ=="]}`},
		{"no JSON number", []any{math.Inf(1), math.NaN(), float32(0.5)}, `["+Inf","NaN",0.5]`},
		{"exact integer", int64(math.MaxInt64), `9223372036854775807`},
		{"map of strings", map[string]string{"a": "b"}, `{"a":"b"}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := json.Marshal(printable(tt.value))
			if err != nil {
				t.Fatalf("marshal: %v", err)
			}
			if string(got) != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}
