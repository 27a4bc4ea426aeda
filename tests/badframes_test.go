package tests

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// rawFrame is a frame of which every byte can be wrong.
type rawFrame struct {
	magic              uint16
	typ, version, ser  byte
	id                 uint64
	meta               string
	body               []byte
	metaSize, bodySize uint32 // where they differ from the truth
}

func (f rawFrame) bytes() []byte {
	if f.magic == 0 {
		f.magic = 0xf1f1
	}
	if f.version == 0 {
		f.version = 1 << 3
	}
	if f.metaSize == 0 {
		f.metaSize = uint32(len(f.meta))
	}
	if f.bodySize == 0 {
		f.bodySize = uint32(len(f.body))
	}
	b := binary.BigEndian.AppendUint16(nil, f.magic)
	b = append(b, f.typ, f.version, f.ser)
	b = binary.BigEndian.AppendUint64(b, f.id)
	b = binary.BigEndian.AppendUint32(b, f.metaSize)
	b = append(b, f.meta...)
	b = binary.BigEndian.AppendUint32(b, f.bodySize)
	return append(b, f.body...)
}

// echoMeta is the metadata of a good call.
const echoMeta = "M_p\ncom.example.Both\nM_m\necho\nM_g\ndemo"

// guarded runs attack while a caller on each port calls without a pause, and fails the test when one of
// those callers notices anything.
func guarded(t *testing.T, d *daemon, attack func()) {
	t.Helper()
	bodies := newRandomBytes(8 << 10)
	callers := []*stream{
		startStream(t, "motan", d.addr("motan"), bodies, 2<<10, 1),
		startStream(t, "export", d.addr("export"), bodies, 2<<10, 1),
	}
	for _, s := range callers {
		await(t, "answers for the caller on "+s.name, func() bool { return s.good.Load() > 0 })
	}
	attack()
	for _, s := range callers { // there are answers still
		before := s.good.Load()
		await(t, "further answers for the caller on "+s.name, func() bool { return s.good.Load() > before })
	}
	stopStreams(callers)
	all := settle(callers)
	for _, text := range all.wrong {
		t.Error(text)
	}
	if len(all.failed)+len(all.unanswered) > 0 {
		t.Errorf("callers that did nothing wrong: %d calls failed, %d unanswered, %d good; %v", len(all.failed), len(all.unanswered), all.good, all.failed)
	}
}

