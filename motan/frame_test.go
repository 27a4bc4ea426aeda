package motan_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// raw is a frame of exactly those bytes of metadata and body.
func raw(typ, status, serialize byte, id uint64, meta, body string) []byte {
	b := []byte{0xf1, 0xf1, typ, status, serialize}
	b = binary.BigEndian.AppendUint64(b, id)
	b = binary.BigEndian.AppendUint32(b, uint32(len(meta)))
	b = append(b, meta...)
	b = binary.BigEndian.AppendUint32(b, uint32(len(body)))
	return append(b, body...)
}

func TestDecodeRefuses(t *testing.T) {
	good := raw(0, 0x08, 0x30, 1, "M_p\ns", "body")
	edit := func(at int, b ...byte) []byte {
		data := bytes.Clone(good)
		copy(data[at:], b)
		return data
	}
	tests := []struct {
		name string
		data []byte
		want error
	}{
		{"magic of the first byte", edit(0, 0xf0), motan.ErrMagic},
		{"magic of the second byte", edit(1, 0x1f), motan.ErrMagic},
		{"magic of a lone byte", []byte("G"), motan.ErrMagic},
		{"magic of two bytes", []byte{0xf1, 0xf2}, motan.ErrMagic},
		{"HTTP", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), motan.ErrMagic},
		{"version 0", edit(3, 0), motan.ErrMotan1},
		{"version 2", edit(3, 0x10), motan.ErrVersion},
		{"version 31", edit(3, 0xf8), motan.ErrVersion},
		{"metadata one over", edit(13, 0, 0x10, 0, 1), motan.ErrOversize},
		{"metadata negative", edit(13, 0x80, 0, 0, 0), motan.ErrOversize},
		{"metadata minus one", edit(13, 0xff, 0xff, 0xff, 0xff), motan.ErrOversize},
		{"body one over", edit(22, 0, 0xa0, 0, 1), motan.ErrOversize},
		{"body of the largest int32", edit(22, 0x7f, 0xff, 0xff, 0xff), motan.ErrOversize},
		{"body negative", edit(22, 0x80, 0, 0, 0), motan.ErrOversize},
		{"body minus one", edit(22, 0xff, 0xff, 0xff, 0xff), motan.ErrOversize},
		{"body one short", good[:len(good)-1], io.ErrUnexpectedEOF},
		{"body longer than is there", edit(22, 0, 0, 0, 5), io.ErrUnexpectedEOF},
		{"metadata longer than is there", edit(13, 0, 0, 1, 0), io.ErrUnexpectedEOF},
		{"nothing", nil, io.ErrUnexpectedEOF},
		{"header alone", good[:13], io.ErrUnexpectedEOF},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f motan.Frame
			if n, err := f.Decode(tt.data, 0); n != 0 || !errors.Is(err, tt.want) {
				t.Errorf("got %d and %v, want 0 and %v", n, err, tt.want)
			}
		})
	}
	var f motan.Frame
	if n, err := f.Decode(good, 0); err != nil || n != len(good) {
		t.Errorf("the frame the cases were made from: got %d, %v", n, err)
	}
}

func TestDecodeLimits(t *testing.T) {
	meta := func(n int) string { return "k\n" + strings.Repeat("v", n-2) }
	tests := []struct {
		name       string
		limit      int
		meta, body int
		want       error
	}{
		{"body at the limit", 100, 0, 100, nil},
		{"body over the limit", 100, 0, 101, motan.ErrOversize},
		{"metadata at the limit", 100, 100, 0, nil},
		{"metadata over the limit", 100, 101, 0, motan.ErrOversize},
		{"body at the default", 0, 0, 10 << 20, nil},
		{"body over the default", 0, 0, 10<<20 + 1, motan.ErrOversize},
		{"metadata at its own limit", 0, 1 << 20, 0, nil},
		{"metadata over its own limit", 64 << 20, 1<<20 + 1, 0, motan.ErrOversize},
		{"limit of one", 1, 0, 1, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := ""
			if tt.meta > 0 {
				text = meta(tt.meta)
			}
			data := raw(0, 0x08, 0x30, 1, text, strings.Repeat("b", tt.body))
			var f motan.Frame
			n, err := f.Decode(data, tt.limit)
			if !errors.Is(err, tt.want) {
				t.Fatalf("got %v, want %v", err, tt.want)
			}
			if err == nil && (n != len(data) || len(f.Body()) != tt.body || f.Size() != len(data)) {
				t.Errorf("got %d bytes, body of %d, size %d, want %d", n, len(f.Body()), f.Size(), len(data))
			}
		})
	}
}

