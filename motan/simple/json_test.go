package simple

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
)

// TestJSON holds the table of the package comment. Where back is empty the way back gives the same text.
func TestJSON(t *testing.T) {
	tests := []struct{ name, json, hex, back string }{
		{"null", `null`, "00", ""},
		{"true", `true`, "0501", ""},
		{"false", ` false `, "0500", "false"},
		{"string", `"hello"`, "010000000568656c6c6f", ""},
		{"empty string", `""`, "0100000000", ""},
		{"unicode", `"世界é"`, "0100000008e4b896e7958cc3a9", ""},
		{"escapes", `"\"\\\/\b\f\n\r\tA"`, "0100000009225c2f080c0a0d0941", `"\"\\/\u0008\u000c\n\r\tA"`},
		{"surrogate pair", `"\ud83d\uDE00"`, "0100000004f09f9880", `"😀"`},
		{"NUL", `"\u0000"`, "010000000100", ""},
		{"U+FFFD itself", `"�\ufffd"`, "0100000006efbfbdefbfbd", `"��"`},
		{"line separators and HTML stay", "\"\u2028\u2029<&>\"", "0100000009e280a8e280a93c263e", ""},
		{"DEL", "\"\x7f\"", "01000000017f", ""},
		{"zero", `0`, "0900", ""},
		{"minus zero is an integer", `-0`, "0900", "0"},
		{"integer", `-300`, "09d704", ""},
		{"largest", `9223372036854775807`, "09feffffffffffffffff01", ""},
		{"smallest", `-9223372036854775808`, "09ffffffffffffffffff01", ""},
		{"beyond 2^53", `9007199254740993`, "098280808080808020", ""},
		{"float", `1.0`, "0b3ff0000000000000", ""},
		{"float minus zero", `-0.0`, "0b8000000000000000", ""},
		{"exponent", `1e2`, "0b4059000000000000", "100.0"},
		{"large exponent", `1E+21`, "0b444b1ae4d6e2ef50", "1e+21"},
		{"small exponent", `1e-7`, "0b3e7ad7f29abcaf48", "1e-07"},
		{"smallest without exponent", `0.000001`, "0b3eb0c6f7a0b5ed8d", ""},
		{"largest double", `1.7976931348623157e308`, "0b7fefffffffffffff", "1.7976931348623157e+308"},
		{"too small becomes zero", `1e-400`, "0b0000000000000000", "0.0"},
		{"many digits", `0.1000000000000000000000000000000000000000000001`, "0b3fb999999999999a", "0.1"},
		{"empty list", `[]`, "1500000000", ""},
		{"empty object", `{ }`, "1400000000", "{}"},
		{"strings", `["a", "bc"]`, "040000000b0000000161000000026263", `["a","bc"]`},
		{"mixed list", `["a",1,true]`, "150000000a01000000016109020501", ""},
		{"string last", `[null,"a"]`, "150000000700010000000161", ""},
		{"lists", `[["a"],{"b":"c"},[]]`, "150000001e04000000050000000161020000000a000000016200000001631500000000", ""},
		{"map of strings", `{"name":"ray"}`, "020000000f000000046e616d6500000003726179", ""},
		{"map", `{"n":1}`, "140000000801000000016e0902", ""},
		{"map with null", `{"a":"b","c":null}`, "1400000013010000000161010000000162" + "010000000163" + "00", ""},
		{"order kept", `{"b":"","a":""}`, "0200000012" + "000000016200000000000000016100000000", ""},
		{"empty name", `{"":{}}`, "140000000a" + "0100000000" + "1400000000", ""},
		{"bytes", `{"$bytes":"AQL/"}`, "03000000030102ff", ""},
		{"no bytes", `{ "$bytes" : "" }`, "0300000000", `{"$bytes":""}`},
		{"bytes with escaped slash", `{"$bytes":"\/w=="}`, "0300000001ff", `{"$bytes":"/w=="}`},
		{"bytes in a list", `["a",{"$bytes":""}]`, "150000000b" + "010000000161" + "0300000000", ""},
		{"$bytes with another member", `{"$bytes":"!","a":1}`, "1400000019" + "0100000006246279746573" + "010000000121" + "010000000161" + "0902", ""},
		{"$bytes of no string", `{"$bytes":1}`, "140000000d0100000006246279746573" + "0902", ""},
		{"escape", `{"$object":{"$bytes":"!"}}`, "020000000f" + "00000006246279746573" + "0000000121", ""},
		{"needless escape", `{"$object":{"a":1}}`, "1400000008" + "010000000161" + "0902", `{"a":1}`},
		{"escape of the escape", `{"$object":{"$object":1}}`, "140000000e" + "0100000007246f626a656374" + "0902", ""},
		{
			"escape of any object with $object", `{"$object":{"a":"","$object":"x"}}`,
			"0200000019" + "000000016100000000" + "00000007246f626a656374" + "0000000178", "",
		},
		{
			"inside an escape names mean something again", `{"$object":{"a":{"$bytes":""}}}`,
			"140000000b" + "010000000161" + "0300000000", `{"a":{"$bytes":""}}`,
		},
		{
			"$type and more", `{"$type":"x","value":1,"a":2}`,
			"1400000024" + "01000000052474797065" + "010000000178" + "010000000576616c7565" + "0902" + "010000000161" + "0904", "",
		},
		{"$type of no string", `{"$type":1,"value":2}`, "1400000018" + "01000000052474797065" + "0902" + "010000000576616c7565" + "0904", ""},
		{
			"escape of typed", `{"$object":{"$type":"x","value":"y"}}`,
			"020000001c" + "000000052474797065" + "0000000178" + "0000000576616c7565" + "0000000179", "",
		},
		{
			"escape of typed, other order", `{"$object":{"value":1,"$type":"x"}}`,
			"140000001c" + "010000000576616c7565" + "0902" + "01000000052474797065" + "010000000178", "",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := AppendJSON([]byte("x"), []byte(tt.json))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(b); got != "78"+tt.hex {
				t.Fatalf("AppendJSON(%s) = %s, want 78%s", tt.json, got, tt.hex)
			}
			want := tt.back
			if want == "" {
				want = tt.json
			}
			text, err := AppendJSONValue([]byte("x"), b[1:])
			if err != nil {
				t.Fatal(err)
			}
			if string(text) != "x"+want {
				t.Errorf("AppendJSONValue(%s) = %s, want x%s", tt.hex, text, want)
			}
		})
	}
}

