package simple

import (
	"strings"
	"testing"
)

// The body of a usual call, and a large one of text.
var benchBodies = map[string]string{
	"call": `["jack",{"id":9007199254740993,"name":"Jack Miller","vip":true,"score":0.25,"tags":["new","mobile"],` +
		`"address":{"city":"北京","street":"中关村大街1号"}},[1,2,3]]`,
	"text": `["` + strings.Repeat("a text of some length, ", 400) + `"]`,
}

// benchmark runs f for each body; f gets the JSON text and its simple bytes.
func benchmark(b *testing.B, f func(dst, text, simple []byte) error) {
	b.Helper()
	for _, name := range []string{"call", "text"} {
		b.Run(name, func(b *testing.B) {
			text := []byte(benchBodies[name])
			simple, err := AppendJSONArgs(nil, text)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]byte, 0, 4*len(text))
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				if err := f(dst, text, simple); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppendJSONArgs(b *testing.B) {
	benchmark(b, func(dst, text, _ []byte) error {
		_, err := AppendJSONArgs(dst, text)
		return err
	})
}

func BenchmarkAppendValues(b *testing.B) {
	benchmark(b, func(dst, _, simple []byte) error {
		_, err := JSONWriter{}.AppendValues(dst, simple)
		return err
	})
}

func BenchmarkDecodeAll(b *testing.B) {
	benchmark(b, func(_, _, simple []byte) error {
		_, err := DecodeAll(simple)
		return err
	})
}

func BenchmarkValid(b *testing.B) {
	benchmark(b, func(_, _, simple []byte) error { return Valid(simple) })
}

func BenchmarkAppendAll(b *testing.B) {
	for _, name := range []string{"call", "text"} {
		b.Run(name, func(b *testing.B) {
			simple, err := AppendJSONArgs(nil, []byte(benchBodies[name]))
			if err != nil {
				b.Fatal(err)
			}
			values, err := DecodeAll(simple)
			if err != nil {
				b.Fatal(err)
			}
			dst := make([]byte, 0, 2*len(simple))
			b.SetBytes(int64(len(simple)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := AppendAll(dst, values...); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