func TestDecodeRefusesBeforeItAllocates(t *testing.T) {
	data := raw(0, 0x08, 0x30, 1, "", "")
	binary.BigEndian.PutUint32(data[17:], math.MaxUint32)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for range 100 {
		var f motan.Frame
		if _, err := f.Decode(data, 0); !errors.Is(err, motan.ErrOversize) {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if got := after.TotalAlloc - before.TotalAlloc; got > 1<<20 {
		t.Errorf("allocated %d bytes for 100 refused frames", got)
	}
}

func TestEveryTruncationIsIncomplete(t *testing.T) {
	for name, v := range vectors(t) {
		data := v.bytes(t)
		for n := range data {
			var f motan.Frame
			if _, err := f.Decode(data[:n], 0); !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Fatalf("%s cut to %d bytes: got %v", name, n, err)
			}
		}
	}
}

func TestFrameIsCarriedUntouched(t *testing.T) {
	tests := []struct {
		name string
		data []byte
	}{
		{"every serialization number", raw(0, 0x08, 31<<3, 1, "M_p\ns", "b")},
		{"reserved serialization bits", raw(0, 0x08, 0x37, 1, "M_p\ns", "b")},
		{"unknown type bits", raw(0xe0, 0x08, 0x30, 1, "M_p\ns", "b")},
		{"oneway", raw(0x04, 0x08, 0x30, 1, "M_p\ns", "b")},
		{"status 7", raw(1, 0x0f, 0x30, 1, "M_e\n{}", "")},
		{"id 0", raw(0, 0x08, 0x30, 0, "", "")},
		{"id of all ones", raw(0, 0x08, 0x30, math.MaxUint64, "", "")},
		{"unknown metadata", raw(0, 0x08, 0x30, 1, "zzz\n1\n\xff\xfe\n\x00\nkey with space\n ", "")},
		{"duplicates", raw(0, 0x08, 0x30, 1, "a\n1\na\n2\nM_p\nx\nM_p\ny", "")},
		{"a body that looks like a frame", raw(0, 0x08, 0x30, 1, "a\n1", string(raw(0, 0x08, 0, 1, "", "")))},
		{"gzip that is none", raw(0x08, 0x08, 0x30, 1, "a\n1", "not gzip")},
		{"a key of 64 KiB", raw(0, 0x08, 0x30, 1, strings.Repeat("k", 64<<10)+"\nv", "")},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f, g motan.Frame
			if _, err := f.Decode(tt.data, 0); err != nil {
				t.Fatal(err)
			}
			g.CopyFrom(&f)
			if got := g.AppendTo(nil, g.ID, g.Type); !bytes.Equal(got, tt.data) {
				t.Errorf("\n got %x\nwant %x", got, tt.data)
			}
		})
	}
}

func TestFrameKeepsNothing(t *testing.T) {
	var f motan.Frame
	if _, err := f.Decode(raw(0x1f, 0x09, 0xff, 9, "M_p\ns\nM_e\n{}\nx\ny", "body"), 0); err != nil {
		t.Fatal(err)
	}
	f.Set("a", "b")
	f.Reset()
	if got, want := motantest.Bytes(&f, 0), raw(0, 0x08, 0, 0, "", ""); !bytes.Equal(got, want) {
		t.Errorf("got %x, want %x", got, want)
	}
	if f.Failed() || f.Service() != nil || f.Get("x") != nil || f.Get("a") != nil {
		t.Error("something of the last frame is still there")
	}
}

