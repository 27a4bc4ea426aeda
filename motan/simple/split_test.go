package simple

import (
	"bytes"
	"testing"
)

func TestSplit(t *testing.T) {
	tests := []struct {
		name, hex     string
		tag           Tag
		payload, rest string
	}{
		{"null", "0001", TagNull, "", "01"},
		{"string", "01000000026162ff", TagString, "6162", "ff"},
		{"bytes", "030000000109", TagBytes, "09", ""},
		{"map of strings", "020000000a00000001610000000162", TagStringMap, "00000001610000000162", ""},
		{"list of strings", "04000000050000000161", TagStrings, "0000000161", ""},
		{"bool", "050105", TagBool, "01", "05"},
		{"byte", "0605", TagByte, "05", ""},
		{"int16", "07fffe00", TagInt16, "fffe", "00"},
		{"int32", "08d80401", TagInt32, "d804", "01"},
		{"int64", "090e", TagInt64, "0e", ""},
		{"float32", "0a3f80000000", TagFloat32, "3f800000", "00"},
		{"float64", "0b3ff000000000000000", TagFloat64, "3ff0000000000000", "00"},
		{"map", "14000000020000" + "00", TagMap, "0000", "00"},
		{"list, the inside is not looked at", "1500000002ffee" + "00", TagList, "ffee", "00"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := unhex(t, tt.hex)
			tag, payload, rest, err := Split(b)
			if err != nil {
				t.Fatal(err)
			}
			if tag != tt.tag || !bytes.Equal(payload, unhex(t, tt.payload)) || !bytes.Equal(rest, unhex(t, tt.rest)) {
				t.Errorf("got %s %x rest %x, want %s %s rest %s", tag, payload, rest, tt.tag, tt.payload, tt.rest)
			}
			if len(payload) != cap(payload) {
				t.Errorf("payload has %d spare bytes: appending to it would overwrite the rest", cap(payload)-len(payload))
			}
		})
	}
}

func TestSplitText(t *testing.T) {
	b := unhex(t, "0000000161"+"00000000"+"000000026263")
	for _, want := range []string{"a", "", "bc"} {
		text, rest, err := SplitText(b)
		if err != nil || string(text) != want {
			t.Fatalf("got %q, %v, want %q", text, err, want)
		}
		b = rest
	}
	if len(b) != 0 {
		t.Errorf("%x is left", b)
	}
	for _, cut := range []string{"", "000000", "00000001", "ffffffff61"} {
		b := unhex(t, cut)
		if _, rest, err := SplitText(b); err == nil || !bytes.Equal(rest, b) {
			t.Errorf("SplitText(%s): rest %x, error %v, want the input and an error", cut, rest, err)
		}
	}
}

func TestSplitFault(t *testing.T) {
	b := unhex(t, "010000000561")
	if _, payload, rest, err := Split(b); err == nil || payload != nil || !bytes.Equal(rest, b) {
		t.Errorf("got %x rest %x, error %v, want nothing, the input and an error", payload, rest, err)
	}
}

func TestTagString(t *testing.T) {
	for tag, want := range map[Tag]string{TagStringMap: "map of strings", TagInt32: "int32", TagNull: "null", 0x63: "tag 0x63"} {
		if got := tag.String(); got != want {
			t.Errorf("Tag(%d).String() = %q, want %q", byte(tag), got, want)
		}
	}
	seen := map[string]Tag{}
	for tag := range Tag(0x20) {
		if other, twice := seen[tag.String()]; twice {
			t.Errorf("tags %d and %d are both %q", other, tag, tag)
		}
		seen[tag.String()] = tag
	}
}
