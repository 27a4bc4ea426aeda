package simple

import (
	"bytes"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestSignature(t *testing.T) {
	tests := []struct{ name, signature, json, hex string }{
		{"none", "", ``, ""},
		{"none, an empty list", "", `[]`, ""},
		{"void", "void", ` [ ] `, ""},
		{"int", "int", `[300]`, "08d804"},
		{"int without brackets", "int", `300`, "08d804"},
		{"int, smallest", "int", `[-2147483648]`, "08ffffffff0f"},
		{"Integer", "java.lang.Integer", `[300]`, "08d804"},
		{"Integer, null", "java.lang.Integer", `[null]`, "00"},
		{"long", "long", `[9223372036854775807]`, "09feffffffffffffffff01"},
		{"short and boolean", "short,boolean", `[-1,true]`, "07ffff" + "0501"},
		{"byte with a sign", "byte", `[-128]`, "0680"},
		{"byte without", "java.lang.Byte", `[255]`, "06ff"},
		{"float", "float", `[1]`, "0a3f800000"},
		{"double from an integer", "double", `[1]`, "0b3ff0000000000000"},
		{"double from many digits", "java.lang.Double", `[100000000000000000000]`, "0b4415af1d78b58c40"},
		{"blanks", " int , java.lang.String ", `[ 1 , "a" ]`, "0802" + "010000000161"},
		{"String, null", "java.lang.String", `[null]`, "00"},
		{"bytes from base64", "byte[]", `["AQL/"]`, "03000000030102ff"},
		{"bytes with their name", "byte[]", `[{"$bytes":"AQL/"}]`, "03000000030102ff"},
		{"bytes, as the JVM has it", "[B", `[""]`, "0300000000"},
		{"list", "java.util.List", `[["a"]]`, "0400000005" + "0000000161"},
		{"list of numbers", "java.util.List", `[[1]]`, "1500000002" + "0902"},
		{"typed within a list", "java.util.List", `[[{"$type":"int32","value":1}]]`, "1500000002" + "0802"},
		{"set", "java.util.HashSet", `[[]]`, "1500000000"},
		{"array of objects", "com.example.User[]", `[[{}]]`, "1500000005" + "1400000000"},
		{"strings", "java.lang.String[]", `[["a"]]`, "0400000005" + "0000000161"},
		{"no strings", "java.lang.String[]", `[[]]`, "0400000000"},
		{"map", "java.util.Map", `[{"a":"b"}]`, "020000000a" + "0000000161" + "0000000162"},
		{"empty map", "java.util.Map", `[{}]`, "1400000000"},
		{"list and Integer", "java.lang.Integer,java.util.List", `[5,["a"]]`, "080a" + "0400000005" + "0000000161"},
		{"anything", "java.lang.Object,com.example.User", `[5,{"n":1}]`, "090a" + "1400000008" + "01000000016e" + "0902"},
		{"the same type twice", "int", `[{"$type":"int32","value":5}]`, "080a"},
		{
			"names of this package", "int16,int64,string,bytes,bool,float32,float64,int32", `[1,1,"","",false,1,1,1]`,
			"070001" + "0902" + "0100000000" + "0300000000" + "0500" + "0a3f800000" + "0b3ff0000000000000" + "0802",
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendJSONArgsAs([]byte("x"), []byte(tt.json), []byte(tt.signature))
			if err != nil || hex.EncodeToString(got[1:]) != tt.hex {
				t.Errorf("got %x, %v, want %s", got[1:], err, tt.hex)
			}
		})
	}
}