// TestTyped holds the forms with $type: read, written with Typed, and written plain.
func TestTyped(t *testing.T) {
	tests := []struct{ json, hex, plain string }{
		{`{"$type":"byte","value":255}`, "06ff", "255"},
		{`{"$type":"int16","value":-32768}`, "078000", "-32768"},
		{`{"$type":"int32","value":2147483647}`, "08feffffff0f", "2147483647"},
		{`{"$type":"float32","value":3.1415}`, "0a40490e56", "3.1415"},
		{`{"$type":"float32","value":16777216.0}`, "0a4b800000", "16777216.0"},
		{`{"$type":"float32","value":1e-45}`, "0a00000001", "1e-45"},
		{`{"$type":"float32","value":0.000001}`, "0a358637bd", "0.000001"},
		{`[{"$type":"byte","value":1},{"$type":"int16","value":1}]`, "1500000005" + "0601" + "070001", "[1,1]"},
		{`{"k":{"$type":"int32","value":1}}`, "1400000008" + "01000000016b" + "0802", `{"k":1}`},
	}
	for _, tt := range tests {
		t.Run(tt.json, func(t *testing.T) {
			b, err := AppendJSON(nil, []byte(tt.json))
			if err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(b); got != tt.hex {
				t.Fatalf("AppendJSON = %s, want %s", got, tt.hex)
			}
			if got, err := (JSONWriter{Typed: true}).AppendValue(nil, b); err != nil || string(got) != tt.json {
				t.Errorf("typed: %s, %v, want %s", got, err, tt.json)
			}
			if got, err := AppendJSONValue(nil, b); err != nil || string(got) != tt.plain {
				t.Errorf("plain: %s, %v, want %s", got, err, tt.plain)
			}
		})
	}
	alike := map[string]string{
		`{"value":5,"$type":"int32"}`:                       "080a",
		` { "$type" : "int64" , "value" : 5 } `:             "090a",
		`{"$type":"float64","value":1}`:                     "0b3ff0000000000000",
		`{"value":100000000000000000000,"$type":"float64"}`: "0b4415af1d78b58c40",
		`{"$type":"float32","value":16777217}`:              "0a4b800000",
		`{"$type":"string","value":"a\u00e9"}`:              "010000000361c3a9",
		`{"$type":"bytes","value":"AQ=="}`:                  "030000000101",
		`{"\u0024type":"\u0062yte","value":1}`:              "0601",
		`{"value":{"$type":"byte","value":1}}`:              "140000000c" + "010000000576616c7565" + "0601",
		`{"a":{"value":1,"$type":"byte"},"b":"c"}`:          "1400000014" + "010000000161" + "0601" + "010000000162" + "010000000163",
		`{"$object":{"$object":{"$bytes":"AQ=="}}}`:         "1400000012" + "0100000007246f626a656374" + "030000000101",
	}
	for text, want := range alike {
		if b, err := AppendJSON(nil, []byte(text)); err != nil || hex.EncodeToString(b) != want {
			t.Errorf("AppendJSON(%s) = %x, %v, want %s", text, b, err, want)
		}
	}
}

