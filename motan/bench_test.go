package motan_test

import (
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// wire is a frame as a small caller or provider sends it.
func wire(typ byte, pairs ...string) []byte {
	f := motantest.Request("com.example.bench.EchoService", "echo", make([]byte, 128), pairs...)
	return f.AppendTo(nil, 12345, typ)
}

// BenchmarkScan reads a request: a copy and the index of its metadata.
func BenchmarkScan(b *testing.B) {
	for _, tt := range []struct {
		name  string
		pairs []string
	}{
		{"few keys", []string{"M_g", "bench", "M_pp", "motan2", "M_s", "bench"}},
		{"many keys", []string{
			"M_g", "bench", "M_pp", "motan2", "M_s", "bench", "M_md", "java.lang.String,java.lang.Object", "M_v", "1.0", "M_rid", "1600000000123456789",
			"host", "10.11.12.13", "trace-id", "0af7651916cd43dd8448eb211c80319c", "span-id", "b7ad6b7169203331", "custom", "a value of somebody else",
		}},
	} {
		b.Run(tt.name, func(b *testing.B) {
			data := wire(0, tt.pairs...)
			var f motan.Frame
			b.ReportAllocs()
			for b.Loop() {
				if _, err := f.Decode(data, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkRewriteRequest reads a request, completes its metadata as an agent does, and writes it.
func BenchmarkRewriteRequest(b *testing.B) {
	data := wire(0, "M_g", "bench", "M_pp", "motan2", "M_s", "bench")
	out := make([]byte, 0, 4096)
	var f motan.Frame
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Decode(data, 0); err != nil {
			b.Fatal(err)
		}
		f.Set("host", "127.0.0.1")
		f.SetInt("M_rid", int64(f.ID))
		f.Set("M_g", "bench")
		out = f.AppendTo(out[:0], 77, motan.FlagProxy)
	}
}

// BenchmarkRewriteReply reads a reply without metadata, completes it as an agent does, and writes it.
func BenchmarkRewriteReply(b *testing.B) {
	reply := motan.Frame{Type: motan.FlagResponse}
	reply.SetBody(make([]byte, 128))
	data := reply.AppendTo(nil, 77, motan.FlagResponse)
	out := make([]byte, 0, 4096)
	var f motan.Frame
	b.ReportAllocs()
	for b.Loop() {
		if _, err := f.Decode(data, 0); err != nil {
			b.Fatal(err)
		}
		f.Set("x-forwarded-for", "127.0.0.1:8002")
		f.SetInt("M_pt", 0)
		out = f.AppendTo(out[:0], 12345, motan.FlagResponse|motan.FlagProxy)
	}
}
