package simple

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"
)

func TestTextArgs(t *testing.T) {
	tests := []struct {
		name, signature string
		texts           []string
		hex, fail       string // fail is part of the error
	}{
		{"none", "", nil, "", ""},
		{"strings", "", []string{"5", ""}, "010000000135" + "0100000000", ""},
		{"numbers", "int,double,java.lang.Long", []string{"5", " 1.5", "null"}, "080a" + "0b3ff8000000000000" + "00", ""},
		{"a bool", "boolean", []string{"true"}, "0501", ""},
		{"a string that looks like a number", "java.lang.String", []string{"5"}, "010000000135", ""},
		{"a class", "com.example.User", []string{"{}"}, "01000000027b7d", ""},
		{"bytes", "byte[]", []string{"AQL/"}, "03000000030102ff", ""},
		{"a list", "java.util.List", []string{`["a"]`}, "0400000005" + "0000000161", ""},
		{"a map", "java.util.Map", []string{`{}`}, "1400000000", ""},
		{"void", "void", nil, "", ""},
		{"not UTF-8", "", []string{"a", "\xff"}, "", "$[1] (byte 0): the text is not UTF-8"},
		{"no number", "int", []string{"five"}, "", "$[0]"},
		{"too large", "int,long", []string{"1", "9223372036854775808"}, "", "$[1] (byte 0): the number does not fit long"},
		{"more than a number", "int", []string{"1 2"}, "", "$"},
		{"deeper", "java.util.List", []string{`[1,{"a":}]`}, "", "$[0][1].a"},
		{"empty", "int", []string{""}, "", "$[0] (byte 0): an empty text does not fit int"},
		{"no base64", "byte[]", []string{"?"}, "", "base64"},
		{"too few", "int,int", []string{"1"}, "", `arguments: 1, but the signature "int,int" has 2`},
		{"too many", "int", []string{"1", "2"}, "", "arguments: 2"},
		{"any for void", "void", []string{"1"}, "", "has 0"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			texts := make([][]byte, len(tt.texts))
			for i, text := range tt.texts {
				texts[i] = []byte(text)
			}
			got, err := AppendTextArgs([]byte("x"), texts, []byte(tt.signature))
			if tt.fail == "" {
				if err != nil || hex.EncodeToString(got[1:]) != tt.hex {
					t.Errorf("got %x, %v, want %s", got[1:], err, tt.hex)
				}
				return
			}
			var bad *JSONError
			if !errors.As(err, &bad) || !strings.Contains(err.Error(), tt.fail) || string(got) != "x" {
				t.Errorf("got %q, %v, want an error with %q", got, err, tt.fail)
			}
		})
	}
}
