package agent

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/meta"
)

// The answers of motan-go's agent to the same requests, word by word.
func TestMetaURLs(t *testing.T) {
	a := switched(t, t.TempDir(), switchYAML)
	steps := []struct{ target, want string }{
		{"/meta/getAll", `{"result":"ok","data":{"meta":{}}}`},
		{"/meta/update?META_WEIGHT=33&a=%C3%A9", `{"result":"ok","data":"ok"}`},
		{"/meta/getAll", `{"result":"ok","data":{"meta":{"META_WEIGHT":"33","a":"é"}}}`},
		{"/meta/get?key=a", `{"result":"ok","data":{"a":"é"}}`},
		{"/meta/get?key=none", `{"result":"ok","data":{"none":""}}`},
		{"/meta/delete?key=a", `{"result":"ok","data":"ok"}`},
		{"/meta/delete?key=none", `{"result":"ok","data":"ok"}`},
		{"/meta/getAll", `{"result":"ok","data":{"meta":{"META_WEIGHT":"33"}}}`},
	}
	for _, s := range steps {
		if w := ask(t, a, http.MethodGet, s.target, ""); w.Code != 200 || w.Body.String() != s.want {
			t.Errorf("%s: got %d %q, want 200 %q", s.target, w.Code, w.Body, s.want)
		}
	}
	if w := ask(t, a, http.MethodGet, "/meta/update?META_WEIGHT=1", "", "Origin", "http://evil.example"); w.Code != http.StatusForbidden {
		t.Errorf("from another site: got %d", w.Code)
	}
	many := url.Values{}
	for i := range maxMetadata + 1 {
		many.Set(fmt.Sprint(i), "x")
	}
	for _, query := range []string{"long=" + strings.Repeat("x", maxMetadataBytes), many.Encode()} {
		if w := ask(t, a, http.MethodGet, "/meta/update?"+query, ""); w.Code != http.StatusBadRequest || !strings.Contains(w.Body.String(), "/meta/delete") {
			t.Errorf("too much: got %d %s", w.Code, w.Body)
		}
	}
}

// Callers are told what the environment says, and over it what was set; a framework service that is not here is refused.
func TestMetaService(t *testing.T) {
	a := switched(t, t.TempDir(), switchYAML)
	a.snapshot.Load().config.Meta = map[string]string{"META_WEIGHT": "5", "META_idc": "north"}
	question := func(serialization int) *motan.Call {
		c := motan.NewCall()
		meta.Request(&c.Request)
		c.Request.SetSerialization(serialization)
		return do(t, a.inbound, c)
	}
	told := func() map[string]string {
		c := question(motan.SerializeBreeze)
		values, err := meta.Read(&c.Reply)
		if c.Err != nil || err != nil {
			t.Fatalf("got %v, %v", c.Err, err)
		}
		return values
	}
	if got, want := told(), (map[string]string{"META_WEIGHT": "5", "META_idc": "north"}); !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	ask(t, a, http.MethodGet, "/meta/update?META_WEIGHT=50", "")
	if got, want := told(), (map[string]string{"META_WEIGHT": "50", "META_idc": "north"}); !maps.Equal(got, want) {
		t.Errorf("after an update: got %v, want %v", got, want)
	}
	if c := question(motan.SerializeHessian2); c.Err == nil || c.Err.Code != motan.CodeInternal {
		t.Errorf("in hessian: got %v", c.Err)
	}
	if c := do(t, a.inbound, request("com.example.Other", "m", "M_fws", "y")); c.Err == nil || c.Err.Code != motan.CodeUnsupported || c.Err.Message != meta.NotSupported {
		t.Errorf("another framework service: got %v", c.Err)
	}
}
