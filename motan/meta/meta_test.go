package meta_test

import (
	"encoding/hex"
	"maps"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/meta"
)

// Answers of motan-go v1.2.0's agent, after /meta/update?META_WEIGHT=33&a=é: body only.
var captured = []struct {
	name          string
	serialization int
	body          string
	want          map[string]string
}{
	{"breeze", motan.SerializeBreeze, "db023f3f0b4d4554415f574549474854023333016102c3a9", map[string]string{"META_WEIGHT": "33", "a": "é"}},
	{"simple", motan.SerializeSimple, "02000000200000000b4d4554415f574549474854000000023333000000016100000002c3a9", map[string]string{"META_WEIGHT": "33", "a": "é"}},
	{"breeze, nothing", motan.SerializeBreeze, "db00", map[string]string{}},
	{"simple, nothing", motan.SerializeSimple, "0200000000", map[string]string{}},
}

// What motan-go has answered is read, and ours is the same to the byte.
func TestAgreesWithMotanGo(t *testing.T) {
	for _, tt := range captured {
		t.Run(tt.name, func(t *testing.T) {
			var reply, request motan.Frame
			meta.Request(&request)
			request.SetSerialization(tt.serialization)
			if err := meta.Answer(&reply, &request, tt.want); err != nil {
				t.Fatal(err)
			}
			if got := hex.EncodeToString(reply.Body()); got != tt.body || reply.Serialization() != tt.serialization {
				t.Errorf("got %s in %d, want %s in %d", got, reply.Serialization(), tt.body, tt.serialization)
			}
			if got, err := meta.Read(&reply); err != nil || !maps.Equal(got, tt.want) {
				t.Errorf("read: got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

func TestRequest(t *testing.T) {
	var f motan.Frame
	meta.Request(&f)
	if !meta.Asked(&f) || string(f.Method()) != meta.Method || f.Serialization() != motan.SerializeBreeze {
		t.Errorf("got %s.%s in %d", f.Service(), f.Method(), f.Serialization())
	}
	f.Del("M_fws")
	if meta.Asked(&f) {
		t.Error("a call of a service of that name counts as the question")
	}
	f.SetSerialization(motan.SerializeHessian2)
	if err := meta.Answer(new(motan.Frame), &f, nil); err == nil || !strings.Contains(err.Error(), "ask in breeze") {
		t.Errorf("hessian: got %v", err)
	}
}

// unpacked is a map of breeze with the type of each text, one of them long.
var unpacked = "d9" + "02" + "0161" + "0162" + "3f" + "46" + strings.Repeat("63", 70) + "00"

func TestRead(t *testing.T) {
	tests := []struct {
		name, body    string
		serialization int
		want          map[string]string // nil: an error
	}{
		{"each with its type", unpacked, motan.SerializeBreeze, map[string]string{"a": "b", strings.Repeat("c", 70): ""}},
		{"nothing at all", "", motan.SerializeBreeze, map[string]string{}},
		{"null", "99", motan.SerializeBreeze, map[string]string{}},
		{"a text", "0161", motan.SerializeBreeze, nil},
		{"a map of numbers", "db013f7f016150", motan.SerializeBreeze, nil},
		{"cut in a text", "db023f3f0b4d45", motan.SerializeBreeze, nil},
		{"cut behind a key", "db013f3f0161", motan.SerializeBreeze, nil},
		{"cut behind the kind", "db", motan.SerializeBreeze, nil},
		{"a size of millions", "dbffffff7f3f3f", motan.SerializeBreeze, nil},
		{"a number without end", "dbffffffffffffffffffffff", motan.SerializeBreeze, nil},
		{"a text without end", "db013f3fffffff7f61", motan.SerializeBreeze, nil},
		{"a number for a text", "d90150", motan.SerializeBreeze, nil},
		{"a list of simple", "0100000000", motan.SerializeSimple, nil},
		{"half of simple", "020000", motan.SerializeSimple, nil},
		{"too long", strings.Repeat("00", 65<<10), motan.SerializeSimple, nil},
		{"another serialization", "db00", motan.SerializeHessian2, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			body, err := hex.DecodeString(tt.body)
			if err != nil {
				t.Fatal(err)
			}
			var f motan.Frame
			f.SetBody(body)
			f.SetSerialization(tt.serialization)
			got, err := meta.Read(&f)
			if (err == nil) != (tt.want != nil) || !maps.Equal(got, tt.want) {
				t.Errorf("got %v, %v, want %v", got, err, tt.want)
			}
		})
	}
}

// Whatever a peer answers is read or refused, and what is read says the same when it is written again.
func FuzzRead(f *testing.F) {
	for _, tt := range captured {
		body, _ := hex.DecodeString(tt.body)
		f.Add(body, byte(tt.serialization))
	}
	f.Fuzz(func(t *testing.T, body []byte, serialization byte) {
		var reply, again motan.Frame
		reply.SetBody(body)
		reply.SetSerialization(int(serialization))
		values, err := meta.Read(&reply)
		if err != nil {
			return
		}
		if err := meta.Answer(&again, &reply, values); err != nil {
			t.Fatalf("%v cannot be written: %v", values, err)
		}
		if got, err := meta.Read(&again); err != nil || !maps.Equal(got, values) {
			t.Fatalf("got %v, %v, want %v", got, err, values)
		}
	})
}
