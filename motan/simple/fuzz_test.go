package simple

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"testing"
)

// FuzzDecode checks, for any bytes, that all readers agree on whether they are valid, that what is written again is read
// again as the same, and that JSON made of them is JSON and stays what it is.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"", "00", "010000000568656c6c6f", "020000000f000000046e616d6500000003726179", "03000000030102ff",
		"040000000b0000000161000000026263", "0501", "06fe", "07ff00", "08feffffffffffffffff01", "09ffffffffffffffffff01",
		"0a3f800000", "0b7ff0000000000000", "140000000801000000016e0802", "150000000a01000000016109020501",
		"140000002401000000016b150000001904000000050000000178020000000a0000000179000000017a",
		"01000000046a61636b082400", "1400000004090205000902", "140000000c010000000724627974657301", "0200000013000000062462797465730000000541513d3d0a",
		"020000001900000005247479706500000005696e7433320000000576616c756500000000", "0b7ff8000000000001", "0a7fc00000",
	} {
		b, err := hex.DecodeString(seed)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Add(nested(MaxDepth, "\x00"))
	f.Add(nested(MaxDepth+1, ""))
	f.Fuzz(func(t *testing.T, b []byte) {
		values, err := DecodeAll(b)
		if bad := Valid(b); (bad == nil) != (err == nil) {
			t.Fatalf("DecodeAll: %v, but Valid: %v", err, bad)
		}
		if err != nil {
			var bad *DecodeError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(b) {
				t.Fatalf("error %v, want a *DecodeError inside the input", err)
			}
			if _, err := (JSONWriter{}).AppendValues(nil, b); err == nil {
				t.Fatal("malformed bytes become JSON")
			}
			return
		}
		again, err := AppendAll(nil, values...)
		if err != nil {
			t.Fatalf("AppendAll: %v", err)
		}
		if len(again) > len(b) {
			t.Fatalf("%x is written longer: %x", b, again)
		}
		values, err = DecodeAll(again)
		if err != nil {
			t.Fatalf("DecodeAll(%x): %v", again, err)
		}
		if third, err := AppendAll(nil, values...); err != nil || !bytes.Equal(third, again) {
			t.Fatalf("%x is not stable: %x, %v", again, third, err)
		}
		for _, w := range []JSONWriter{{}, {Typed: true}} {
			checkPrinted(t, w, again)
		}
	})
}

// checkPrinted prints b, reads that and prints it again.
func checkPrinted(t *testing.T, w JSONWriter, b []byte) {
	t.Helper()
	text, err := w.AppendValues(nil, b)
	if err != nil {
		return
	}
	if !json.Valid(text) {
		t.Fatalf("%x becomes %s, which is no JSON", b, text)
	}
	if len(text) > 16*len(b)+2 || !w.Typed && len(text) > 6*len(b)+2 {
		t.Fatalf("%d bytes become %d, more than documented", len(b), len(text))
	}
	back, err := AppendJSONArgs(nil, text)
	if err != nil {
		t.Fatalf("AppendJSONArgs(%s): %v", text, err)
	}
	if again, err := w.AppendValues(nil, back); err != nil || !bytes.Equal(again, text) {
		t.Fatalf("%s becomes %s, %v", text, again, err)
	}
}

// FuzzJSON checks, for any text, that what is accepted is JSON, becomes valid bytes of the documented size and comes back
// as text that becomes the same bytes.
func FuzzJSON(f *testing.F) {
	for _, seed := range []string{
		``, ` `, `null`, `[true,false]`, `"a\u4e16\ud83d\ude00\n\/"`, `-0.0`, `1e-7`, `9223372036854775807`,
		`{"a":"b"}`, `{"a":1,"b":[]}`, `["a","b"]`, `[[],{}]`, `{"$bytes":"AQL/"}`, `{"$object":{"$bytes":"AQL/"}}`,
		`{"$type":"int32","value":5}`, `{"value":1.5,"$type":"float32"}`, `{"$object":{"$type":"x","value":[{"$bytes":""}]}}`,
		`{"value":99999999999999999999,"$type":"float64"}`, `{"a":{"a":{"a":"a"}},"b":1}`, `{"a":1,"a":2}`, "\"\xff\"", `"\ud83d"`, `[1,]`,
		`{"a":1,"b":2,"c":3,"d":4,"e":5,"f":6,"g":7,"h":8,"i":9,"j":10,"k":11,"l":12,"m":13}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		b, err := AppendJSON(nil, text)
		_, errArgs := AppendJSONArgs(nil, text)
		if err == nil && errArgs != nil {
			t.Fatalf("a value is no body: %v", errArgs)
		}
		if err != nil {
			var bad *JSONError
			if !errors.As(err, &bad) || bad.Offset < 0 || bad.Offset > len(text) || bad.Path == "" || bad.Path[0] != '$' {
				t.Fatalf("error %v, want a *JSONError inside the input", err)
			}
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%q is accepted", text)
		}
		if len(b) > 3*len(text) {
			t.Fatalf("%d bytes become %d, more than documented", len(text), len(b))
		}
		if _, rest, err := Decode(b); err != nil || len(rest) != 0 {
			t.Fatalf("AppendJSON(%s) = %x: rest %x, %v", text, b, rest, err)
		}
		back, err := JSONWriter{Typed: true}.AppendValue(nil, b)
		if err != nil {
			t.Fatalf("AppendValue(%x): %v", b, err)
		}
		if again, err := AppendJSON(nil, back); err != nil || !bytes.Equal(again, b) {
			t.Fatalf("%s comes back as %s, which becomes %x, %v, want %x", text, back, again, err, b)
		}
	})
}