func TestJSONArgs(t *testing.T) {
	tests := []struct{ body, hex, back string }{
		{``, "", "[]"},
		{" \r\n\t", "", "[]"},
		{`[]`, "", "[]"},
		{`null`, "00", "[null]"},
		{`[null]`, "00", "[null]"},
		{`"jack"`, "01000000046a61636b", `["jack"]`},
		{`{"n":1}`, "140000000801000000016e0902", `[{"n":1}]`},
		{` [ "jack" , 18 , ["a"] , null ] `, "01000000046a61636b" + "0924" + "04000000050000000161" + "00", `["jack",18,["a"],null]`},
		{`["a","b"]`, "010000000161010000000162", `["a","b"]`},
		{`[["a","b"]]`, "040000000a00000001610000000162", `[["a","b"]]`},
		{`[[]]`, "1500000000", `[[]]`},
	}
	for _, tt := range tests {
		b, err := AppendJSONArgs([]byte("x"), []byte(tt.body))
		if err != nil || hex.EncodeToString(b) != "78"+tt.hex {
			t.Errorf("AppendJSONArgs(%q) = %x, %v, want 78%s", tt.body, b, err, tt.hex)
			continue
		}
		if back, err := (JSONWriter{}).AppendValues([]byte("x"), b[1:]); err != nil || string(back) != "x"+tt.back {
			t.Errorf("AppendValues(%s) = %s, %v, want x%s", tt.hex, back, err, tt.back)
		}
	}
}

func TestJSONDepth(t *testing.T) {
	lists := func(n int, inner string) string { return strings.Repeat("[", n) + inner + strings.Repeat("]", n) }
	objects := func(n int, inner string) string { return strings.Repeat(`{"a":`, n) + inner + strings.Repeat("}", n) }
	escaped := strings.Repeat(`{"$object":{"$object":`, MaxDepth) + "1" + strings.Repeat("}}", MaxDepth)
	tests := []struct {
		name, json string
		ok         bool
	}{
		{"lists", lists(MaxDepth, "1"), true},
		{"lists too deep", lists(MaxDepth+1, ""), false},
		{"objects", objects(MaxDepth, `"x"`), true},
		{"objects too deep", objects(MaxDepth+1, `1`), false},
		{"bytes at the bottom", lists(MaxDepth, `{"$bytes":""}`), true},
		{"typed at the bottom", objects(MaxDepth, `{"$type":"byte","value":1}`), true},
		{"list instead of a typed value", objects(MaxDepth, `{"$type":"byte","value":[]}`), false},
		{"escaped at the bottom", lists(MaxDepth-1, `{"$object":{"$bytes":""}}`), true},
		{"escaped too deep", lists(MaxDepth, `{"$object":{"$bytes":""}}`), false},
		{"all escaped", escaped, true},
		{"hostile lists", strings.Repeat("[", 1<<20), false},
		{"hostile objects", strings.Repeat(`{"a":`, 1<<20), false},
		{"hostile escapes", strings.Repeat(`{"$object":`, 1<<20), false},
		{"hostile escapes of escapes", strings.Repeat(`{"$object":{"$object":`, 1<<19), false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b, err := AppendJSON(nil, []byte(tt.json))
			if (err == nil) != tt.ok {
				t.Fatalf("error %v, want success %t", err, tt.ok)
			}
			if !tt.ok {
				return
			}
			if err := Valid(b); err != nil {
				t.Errorf("the bytes are not valid: %v", err)
			}
			if back, err := (JSONWriter{Typed: true}).AppendValue(nil, b); err != nil || string(back) != tt.json {
				t.Errorf("back: %s, %v, want %s", back, err, tt.json)
			}
		})
	}
	args := "[" + lists(MaxDepth, "1") + "]"
	if _, err := AppendJSONArgs(nil, []byte(args)); err != nil {
		t.Errorf("an argument may be as deep as a document: %v", err)
	}
}

func TestPlainText(t *testing.T) {
	for c := range 256 {
		special := c < ' ' || c == '"' || c == '\\' || c >= 0x80
		for at := range 17 {
			s := bytes.Repeat([]byte{'a'}, 17)
			s[at] = byte(c)
			want := len(s)
			if special {
				want = at
			}
			if got := plainText(s); got != want {
				t.Fatalf("plainText with 0x%02x at %d = %d, want %d", c, at, got, want)
			}
		}
	}
}

func TestJSONAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("under the race detector a sync.Pool drops objects at random")
	}
	const text = `[{"id":9007199254740993,"name":"\u4e16界","tags":["a","b"],"score":0.25,"data":{"$bytes":"AQL/"},` +
		`"w":{"$type":"int32","value":7},"o":{"$object":{"$bytes":"x"}},"m":{"a":"b"}},true,null,[]]`
	src, dst := []byte(text), make([]byte, 0, 4096)
	b, err := AppendJSONArgs(nil, src)
	if err != nil {
		t.Fatal(err)
	}
	runs := map[string]func() ([]byte, error){
		"AppendJSON":     func() ([]byte, error) { return AppendJSON(dst, src) },
		"AppendJSONArgs": func() ([]byte, error) { return AppendJSONArgs(dst, src) },
		"AppendValues":   func() ([]byte, error) { return JSONWriter{Typed: true}.AppendValues(dst, b) },
		"Valid":          func() ([]byte, error) { return nil, Valid(b) },
	}
	for name, run := range runs {
		got := testing.AllocsPerRun(100, func() {
			if _, err := run(); err != nil {
				t.Error(err)
			}
		})
		if got != 0 {
			t.Errorf("%s: %v allocations, want 0", name, got)
		}
	}
}
