package motan_test

import (
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"runtime"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
)

func gzipped(t testing.TB, plain []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(plain); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestInflate(t *testing.T) {
	text := []byte(strings.Repeat("hello ", 1000))
	packed := gzipped(t, text)
	tests := []struct {
		name  string
		body  []byte
		limit int
		want  []byte
		fails bool
		over  bool
	}{
		{"as large as the limit", packed, len(text), text, false, false},
		{"far below it", packed, 1 << 20, text, false, false},
		{"one over the limit", packed, len(text) - 1, nil, true, true},
		{"limit of 0", packed, 0, nil, true, true},
		{"nothing inside", gzipped(t, nil), 10, nil, false, false},
		{"not gzip", []byte("hello"), 1 << 20, nil, true, false},
		{"no bytes", nil, 1 << 20, nil, true, false},
		{"cut short", packed[:len(packed)-9], 1 << 20, nil, true, false},
		{"wrong checksum", append(bytes.Clone(packed[:len(packed)-8]), 1, 2, 3, 4, 5, 6, 7, 8), 1 << 20, nil, true, false},
		{"garbage behind it", append(bytes.Clone(packed), "garbage!!!"...), 1 << 20, nil, true, false},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f motan.Frame
			f.Type = motan.FlagGzip | motan.FlagProxy
			f.SetBody(tt.body)
			err := f.Inflate(tt.limit)
			if (err != nil) != tt.fails || errors.Is(err, motan.ErrOversize) != tt.over {
				t.Fatalf("got %v", err)
			}
			if err != nil {
				if !f.Gzipped() || !bytes.Equal(f.Body(), tt.body) {
					t.Error("a body that cannot be inflated was changed")
				}
				return
			}
			if !bytes.Equal(f.Body(), tt.want) || f.Type != motan.FlagProxy {
				t.Errorf("got %d bytes and type %#02x", len(f.Body()), f.Type)
			}
		})
	}
}

func TestInflateLeavesPlainBodies(t *testing.T) {
	var f motan.Frame
	f.SetBody([]byte("plain"))
	if err := f.Inflate(1); err != nil || string(f.Body()) != "plain" {
		t.Errorf("got %q, %v", f.Body(), err)
	}
}

// TestInflateBomb holds that a body of 200 KiB that inflates to 200 MiB costs the limit.
func TestInflateBomb(t *testing.T) {
	bomb := bytes.Repeat(gzipped(t, make([]byte, 1<<20)), 200)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	var f motan.Frame
	f.Type = motan.FlagGzip
	f.SetBody(bomb)
	err := f.Inflate(10 << 20)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, motan.ErrOversize) {
		t.Errorf("got %v", err)
	}
	if got := after.TotalAlloc - before.TotalAlloc; got > 64<<20 {
		t.Errorf("allocated %d MiB for a limit of 10 MiB", got>>20)
	}
}

func TestDeflate(t *testing.T) {
	text := []byte(strings.Repeat("hello ", 1000))
	for threshold, want := range map[int]bool{0: false, -1: false, 1: true, len(text) - 1: true, len(text): false, 1 << 20: false} {
		var f motan.Frame
		f.SetBody(text)
		if err := f.Deflate(threshold); err != nil {
			t.Fatal(err)
		}
		if f.Gzipped() != want {
			t.Errorf("threshold %d: got %t, want %t", threshold, f.Gzipped(), want)
		}
		if !want {
			continue
		}
		packed := bytes.Clone(f.Body())
		if err := f.Deflate(1); err != nil || !bytes.Equal(f.Body(), packed) {
			t.Errorf("threshold %d: compressed twice", threshold)
		}
		r, err := gzip.NewReader(bytes.NewReader(packed))
		if err != nil {
			t.Fatal(err)
		}
		if plain, err := io.ReadAll(r); err != nil || !bytes.Equal(plain, text) {
			t.Errorf("threshold %d: got %d bytes, %v", threshold, len(plain), err)
		}
		if err := f.Inflate(len(text)); err != nil || !bytes.Equal(f.Body(), text) {
			t.Errorf("threshold %d: inflated to %d bytes, %v", threshold, len(f.Body()), err)
		}
	}
}