func TestDecodeCopies(t *testing.T) {
	for _, n := range []int{0, 300, 3000, 300000} {
		data := raw(0, 0x08, 0x30, 1, "k\nvalue", strings.Repeat("b", n))
		want := bytes.Clone(data)
		var f motan.Frame
		if _, err := f.Decode(data, 0); err != nil {
			t.Fatal(err)
		}
		clear(data)
		if got := motantest.Bytes(&f, 1); !bytes.Equal(got, want) {
			t.Errorf("body of %d: the frame changed with the bytes it was read from", n)
		}
	}
}

// TestAppendToLeavesTheCallersBuffer holds that a buffer handed in is not taken for a pooled one.
func TestAppendToLeavesTheCallersBuffer(t *testing.T) {
	mine := bytes.Repeat([]byte{0xee}, 1024)
	want := bytes.Clone(mine)
	f := motantest.Request("s", "m", make([]byte, 4000))
	for range 100 {
		_ = f.AppendTo(mine[:1024:1024], 1, 0)
		var g motan.Frame
		g.CopyFrom(motantest.Request("s", "m", make([]byte, 700)))
	}
	if !bytes.Equal(mine, want) {
		t.Error("somebody wrote into it")
	}
	if got := f.AppendTo([]byte("before"), 1, 0); !bytes.HasPrefix(got, []byte("before\xf1\xf1")) {
		t.Errorf("got %q", got[:10])
	}
}

func TestExceptions(t *testing.T) {
	tests := []struct {
		name   string
		status byte
		meta   string
		failed bool
		code   int
		kind   int
		text   string
	}{
		{"normal", 0x08, "M_e\n{\"errcode\":1}", false, 0, 0, ""},
		{"exception", 0x09, `M_e` + "\n" + `{"errcode":404,"errmsg":"x","errtype":2}`, true, 404, 2, "x"},
		{"status 2 is one, too", 0x0a, `M_e` + "\n" + `{"errcode":404,"errmsg":"x","errtype":1}`, true, 404, 1, "x"},
		{"without M_e", 0x09, "", true, 500, 1, "provider answered with an exception but did not say which"},
		{"empty M_e", 0x09, "M_e\n", true, 500, 1, "provider answered with an exception but did not say which"},
		{"not JSON", 0x09, "M_e\nboom", true, 500, 1, "boom"},
		{"another JSON", 0x09, "M_e\n[1]", true, 500, 1, "[1]"},
		{"no message", 0x09, `M_e` + "\n" + `{"errcode":30001,"errtype":2}`, true, 30001, 2, ""},
		{"deep", 0x09, "M_e\n" + strings.Repeat("[", 100000), true, 500, 1, strings.Repeat("[", 100000)},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f motan.Frame
			if _, err := f.Decode(raw(1, tt.status, 0x30, 1, tt.meta, ""), 0); err != nil {
				t.Fatal(err)
			}
			x, ok := f.Exception()
			if ok != tt.failed || x.Code != tt.code || x.Type != tt.kind || x.Message != tt.text {
				t.Errorf("got %+v %t", x, ok)
			}
		})
	}
}

func TestSetException(t *testing.T) {
	var f motan.Frame
	f.Type = motan.FlagGzip
	f.SetBody([]byte("body"))
	f.SetException(motan.Exception{Code: 503, Type: 1, Message: "a\nb <c> \"\xff"})
	want := raw(0, 0x09, 0, 7, "M_e\n"+`{"errcode":503,"errmsg":"a\nb \u003cc\u003e \"\ufffd","errtype":1}`, "")
	if got := motantest.Bytes(&f, 7); !bytes.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
	if x, ok := f.Exception(); !ok || x.Code != 503 || x.Message != "a\nb <c> \"\ufffd" {
		t.Errorf("read back: %+v", x)
	}
}
