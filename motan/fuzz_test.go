package motan_test

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// FuzzFrame decodes anything: what is taken is a frame that reads the same when it is written
// and read again, and what is not is refused with one of the errors told.
func FuzzFrame(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.bytes(f))
	}
	f.Add([]byte("GET / HTTP/1.1\r\n\r\n"))
	f.Add(raw(0, 8, 0x30, 1, "a\n\n\nb\nM_p\n\n\nx\n", "b"))
	f.Fuzz(func(t *testing.T, data []byte) {
		const limit = 1 << 16
		var a, b motan.Frame
		n, err := a.Decode(data, limit)
		if err != nil {
			known := []error{motan.ErrMagic, motan.ErrVersion, motan.ErrMotan1, motan.ErrOversize, io.ErrUnexpectedEOF}
			for _, e := range known {
				if errors.Is(err, e) {
					return
				}
			}
			t.Fatalf("unknown error %v", err)
		}
		if n < 21 || n > len(data) {
			t.Fatalf("a frame of %d bytes out of %d", n, len(data))
		}
		once := a.AppendTo(nil, a.ID, a.Type)
		if len(once) > n || len(once) != a.Size() {
			t.Fatalf("%d bytes became %d, Size is %d", n, len(once), a.Size())
		}
		if _, err := b.Decode(once, limit); err != nil {
			t.Fatal(err)
		}
		if twice := b.AppendTo(nil, b.ID, b.Type); !bytes.Equal(once, twice) {
			t.Fatalf("%x became %x", once, twice)
		}
		for name, value := range a.All() {
			if len(name) == 0 || len(value) == 0 || bytes.IndexByte(name, '\n') >= 0 || bytes.IndexByte(value, '\n') >= 0 {
				t.Fatalf("irregular pair %q=%q", name, value)
			}
			if got := a.Get(string(name)); got == nil {
				t.Fatalf("%q is there and cannot be had", name)
			}
		}
		_, failed := a.Exception()
		if failed != a.Failed() || a.TimeoutMillis() < 0 {
			t.Fatal("exception or time-out")
		}
		if a.Gzipped() {
			if err := a.Inflate(limit); err == nil && len(a.Body()) > limit {
				t.Fatalf("inflated to %d bytes", len(a.Body()))
			}
		}
	})
}

// FuzzMetadata applies edits, given as lines of key and value, to metadata and compares the
// frame with a map.
func FuzzMetadata(f *testing.F) {
	for _, v := range vectors(f) {
		var items []string
		for _, pair := range v.Decoded.MetadataOrder {
			items = append(items, pair[0], pair[1])
		}
		f.Add(strings.Join(items, "\n"), "host=127.0.0.1|M_rid=1|M_g=g|M_p=|x=y|x=")
	}
	f.Add("a\n1\nb\n2\nc\n3\nd\n4\ne\n5", "a=|b=|c=|d=|e=|a=1|!e=2|b=b=b")
	f.Add("\n\n\n", "=x|\n=\n|a\nb=1|a\nb=2")
	f.Fuzz(func(t *testing.T, meta, script string) {
		if len(meta) > 1<<12 || len(script) > 1<<12 {
			return
		}
		edits := strings.Split(script, "|")
		checkEdits(t, meta, func() (name, value string, move bool) {
			edit, move := strings.CutPrefix(edits[0], "!")
			edits = edits[1:]
			name, value, _ = strings.Cut(edit, "=")
			return name, value, move
		}, len(edits))
	})
}

// FuzzServer sends anything to a server: it must go on serving others, and nothing of its room is held afterwards.
func FuzzServer(f *testing.F) {
	for _, v := range vectors(f) {
		f.Add(v.bytes(f))
	}
	large := sized("m", 100<<10)
	f.Add(large)
	f.Add(large[:90<<10])
	f.Add(append(large, large[:70<<10]...))
	f.Add(append(large, "GET"...))
	r := &motan.Room{Limit: 1 << 16}
	s := serve(f, &motan.Server{Handler: echo, MaxContentLength: 1 << 17, Room: r})
	f.Fuzz(func(t *testing.T, data []byte) {
		c := motantest.Dial(t, s.addr)
		c.Write(data)
		if err := c.Conn.(interface{ CloseWrite() error }).CloseWrite(); err == nil { // else it was closed already
			c.AwaitClose()
		}
		awaitHeld(t, r, 0)
	})
}
