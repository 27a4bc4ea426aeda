package simple

import (
	"errors"
	"fmt"
	"strings"
	"testing"
)

func TestJSONRefused(t *testing.T) {
	long := strings.Repeat("n", 60)
	tests := []struct {
		name, json, path string
		offset           int
		msg              string
	}{
		{"nothing", ``, "$", 0, "a value expected, but the text ends"},
		{"blank", `  `, "$", 2, "a value expected, but the text ends"},
		{"garbage after", `1 2`, "$", 2, `the end of the text expected, not "2"`},
		{"two documents", `{}{}`, "$", 2, "the end of the text"},
		{"byte order mark", "\ufeff1", "$", 0, "a value expected"},
		{"word", `nul`, "$", 0, "a value expected"},
		{"word too long", `truex`, "$", 4, "the end of the text"},
		{"NaN", `NaN`, "$", 0, "a value expected"},
		{"single quotes", `'a'`, "$", 0, "a value expected"},
		{"comment", `[1/*x*/]`, "$", 2, "a comma or ] expected"},
		{"open list", `[1`, "$", 2, "a comma or ] expected, but the text ends"},
		{"list closed wrongly", `[1}`, "$", 2, `a comma or ] expected, not "}"`},
		{"comma at the end of a list", `[1,]`, "$[1]", 3, "a value expected"},
		{"comma at the end of an object", `{"a":1,}`, "$", 7, "a name in quotes expected"},
		{"no name", `{1:2}`, "$", 1, "a name in quotes expected"},
		{"no colon", `{"a" 1}`, "$", 5, "a colon after the name expected"},
		{"no value", `{"a":}`, "$.a", 5, "a value expected"},
		{"open object", `{"a":1`, "$", 6, "a comma or } expected, but the text ends"},
		{"plus", `+1`, "$", 0, "a value expected"},
		{"leading zero", `[01]`, "$[0]", 1, "needless 0"},
		{"minus alone", `-`, "$", 1, "a digit expected"},
		{"point first", `.5`, "$", 0, "a value expected"},
		{"point last", `5.`, "$", 2, "a digit expected, but the text ends"},
		{"no exponent", `1e`, "$", 2, "a digit expected"},
		{"signed nothing", `1e+x`, "$", 3, "a digit expected"},
		{"hexadecimal", `0x1`, "$", 1, "the end of the text"},
		{"integer of 65 bits", `{"id":9223372036854775808}`, "$.id", 6, "does not fit 64 bits"},
		{"negative of 65 bits", `-9223372036854775809`, "$", 0, "does not fit 64 bits"},
		{"integer of 20 digits", `[1,18446744073709551616]`, "$[1]", 3, "does not fit 64 bits"},
		{"infinite", `1e309`, "$", 0, "too large for a float64"},
		{"open string", `["a`, "$[0]", 1, "the string has no end"},
		{"ends in an escape", `"\`, "$", 1, "the string has no end"},
		{"bad escape", `"ab\x"`, "$", 3, `"\\x" is not an escape`},
		{"short \\u", `"\u12"`, "$", 1, "four hexadecimal digits"},
		{"bad \\u", `"\u12g4"`, "$", 1, "four hexadecimal digits"},
		{"lone high surrogate", `"\ud83d"`, "$", 1, "surrogate"},
		{"high surrogate before a letter", `"\ud83da"`, "$", 1, "surrogate"},
		{"high surrogate before another", `"\ud83d\ud83d"`, "$", 1, "surrogate"},
		{"lone low surrogate", `"\ude00"`, "$", 1, "surrogate"},
		{"control character", "\"a\nb\"", "$", 2, "control character 0x0a in a string; write it as \\u000a"},
		{"not UTF-8", "\"abcdefghij\xff\"", "$", 11, "not UTF-8: byte 0xff"},
		{"overlong UTF-8", "\"\xc0\xaf\"", "$", 1, "not UTF-8"},
		{"surrogate in UTF-8", "\"\xed\xa0\x80\"", "$", 1, "not UTF-8"},
		{"cut UTF-8", "\"\xe4\xb8\"", "$", 1, "not UTF-8"},
		{"not UTF-8 in a name", "{\"\xff\":1}", "$", 2, "not UTF-8"},
		{"repeated name", `[{"a":1,"b":2,"a":3}]`, "$[0].a", 14, "occurs twice"},
		{"repeated name by an escape", `{"a":"1","\u0061":"2"}`, "$.a", 9, "occurs twice"},
		{"repeated among many", `{"x":{` + manyNames(40) + `,"n7":0}}`, "$.x.n7", 6 + len(manyNames(40)) + 1, "occurs twice"},
		{"repeated $bytes", `{"$bytes":"","$bytes":""}`, "$.$bytes", 13, "occurs twice"},
		{"path", `[0,{"user":{"ids":[1,2,3,x]}}]`, "$[1].user.ids[3]", 25, "a value expected"},
		{"path with odd names", `{"a b":{"":{"1a":{"q\"":x}}}}`, `$["a b"][""]["1a"]["q\""]`, 24, "a value expected"},
		{"path with a long name", `{"` + long + `":x}`, `$["` + long[:40] + `…"]`, 64, "a value expected"},
		{"path with a long name of wide characters", `{"` + strings.Repeat("界", 20) + `":x}`, `$["` + strings.Repeat("界", 13) + `…"]`, 64, "a value"},
		{"not base64", `{"$bytes":"!"}`, "$.$bytes", 10, "not standard base64"},
		{"base64 without padding", `{"$bytes":"AQ"}`, "$.$bytes", 10, "not standard base64"},
		{"base64 with spare bits", `{"$bytes":"AR=="}`, "$.$bytes", 10, "not standard base64"},
		{"base64 of URLs", `{"$bytes":"__8="}`, "$.$bytes", 10, "not standard base64"},
		{"base64 with a line break", `{"$bytes":"AQ==\n"}`, "$.$bytes", 10, "not standard base64"},
		{"bytes by $type", `{"$type":"bytes","value":"!"}`, "$.value", 25, "not standard base64"},
		{"unknown type", `{"$type":"uint8","value":1}`, "$.$type", 9, `"uint8" is not a type`},
		{"type of another convention", `{"$type":"My.Class, My","value":{}}`, "$.$type", 9, `{"$object":{...}}`},
		{"byte too large", `{"$type":"byte","value":256}`, "$.value", 24, "does not fit $type byte"},
		{"byte below zero", `{"$type":"byte","value":-1}`, "$.value", 24, "does not fit $type byte"},
		{"int16 too small", `{"$type":"int16","value":-32769}`, "$.value", 25, "does not fit $type int16"},
		{"int32 too large", `{"a":[{"$type":"int32","value":2147483648}]}`, "$.a[0].value", 31, "does not fit $type int32"},
		{"int64 too large", `{"$type":"int32","value":92233720368547758080}`, "$.value", 25, "does not fit $type int32"},
		{"wide number beside $type and more", `{"$type":"float64","value":100000000000000000000,"a":1}`, "$.value", 27, "does not fit 64 bits"},
		{"wide number under value", `{"a":{"value":100000000000000000000,"a":1}}`, "$.a.value", 14, "does not fit 64 bits"},
		{"wide number deeper", `{"$type":"float64","value":[100000000000000000000]}`, "$.value[0]", 28, "does not fit 64 bits"},
		{"wide number inside $object", `{"$object":{"$type":"float64","value":100000000000000000000}}`, "$.$object.value", 38, "does not fit"},
		{"two wide numbers", `{"value":100000000000000000000,"value":100000000000000000000}`, "$.value", 9, "does not fit"},
		{"wide number and a fault", `{"value":100000000000000000000,"a":x}`, "$.a", 35, "a value expected"},
		{"integer with a point", `{"$type":"int32","value":1.0}`, "$.value", 25, "does not fit $type int32"},
		{"integer as a string", `{"$type":"int32","value":"1"}`, "$.value", 25, "does not fit $type int32"},
		{"float as null", `{"$type":"float64","value":null}`, "$.value", 27, "does not fit $type float64"},
		{"float32 too large", `{"$type":"float32","value":1e39}`, "$.value", 27, "too large for a float32"},
		{"string as a number", `{"$type":"string","value":1}`, "$.value", 26, "does not fit $type string"},
		{"bytes as a list", `{"$type":"bytes","value":[1]}`, "$.value", 25, "does not fit $type bytes"},
		{"int32 as an object", `{"value":{},"$type":"int32"}`, "$.value", 9, "does not fit $type int32"},
		{"$object of no object", `{"$object":1}`, "$", 1, "the name $object is reserved"},
		{"$object and more", `{"$object":{},"a":1}`, "$", 14, "nothing beside it"},
		{"$object not alone", `{"a":1,"$object":{}}`, "$", 7, "the name $object is reserved"},
		{"fault inside $object", `{"$object":{"a":[x]}}`, "$.$object.a[0]", 17, "a value expected"},
		{"$object not closed", `{"$object":{}`, "$", 13, "a comma or } expected"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendJSON([]byte("x"), []byte(tt.json))
			var bad *JSONError
			if !errors.As(err, &bad) {
				t.Fatalf("AppendJSON(%s) = %x, %v, want a *JSONError", tt.json, got, err)
			}
			if bad.Path != tt.path || bad.Offset != tt.offset || !strings.Contains(bad.Msg, tt.msg) {
				t.Errorf("got %v, want path %s, offset %d and %q", bad, tt.path, tt.offset, tt.msg)
			}
			if string(got) != "x" {
				t.Errorf("got %x, want dst as it was", got)
			}
		})
	}
}

// manyNames returns n members of an object.
func manyNames(n int) string {
	members := make([]string, n)
	for i := range members {
		members[i] = fmt.Sprintf(`"n%d":%d`, i, i)
	}
	return strings.Join(members, ",")
}

func TestJSONArgsRefused(t *testing.T) {
	for body, want := range map[string]string{
		`["a",{"b":x}]`: "simple: json at $[1].b (byte 10): ",
		`{"b":x}`:       "simple: json at $.b (byte 5): ",
		`[1]]`:          "simple: json at $ (byte 3): the end of the text",
		`[1`:            "simple: json at $ (byte 2): ",
		`[,]`:           "simple: json at $[0] (byte 1): ",
	} {
		if got, err := AppendJSONArgs([]byte("x"), []byte(body)); err == nil || !strings.HasPrefix(err.Error(), want) || string(got) != "x" {
			t.Errorf("AppendJSONArgs(%s) = %x, %v, want %s...", body, got, err, want)
		}
	}
}
