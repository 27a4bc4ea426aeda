package motan_test

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

// vector is a frame that a peer of the field has written, and what is in it.
type vector struct {
	Name    string
	Origin  string
	Hex     string
	Decoded struct {
		Kind          string
		Type          string `json:"msg_type_byte"`
		Heartbeat     bool
		Gzip          bool
		Oneway        bool
		Proxy         bool
		Version       int
		Status        int
		Serialize     int
		RequestID     string            `json:"request_id"`
		MetadataOrder [][2]string       `json:"metadata_order"`
		Metadata      map[string]string `json:"metadata"`
		BodyHex       string            `json:"body_hex"`
		Inflated      *string           `json:"body_hex_after_gunzip"`
	}
}

// vectors reads testdata: frames of motan-go's codec, of Java's classes and of motan-php.
func vectors(t testing.TB) map[string]vector {
	t.Helper()
	all := make(map[string]vector)
	for _, file := range []string{"motan-go.json", "java.json", "php.json"} {
		text, err := os.ReadFile(filepath.Join("testdata", file))
		if err != nil {
			t.Fatal(err)
		}
		var list []vector
		if err := json.Unmarshal(text, &list); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, v := range list {
			all[file[:len(file)-len(".json")]+"/"+v.Name] = v
		}
	}
	if len(all) < 40 {
		t.Fatalf("only %d vectors", len(all))
	}
	return all
}

func (v vector) bytes(t testing.TB) []byte {
	t.Helper()
	return unhex(t, v.Hex)
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	data, err := hex.DecodeString(text)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func TestVectorsDecode(t *testing.T) {
	for name, v := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			data, want := v.bytes(t), v.Decoded
			var f motan.Frame
			n, err := f.Decode(append(data, 0xf1), 0)
			if err != nil || n != len(data) {
				t.Fatalf("got %d bytes and %v, want %d", n, err, len(data))
			}
			flags := map[byte]bool{
				motan.FlagResponse: want.Kind == "response", motan.FlagProxy: want.Proxy, motan.FlagOneway: want.Oneway,
				motan.FlagGzip: want.Gzip, motan.FlagHeartbeat: want.Heartbeat,
			}
			for bit, set := range flags {
				if f.Type&bit != 0 != set && !(want.Heartbeat && bit == motan.FlagResponse) {
					t.Errorf("flag %#02x: got %t, want %t", bit, !set, set)
				}
			}
			if got := hex.EncodeToString([]byte{f.Type}); got != want.Type {
				t.Errorf("type: got %s, want %s", got, want.Type)
			}
			if got := strconv.FormatUint(f.ID, 10); got != want.RequestID {
				t.Errorf("id: got %s, want %s", got, want.RequestID)
			}
			if f.Serialization() != want.Serialize || int(f.Status) != want.Version<<3|want.Status {
				t.Errorf("got serialization %d and status %#02x, want %d and %d", f.Serialization(), f.Status, want.Serialize, want.Status)
			}
			if got := motantest.Metadata(&f); !maps.Equal(got, want.Metadata) {
				t.Errorf("metadata: got %v, want %v", got, want.Metadata)
			}
			if got := hex.EncodeToString(f.Body()); got != want.BodyHex {
				t.Errorf("body: got %s, want %s", got, want.BodyHex)
			}
			if got := f.AppendTo(nil, f.ID, f.Type); !bytes.Equal(got, data) {
				t.Errorf("encoded again:\n got %x\nwant %x", got, data)
			}
			if f.Size() != len(data) {
				t.Errorf("size: got %d, want %d", f.Size(), len(data))
			}
			if want.Inflated != nil {
				if err := f.Inflate(1 << 20); err != nil || hex.EncodeToString(f.Body()) != *want.Inflated || f.Gzipped() {
					t.Errorf("inflated: got %x, %v, want %s", f.Body(), err, *want.Inflated)
				}
			}
		})
	}
}

