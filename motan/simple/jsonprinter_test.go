package simple

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func TestJSONValue(t *testing.T) {
	tests := []struct {
		name string
		v    any
		want string
	}{
		{"integer keys", Map{{int64(-5), "a"}, {byte(1), nil}, {int16(2), nil}, {int32(3), nil}}, `{"-5":"a","1":null,"2":null,"3":null}`},
		{"empty map of strings", StringMap{}, `{}`},
		{"empty list of strings", []string{}, `[]`},
		{"Map of strings", Map{{"a", "b"}}, `{"a":"b"}`},
		{"float32", float32(0.1), `0.1`},
		{"large float32", float32(3e38), `3e+38`},
		{"float64 at the border", 999999999999999900000.0, `999999999999999900000.0`},
		{"nested", []any{Map{{"k", []any{[]string{"x"}, StringMap{{"y", "z"}}}}}}, `[{"k":[["x"],{"y":"z"}]}]`},
		{"quotes and long text", `a "quoted" text that is longer than a word \ end`, `"a \"quoted\" text that is longer than a word \\ end"`},
		{"shape after an integer key", Map{{int64(1), "x"}, {"$object", nil}}, `{"$object":{"1":"x","$object":null}}`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Append(nil, tt.v)
			if err != nil {
				t.Fatal(err)
			}
			got, err := AppendJSONValue(nil, b)
			if err != nil || string(got) != tt.want {
				t.Errorf("got %s, %v, want %s", got, err, tt.want)
			}
		})
	}
	if got, err := AppendJSONValue(nil, nil); err != nil || string(got) != "null" {
		t.Errorf("no bytes: %s, %v, want null", got, err)
	}
}

func TestJSONValueRefused(t *testing.T) {
	many := Map{}
	for i := range 40 {
		many = append(many, Pair{int64(i), nil})
	}
	many = append(many, Pair{"7", nil})
	tests := []struct {
		name   string
		v      any
		path   string
		offset int
		msg    string
	}{
		{"NaN", math.NaN(), "$", 0, "no form for the number NaN"},
		{"infinite", []any{1, math.Inf(-1)}, "$[1]", 7, "no form for the number -Inf"},
		{"float32 infinite", Map{{"f", float32(math.Inf(1))}}, "$.f", 11, "no form for the number +Inf"},
		{"not UTF-8", "abc\xffd", "$", 8, "byte 0xff"},
		{"not UTF-8 in a list", []string{"a", "\x80"}, "$[1]", 14, "not UTF-8"},
		{"not UTF-8 in a map", StringMap{{"k", "\xc3"}}, "$.k", 14, "not UTF-8"},
		{"not UTF-8 in a key", StringMap{{"\xc3", ""}}, "$", 9, "not UTF-8"},
		{"bool key", Map{{true, 1}}, "$", 5, "a key of type bool"},
		{"list as key", []any{Map{{[]any{}, 1}}}, "$[0]", 10, "a key of type list"},
		{"null key", Map{{nil, 1}}, "$", 5, "a key of type null"},
		{"repeated key", StringMap{{"a", ""}, {"a", ""}}, "$.a", 14, "same name"},
		{"same name by two types", Map{{int64(1), nil}, {"1", nil}}, `$["1"]`, 8, "same name"},
		{"same name among many", many, `$["7"]`, 5 + 40*3, "same name"},
		{"same name in a wrapped map", StringMap{{"$object", ""}, {"a b", ""}, {"a b", ""}}, `$["a b"]`, 31, "same name"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := Append(nil, tt.v)
			if err != nil {
				t.Fatal(err)
			}
			got, err := AppendJSONValue([]byte("x"), b)
			var bad *JSONError
			if !errors.As(err, &bad) {
				t.Fatalf("got %s, %v, want a *JSONError", got, err)
			}
			if bad.Path != tt.path || bad.Offset != tt.offset || !strings.Contains(bad.Msg, tt.msg) || bad.Err != nil {
				t.Errorf("got %v (cause %v), want path %s, offset %d and %q, no cause", bad, bad.Err, tt.path, tt.offset, tt.msg)
			}
			if string(got) != "x" {
				t.Errorf("got %s, want dst as it was", got)
			}
		})
	}
}

func TestJSONValueMalformed(t *testing.T) {
	tests := []struct {
		hex, path string
		offset    int
	}{
		{"63", "$", 0},
		{"15000000020009", "$[1]", 7},
		{"0400000003000000", "$[0]", 5},
		{"0400000008000000000000" + "0005", "$[1]", 9},
		{"0200000003000000", "$", 5},
		{"02000000050000000161", "$.a", 10},
		{"140000000901000000016b150000" + "0000", "$.k", 12},
		{"1400000002" + "0163", "$", 6},
		{"1400000006" + "010000000161", "$.a", 11},
	}
	for _, tt := range tests {
		b := unhex(t, tt.hex)
		got, err := AppendJSONValue(nil, b)
		var bad *JSONError
		var cause *DecodeError
		if !errors.As(err, &bad) || !errors.As(err, &cause) {
			t.Errorf("%s: got %s, %v, want a *JSONError of a *DecodeError", tt.hex, got, err)
		} else if bad.Path != tt.path || bad.Offset != tt.offset {
			t.Errorf("%s: %v, want path %s, offset %d", tt.hex, bad, tt.path, tt.offset)
		}
	}
	if got, err := AppendJSONValue(nil, []byte{0, 0}); err == nil || !strings.Contains(err.Error(), "1 bytes follow the value") {
		t.Errorf("two values: %s, %v, want an error", got, err)
	}
	if got, err := (JSONWriter{}).AppendValues([]byte("x"), []byte{0, 9}); err == nil || !strings.Contains(err.Error(), "$[1]") || string(got) != "x" {
		t.Errorf("AppendValues: %s, %v, want an error at $[1]", got, err)
	}
}
