package simple

import "testing"

func TestAppendText(t *testing.T) {
	tests := []struct {
		value any
		want  string
		ok    bool
	}{
		{"hello", "hello", true},
		{[]byte{'a', 'b'}, "ab", true},
		{true, "true", true},
		{byte(0xfe), "254", true},
		{int16(-256), "-256", true},
		{int32(-1 << 31), "-2147483648", true},
		{int64(7), "7", true},
		{float32(3.5), "3.5", true},
		{-1.5, "-1.5", true},
		{nil, "", false},
		{[]string{"a"}, "", false},
	}
	for _, tt := range tests {
		b, err := Append(nil, tt.value)
		if err != nil {
			t.Fatal(err)
		}
		tag, payload, _, err := Split(b)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := AppendText(nil, tag, payload); string(got) != tt.want || ok != tt.ok {
			t.Errorf("%v: got %q, %t, want %q, %t", tt.value, got, ok, tt.want, tt.ok)
		}
	}
}