func TestVectorsAccessors(t *testing.T) {
	for name, v := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			var f motan.Frame
			if _, err := f.Decode(v.bytes(t), 0); err != nil {
				t.Fatal(err)
			}
			for key, got := range map[string][]byte{
				"M_p": f.Service(), "M_m": f.Method(), "M_g": f.Group(), "M_v": f.Version(), "M_s": f.Source(),
				"M_md": f.MethodDesc(), "M_pp": f.Protocol(), "M_rid": f.RequestID(),
			} {
				if want := v.Decoded.Metadata[key]; string(got) != want {
					t.Errorf("%s: got %q, want %q", key, got, want)
				}
			}
			x, failed := f.Exception()
			if failed != (v.Decoded.Status != 0) || failed != f.Failed() {
				t.Fatalf("exception: got %t, want status %d", failed, v.Decoded.Status)
			}
			if !failed {
				return
			}
			var want motan.Exception
			if err := json.Unmarshal([]byte(v.Decoded.Metadata["M_e"]), &want); err != nil {
				t.Fatal(err)
			}
			if x != want {
				t.Errorf("exception: got %+v, want %+v", x, want)
			}
		})
	}
}

// TestVectorsBuilt builds the frames from what they say and must come to the same bytes.
func TestVectorsBuilt(t *testing.T) {
	for name, v := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			var f motan.Frame
			f.SetSerialization(v.Decoded.Serialize)
			f.Status = byte(v.Decoded.Version<<3 | v.Decoded.Status)
			for _, pair := range v.Decoded.MetadataOrder {
				f.Set(pair[0], pair[1])
			}
			f.SetBody(unhex(t, v.Decoded.BodyHex))
			id, err := strconv.ParseUint(v.Decoded.RequestID, 10, 64)
			if err != nil {
				t.Fatal(err)
			}
			if got, want := f.AppendTo(nil, id, unhex(t, v.Decoded.Type)[0]), v.bytes(t); !bytes.Equal(got, want) {
				t.Errorf("\n got %x\nwant %x", got, want)
			}
		})
	}
}

// TestVectorsThroughServer sends each request of the field to a server and each reply of the
// field back through a connection: what passes must be what was sent but for id and proxy bit.
func TestVectorsThroughServer(t *testing.T) {
	replies := make(chan []byte, 1)
	provider := motantest.NewServer(t, func(*motan.Frame) *motan.Frame {
		var f motan.Frame
		if _, err := f.Decode(<-replies, 0); err != nil {
			t.Error(err)
		}
		return &f
	})
	conn := motan.NewConn(provider.Addr(), motan.ConnOptions{})
	defer conn.Close()
	server := serve(t, &motan.Server{Handler: conn})
	client := motantest.Dial(t, server.addr)
	request := vectors(t)["php/php_req_simple"].bytes(t)
	for name, v := range vectors(t) {
		t.Run(name, func(t *testing.T) {
			if v.Decoded.Heartbeat {
				client.Write(v.bytes(t))
				want := append(unhex(t, "f1f1130830"), v.bytes(t)[5:21]...)
				if got := client.ReceiveBytes(); !bytes.Equal(got, want) {
					t.Errorf("got %x, want %x", got, want)
				}
				return
			}
			sent, reply := v.bytes(t), request
			if v.Decoded.Kind == "response" {
				sent, reply = request, v.bytes(t)
			}
			replies <- reply
			before := len(provider.Frames())
			client.Write(sent)
			got := client.ReceiveBytes()
			reply = bytes.Clone(reply)
			reply[2] = reply[2]&^motan.FlagOneway | motan.FlagResponse | motan.FlagProxy
			copy(reply[5:13], sent[5:13])
			if !bytes.Equal(got, reply) {
				t.Errorf("reply:\n got %x\nwant %x", got, reply)
			}
			arrived := bytes.Clone(provider.Await(before + 1)[before])
			sent = bytes.Clone(sent)
			sent[2] |= motan.FlagProxy
			copy(sent[5:13], arrived[5:13])
			if !bytes.Equal(arrived, sent) {
				t.Errorf("request:\n got %x\nwant %x", arrived, sent)
			}
		})
	}
}
