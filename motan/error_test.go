package motan_test

import (
	"errors"
	"io"
	"slices"
	"testing"

	"github.com/motand/motand/motan"
)

func TestErrorKeepsItsCause(t *testing.T) {
	err := motan.Errorf(motan.KindTimeout, motan.CodeDefault, "call %d", 7)
	if err.Error() != "call 7" || err.Unwrap() != nil || err.Type != motan.TypeService {
		t.Errorf("got %q, %v, type %d", err, err.Unwrap(), err.Type)
	}
	err.Cause = io.ErrUnexpectedEOF
	if got, want := err.Error(), "call 7: unexpected EOF"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Error("the cause is lost")
	}
	if got := string(err.Exception().AppendJSON([]byte(">"))); got != `>{"errcode":400,"errmsg":"call 7","errtype":1}` {
		t.Errorf("got %s: the cause is not for the peer", got)
	}
}

func TestKindNames(t *testing.T) {
	kinds := motan.Kinds()
	if got, want := motan.KindDropped.String(), kinds[len(kinds)-1]; got != want {
		t.Errorf("the last kind is %q, the last name %q", got, want)
	}
	slices.Sort(kinds) // which is a copy
	if motan.KindOther.String() != "other" || motan.Kinds()[0] != "other" {
		t.Error("the names of kinds can be changed from outside")
	}
	if n := len(slices.Compact(kinds)); n != int(motan.KindDropped)+1 {
		t.Errorf("%d names for %d kinds", n, motan.KindDropped+1)
	}
}
