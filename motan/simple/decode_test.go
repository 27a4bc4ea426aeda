package simple

import (
	"bytes"
	"encoding/binary"
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	tests := []struct {
		name, hex string
		want      any
		rest      string
	}{
		{"null, rest kept", "000509", nil, "0509"},
		{"invalid UTF-8 is kept", "0100000001ff", "\xff", ""},
		{"duplicate keys kept", "020000001400000001610000000131000000016100000001" + "32", StringMap{{"a", "1"}, {"a", "2"}}, ""},
		{"map key of any type", "14000000071500000000" + "0902", Map{{[]any{}, int64(1)}}, ""},
		{"int32 of 10 bytes", "0880808080f8ffffffff01", int32(1 << 30), ""},
		{"int32 with bits above 32", "08808080808010", int32(0), ""},
		{"int64 longer than needed", "098280808000", int64(1), ""},
		{"NaN keeps its bits", "0b7ff8000000000000", nil, ""},
		{"byte", "06ff", byte(255), ""},
		{"empty map of strings", "0200000000", StringMap{}, ""},
		{"empty bytes", "0300000000", []byte{}, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, rest, err := Decode(unhex(t, tt.hex))
			if err != nil {
				t.Fatal(err)
			}
			if f, ok := got.(float64); ok && tt.want == nil {
				if !math.IsNaN(f) {
					t.Errorf("got %v, want NaN", f)
				}
			} else if !reflect.DeepEqual(got, tt.want) {
				t.Errorf("got %#v, want %#v", got, tt.want)
			}
			if !bytes.Equal(rest, unhex(t, tt.rest)) {
				t.Errorf("rest %x, want %s", rest, tt.rest)
			}
		})
	}
}

func TestDecodeSharesNoMemory(t *testing.T) {
	b := unhex(t, "150000000f"+"0100000001"+"61"+"0300000004"+"01020304")
	v, _, err := Decode(b)
	if err != nil {
		t.Fatal(err)
	}
	clear(b)
	if want := []any{"a", []byte{1, 2, 3, 4}}; !reflect.DeepEqual(v, want) {
		t.Errorf("after the buffer was cleared: %#v, want %#v", v, want)
	}
}

func TestMalformed(t *testing.T) {
	tests := []struct {
		name, hex string
		offset    int
		msg       string
	}{
		{"unknown tag", "0c", 0, "0x0c is not a tag"},
		{"bool of neither 0 nor 1", "0563", 1, "bool is 0x63"},
		{"second value", "000099", 2, "0x99"},
		{"no length", "01000000", 1, "3 are left"},
		{"string too long", "010000000261", 1, "a length of 2, but 1 bytes are left"},
		{"length of 4 GiB", "03ffffffff", 1, "a length of 4294967295"},
		{"bool without its byte", "05", 1, "bool of 1 bytes, but 0 are left"},
		{"int16 cut", "0701", 1, "int16 of 2"},
		{"float32 cut", "0a3f8000", 1, "float32 of 4"},
		{"float64 cut", "0b3f800000000000", 1, "float64 of 8"},
		{"varint cut", "0980", 1, "int64 is cut off"},
		{"varint of 65 bits", "09ffffffffffffffffff02", 1, "longer than 64 bits"},
		{"varint of 11 bytes", "08ffffffffffffffffff8001", 1, "longer than 64 bits"},
		{"container longer than the rest", "1500000002" + "00", 1, "a length of 2"},
		{"string crosses its list", "1500000006" + "0100000002" + "61" + "00", 6, "a length of 2, but 1 bytes are left"},
		{"text crosses its list", "0400000005" + "00000002" + "61" + "00", 5, "a length of 2, but 1 bytes are left"},
		{"varint crosses its list", "1500000002" + "0980" + "00", 6, "cut off"},
		{"key without value", "1400000002" + "0902", 7, "the last key of a map has no value"},
		{"string key without value", "0200000005" + "0000000161", 10, "the last key of a map of strings has no value"},
		{"fault in a key", "1400000009" + "1500000002" + "0563" + "0902", 11, "bool is 0x63"},
		{"fault in a value", "1400000008" + "00" + "1500000002" + "0563", 12, "bool is 0x63"},
		{"unknown tag in a map", "1400000002" + "00ff", 6, "0xff is not a tag"},
		{"key cut in a map of strings", "0200000003" + "000000", 5, "3 are left"},
		{"inner fault", "1500000007" + "00" + "1500000001" + "07", 12, "int16 of 2 bytes, but 0 are left"},
		{"missing length in a list of strings", "0400000002" + "0000", 5, "2 are left"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			_, errDecode := DecodeAll(b)
			for name, err := range map[string]error{"DecodeAll": errDecode, "Valid": Valid(b)} {
				var bad *DecodeError
				if !errors.As(err, &bad) {
					t.Fatalf("%s(%s): error %v, want a *DecodeError", name, tt.hex, err)
				}
				if bad.Offset != tt.offset || !strings.Contains(bad.Error(), tt.msg) {
					t.Errorf("%s(%s): %v, want offset %d and %q", name, tt.hex, bad, tt.offset, tt.msg)
				}
			}
		})
	}
}