// TestClosesBrokenStreams holds that what cannot be a frame ends its connection, and nothing else, with a
// reason that is counted and a log that does not run over.
func TestClosesBrokenStreams(t *testing.T) {
	const limit = 10 << 20
	good := rawFrame{meta: echoMeta, id: 1}.bytes()
	tests := []struct {
		name, reason string
		data         []byte
		end          bool // close our end after data
	}{
		{"wrong magic", "malformed", rawFrame{magic: 0xf1f2, meta: echoMeta}.bytes(), false},
		{"one wrong byte", "malformed", []byte("x"), false},
		{"HTTP", "malformed", []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), false},
		{"TLS", "malformed", []byte{0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3}, false},
		{"Motan1", "malformed", []byte{0xf1, 0xf1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 16}, false},
		{"version 2", "malformed", rawFrame{version: 2 << 3, meta: echoMeta}.bytes(), false},
		{"version 5", "malformed", rawFrame{version: 5 << 3, meta: echoMeta}.bytes(), false},
		{"version 31", "malformed", rawFrame{version: 31 << 3, meta: echoMeta}.bytes(), false},
		{"garbage after a good frame", "malformed", append(bytes.Clone(good), "garbage"...), false},
		{"metadata of 4 GiB", "oversize", rawFrame{metaSize: 1<<32 - 1}.bytes(), false},
		{"metadata over the limit", "oversize", rawFrame{metaSize: limit + 1}.bytes(), false},
		{"metadata of a negative size", "oversize", rawFrame{metaSize: 1 << 31}.bytes(), false},
		{"body of 4 GiB", "oversize", rawFrame{meta: echoMeta, bodySize: 1<<32 - 1}.bytes(), false},
		{"body of 2 GiB", "oversize", rawFrame{meta: echoMeta, bodySize: 1<<31 - 1}.bytes(), false},
		{"body over the limit", "oversize", rawFrame{meta: echoMeta, bodySize: limit + 1}.bytes(), false},
		{"cut in the magic", "truncated", good[:1], true},
		{"cut in the header", "truncated", good[:10], true},
		{"cut in the metadata", "truncated", good[:30], true},
		{"cut before the body", "truncated", rawFrame{meta: echoMeta, body: []byte("12345")}.bytes()[:len(good)], true},
		{"cut in the body", "truncated", rawFrame{meta: echoMeta, body: []byte("12345")}.bytes()[:len(good)+4], true},
	}
	d := startMotand(t, bothYAML(newProvider(t, "127.0.0.1", echo).port))
	began := time.Now()
	closings := 0
	guarded(t, d, func() {
		for _, port := range []string{"motan", "export"} {
			for _, tt := range tests {
				t.Run(port+"/"+tt.name, func(t *testing.T) {
					before := closed(d, port, tt.reason)
					c := motantest.Dial(t, d.addr(port))
					c.Write(tt.data)
					if tt.end {
						if err := c.Conn.(*net.TCPConn).CloseWrite(); err != nil {
							t.Fatal(err)
						}
					}
					answer := c.AwaitClose()
					if len(answer) > 0 && !bytes.HasPrefix(tt.data, good) { // the good frame may have its answer
						t.Errorf("got an answer % x, want none", answer)
					}
					await(t, "the closing to be counted as "+tt.reason, func() bool { return closed(d, port, tt.reason) == before+1 })
				})
				closings++
			}
		}
	})
	lines := strings.Count(d.Output(), "motan: connection closed")
	if most := 2 * (int(time.Since(began)/time.Second) + 1); lines < 2 || lines > min(most, closings) {
		t.Errorf("%d closings were logged in %d lines, want 2 to %d: one a second and listener", closings, lines, most)
	}
}

// closed is how many connections of a port motand says it has closed for the reason.
func closed(d *daemon, port, reason string) float64 {
	d.t.Helper()
	return d.metric("motand_connections_closed_total", "listener", port, "reason", reason)
}