func TestSignatureRefuses(t *testing.T) {
	tests := []struct{ name, signature, json, path, part string }{
		{"int too large", "int", `[2147483648]`, "$[0]", "the number does not fit int"},
		{"the second", "int,int", `[1,2147483648]`, "$[1]", "does not fit int"},
		{"long too large", "long", `[9223372036854775808]`, "$[0]", "does not fit long"},
		{"without brackets", "long", `9223372036854775808`, "$", "does not fit long"},
		{"short", "short", `[32768]`, "$[0]", "does not fit short"},
		{"byte", "byte", `[256]`, "$[0]", "does not fit byte"},
		{"byte below", "byte", `[-129]`, "$[0]", "does not fit byte"},
		{"float", "float", `[1e39]`, "$[0]", "does not fit float"},
		{"a point", "int", `[1.0]`, "$[0]", "does not fit int"},
		{"a string for a number", "int", `["1"]`, "$[0]", "does not fit int"},
		{"a number for a string", "java.lang.String", `[1]`, "$[0]", "does not fit java.lang.String"},
		{"a number for a bool", "boolean", `[1]`, "$[0]", "does not fit boolean"},
		{"null for a number", "int", `[null]`, "$[0]", "null does not fit int"},
		{"an object for a list", "java.util.List", `[{}]`, "$[0]", "does not fit java.util.List"},
		{"a list for an object", "java.util.Map", `[[]]`, "$[0]", "does not fit java.util.Map"},
		{"a number among strings", "java.lang.String[]", `[["a",1]]`, "$[0]", "does not fit java.lang.String[]"},
		{"another type", "int", `[{"$type":"int64","value":5}]`, "$[0]", "does not fit int"},
		{"no base64", "byte[]", `["?"]`, "$[0]", "base64"},
		{"deeper", "java.util.List", `[[1,{"a":92233720368547758080}]]`, "$[0][1].a", "64 bits"},
		{"too few", "int,int", `[1]`, "$", `arguments: 1, but the signature "int,int" has 2`},
		{"none", "int", ``, "$", "arguments: 0"},
		{"too many", "int", `[1,2]`, "$", "more arguments than the 1"},
		{"any for void", "void", `[1]`, "$", "more arguments than the 0"},
		{"broken", "int", `[1`, "$", "the text ends"},
		{"broken number", "byte", `[-]`, "$[0]", "a digit"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := AppendJSONArgsAs([]byte("x"), []byte(tt.json), []byte(tt.signature))
			var bad *JSONError
			if !errors.As(err, &bad) || bad.Path != tt.path || !strings.Contains(bad.Msg, tt.part) {
				t.Errorf("got %v, want path %s and %q", err, tt.path, tt.part)
			}
			if string(got) != "x" {
				t.Errorf("got %q, want what was there before", got)
			}
		})
	}
}

// TestSignatureAllocates nothing, as arguments without one.
func TestSignatureAllocates(t *testing.T) {
	if raceEnabled {
		t.Skip("measures")
	}
	dst, src, signature := make([]byte, 0, 1000), []byte(`[5,"a",[1,2]]`), []byte("java.lang.Integer,java.lang.String,java.util.List")
	if n := testing.AllocsPerRun(100, func() {
		if _, err := AppendJSONArgsAs(dst, src, signature); err != nil {
			t.Fatal(err)
		}
	}); n > 0 {
		t.Errorf("got %v allocations, want 0", n)
	}
}

// FuzzSignature checks that what was written under a signature is valid, and is what is written without one wherever the
// signature names no type.
func FuzzSignature(f *testing.F) {
	f.Add("int,java.util.List", []byte(`[1,["a"]]`))
	f.Add("byte[],byte,java.lang.Object", []byte(`["AQ==",-1,{"$type":"int32","value":1}]`))
	f.Add("void", []byte(``))
	f.Add(",", []byte(`[1,{"a":[]}]`))
	f.Fuzz(func(t *testing.T, signature string, src []byte) {
		got, err := AppendJSONArgsAs(nil, src, []byte(signature))
		if err != nil {
			var bad *JSONError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(src) {
				t.Fatalf("error %v, want a *JSONError inside the input", err)
			}
			return
		}
		if err := Valid(got); err != nil {
			t.Fatalf("wrote %x: %v", got, err)
		}
		if strings.Trim(signature, ",x") == "" {
			if plain, err := AppendJSONArgs(nil, src); err != nil || !bytes.Equal(plain, got) {
				t.Fatalf("got %x, without the signature %x, %v", got, plain, err)
			}
		}
	})
}
