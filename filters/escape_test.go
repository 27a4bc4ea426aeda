package filters

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

// hostile are texts that a caller or a provider may send to look like something else.
var hostile = []string{
	"a|b", "a\nb", "a\r\n2026-11-22T19:31:23.132Z\taccessLog|client-agent", "\x00\x1b[2J", "\x7f", `C:\x`,
	"\xff\xfe", "\u2028\u2029", "\u0085\u009b", "größe 名", `{"a":"b"}`, `","success": true,"x":"`, "\xe2\x80",
	strings.Repeat("|", 3000), strings.Repeat("é", 3000), strings.Repeat("\x01", 5000),
}

func TestColumnsKeepTheirBytes(t *testing.T) {
	tests := []struct{ text, want string }{
		{"", ""},
		{"/a/b%20c?d=e", "/a/b%20c?d=e"},
		{"a|b", `a\x7cb`},
		{`App\Echo`, `App\x5cEcho`},
		{"a\tb\x00", `a\x09b\x00`},
		{"größe 名", "größe 名"},
		{"\xff", `\xff`},
		{"\ufffd", "\ufffd"},
		{"\xe2\x80", `\xe2\x80`},
		{"x\u2028y\u0085", `x\xe2\x80\xa8y\xc2\x85`},
		{strings.Repeat("a", 600), strings.Repeat("a", 512)},
	}
	for _, tt := range tests {
		if got := string(appendColumn(nil, tt.text)); got != tt.want {
			t.Errorf("%q: got %q, want %q", tt.text, got, tt.want)
		}
		if got := string(appendColumn([]byte("x"), []byte(tt.text))); got != "x"+tt.want {
			t.Errorf("%q as bytes: got %q, want %q", tt.text, got, "x"+tt.want)
		}
	}
}

func FuzzEscape(f *testing.F) {
	for _, text := range hostile {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		checkLine(t, string(appendColumn(nil, text))+"\n", 0)
		if bytes.IndexByte(appendColumn(nil, text), '|') >= 0 {
			t.Errorf("%q keeps a |", text)
		}
		quoted := appendText(nil, text, &exceptionPlain)
		var got string
		if err := json.Unmarshal(quoted, &got); err != nil || got != string([]rune(string(text))) {
			t.Errorf("%q became %s, which reads %q, %v", text, quoted, got, err)
		}
	})
}

// Words of eight bytes are judged at once; wherever in a word a byte stands, the outcome is that of each byte by itself.
func TestAppendColumnBytewise(t *testing.T) {
	for length := 1; length <= 20; length++ {
		for at := range length {
			for b := range 256 {
				text := bytes.Repeat([]byte("~ "), 10)[:length]
				text[at] = byte(b)
				want := string(text)
				if !columnPlain[b] {
					want = string(text[:at]) + fmt.Sprintf(`\x%02x`, b) + string(text[at+1:])
				}
				if got := string(appendColumn(nil, text)); got != want {
					t.Fatalf("%q: got %q, want %q", text, got, want)
				}
			}
		}
	}
}