// TestAnswersOddFrames holds that whatever can be read as one call is answered once, with its own id.
func TestAnswersOddFrames(t *testing.T) {
	big := strings.Repeat("k", 64<<10)
	tests := []struct {
		name string
		f    rawFrame
		fail bool // the answer is an exception
	}{
		{"id 0", rawFrame{meta: echoMeta, id: 0}, false},
		{"highest id", rawFrame{meta: echoMeta, id: 1<<64 - 1}, false},
		{"no metadata", rawFrame{}, true},
		{"only newlines", rawFrame{meta: "\n\n\n"}, true},
		{"unpaired last key", rawFrame{meta: echoMeta + "\nlonely"}, false},
		{"trailing newline", rawFrame{meta: echoMeta + "\n"}, false},
		{"empty value at the end", rawFrame{meta: echoMeta + "\nempty\n"}, false},
		{"empty value inside", rawFrame{meta: "empty\n\n" + echoMeta}, false},
		{"key twice", rawFrame{meta: echoMeta + "\na\n1\na\n2"}, false},
		{"the service twice, the last one counts", rawFrame{meta: "M_p\nnone\n" + echoMeta}, false},
		{"key of 64 KiB", rawFrame{meta: big + "\nv\n" + echoMeta}, false},
		{"value of 64 KiB", rawFrame{meta: echoMeta + "\nk\n" + big}, false},
		{"no UTF-8", rawFrame{meta: echoMeta + "\n\xff\xfe\n\xc0\x80"}, false},
		{"zero bytes", rawFrame{meta: echoMeta + "\na\x00\n\x00"}, false},
		{"gzip that is none", rawFrame{meta: echoMeta, typ: motan.FlagGzip, body: []byte("plain")}, false},
		{"status 1", rawFrame{meta: echoMeta, version: 1<<3 | 1}, false},
		{"status 7", rawFrame{meta: echoMeta, version: 1<<3 | 7}, false},
		{"oneway", rawFrame{meta: echoMeta, typ: motan.FlagOneway}, false},
		{"marked as a response", rawFrame{meta: echoMeta, typ: motan.FlagResponse}, false},
		{"unused type bits", rawFrame{meta: echoMeta, typ: 0xe0}, false},
		{"unknown serialization", rawFrame{meta: echoMeta, ser: 31<<3 | 7, body: []byte{1}}, false},
		{"heartbeat", rawFrame{typ: motan.FlagHeartbeat, id: 9}, false},
		{"heartbeat of a call's form", rawFrame{typ: motan.FlagHeartbeat, meta: echoMeta, body: []byte("beat"), id: 9}, false},
		{"body at the limit", rawFrame{meta: echoMeta, body: make([]byte, 10<<20)}, false},
	}
	d := startMotand(t, bothYAML(newProvider(t, "127.0.0.1", echo).port))
	for _, port := range []string{"motan", "export"} {
		for _, tt := range tests {
			t.Run(port+"/"+tt.name, func(t *testing.T) {
				c := motantest.Dial(t, d.addr(port))
				c.Write(tt.f.bytes())
				reply := c.Receive()
				if reply.ID != tt.f.id || reply.Type&motan.FlagResponse == 0 || reply.Failed() != tt.fail {
					t.Errorf("got id %d, type %#02x, metadata %v, want id %d, a response, exception %t", reply.ID, reply.Type, motantest.Metadata(reply), tt.f.id, tt.fail)
				}
				heartbeat := tt.f.typ&motan.FlagHeartbeat != 0
				if got := reply.Type&motan.FlagHeartbeat != 0; got != heartbeat {
					t.Errorf("type %#02x: a heartbeat is answered by one, a call is not", reply.Type)
				}
				if want := tt.f.body; !heartbeat && !tt.fail && !bytes.Equal(reply.Body(), want) {
					t.Errorf("body: got %d bytes, want the %d sent", len(reply.Body()), len(want))
				}
				// Nothing else came, and the connection is as good as before.
				c.Write(rawFrame{meta: echoMeta, id: 77}.bytes())
				if next := c.Receive(); next.ID != 77 || next.Failed() {
					t.Errorf("the next call: got id %d, failed %t, want 77, false", next.ID, next.Failed())
				}
			})
		}
	}
}

// TestFramesInPieces holds that how bytes are cut by the network does not matter.
func TestFramesInPieces(t *testing.T) {
	d := startMotand(t, bothYAML(newProvider(t, "127.0.0.1", echo).port))
	const n = 64
	var many []byte
	for id := range uint64(n) {
		many = append(many, rawFrame{meta: echoMeta, id: id / 2, body: fmt.Append(nil, "body ", id)}.bytes()...) // each id twice
	}
	tests := []struct {
		name string
		step int
	}{{"in one write", len(many)}, {"byte by byte", 1}, {"by seven", 7}}
	for _, port := range []string{"motan", "export"} {
		for _, tt := range tests {
			t.Run(port+"/"+tt.name, func(t *testing.T) {
				c := motantest.Dial(t, d.addr(port))
				for at := 0; at < len(many); at += tt.step {
					c.Write(many[at:min(at+tt.step, len(many))])
				}
				got := make(map[string]uint64)
				for range n {
					reply := c.Receive()
					got[string(reply.Body())] = reply.ID
				}
				for id := range uint64(n) {
					if at, ok := got[fmt.Sprint("body ", id)]; !ok || at != id/2 {
						t.Errorf("answer to call %d: got id %d, %t, want id %d", id, at, ok, id/2)
					}
				}
			})
		}
	}
}