func TestDecodeNothing(t *testing.T) {
	if _, _, err := Decode(nil); err == nil {
		t.Error("Decode(nil) has no error")
	}
	if values, err := DecodeAll(nil); err != nil || len(values) != 0 {
		t.Errorf("DecodeAll(nil) = %v, %v, want no values", values, err)
	}
	b := []byte{9, 0x80}
	if _, rest, err := Decode(b); err == nil || !bytes.Equal(rest, b) {
		t.Errorf("Decode of a fault: rest %x, error %v, want the input and an error", rest, err)
	}
}

// nested returns the bytes of depth lists inside each other, the innermost with the bytes inside.
func nested(depth int, inside string) []byte {
	b := []byte(inside)
	for range depth {
		b = append(binary.BigEndian.AppendUint32([]byte{byte(TagList)}, uint32(len(b))), b...)
	}
	return b
}

func TestDepth(t *testing.T) {
	for depth, ok := range map[int]bool{1: true, MaxDepth: true, MaxDepth + 1: false, 20000: false} {
		b := nested(depth, "\x00")
		_, _, errDecode := Decode(b)
		_, errJSON := AppendJSONValue(nil, b)
		for name, err := range map[string]error{"Decode": errDecode, "Valid": Valid(b), "AppendJSONValue": errJSON} {
			if (err == nil) != ok {
				t.Errorf("%s at depth %d: error %v, want success %t", name, depth, err, ok)
			}
			var bad *DecodeError
			if err != nil && (!errors.As(err, &bad) || bad.Offset != 5*MaxDepth) {
				t.Errorf("%s at depth %d: error %v, want a *DecodeError at %d", name, depth, err, 5*MaxDepth)
			}
		}
	}
}

// TestDecodeMemory holds the bound of Decode's comment for the worst inputs.
func TestDecodeMemory(t *testing.T) {
	inputs := map[string][]byte{
		"nulls":         nested(1, strings.Repeat("\x00", 60000)),
		"empty lists":   nested(1, strings.Repeat("\x15\x00\x00\x00\x00", 12000)),
		"short strings": nested(1, strings.Repeat("\x01\x00\x00\x00\x01a", 10000)),
		"pairs":         append([]byte{byte(TagMap), 0, 0, 0xea, 0x60}, make([]byte, 60000)...),
		"empty texts":   append([]byte{byte(TagStrings), 0, 0, 0xea, 0x60}, make([]byte, 60000)...),
		"empty keys":    append([]byte{byte(TagStringMap), 0, 0, 0xea, 0x60}, make([]byte, 60000)...),
	}
	for name, b := range inputs {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		v, _, err := Decode(b)
		runtime.ReadMemStats(&after)
		if err != nil || v == nil {
			t.Fatalf("%s: %v, %v", name, v, err)
		}
		if got, most := after.TotalAlloc-before.TotalAlloc, uint64(17*len(b)); got > most {
			t.Errorf("%s: %d bytes for an input of %d, want at most %d", name, got, len(b), most)
		}
	}
}
