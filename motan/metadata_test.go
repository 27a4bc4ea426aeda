package motan_test

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/motantest"
)

func TestOddMetadata(t *testing.T) {
	tests := []struct {
		name string
		meta string
		want string // as it is written again
	}{
		{"none", "", ""},
		{"regular", "a\n1\nb\n2", "a\n1\nb\n2"},
		{"trailing newline, as openresty writes it", "a\n1\nb\n2\n", "a\n1\nb\n2"},
		{"two trailing newlines", "a\n1\n\n", "a\n1"},
		{"empty value, as motan-php writes it", "M_g\n\nM_pp\nmotan2", "M_pp\nmotan2"},
		{"empty last value, as Java writes it", "a\n1\nM_e\n", "a\n1"},
		{"unpaired last item", "a\n1\nlost", "a\n1"},
		{"one item", "lost", ""},
		{"newline alone", "\n", ""},
		{"newlines alone", "\n\n\n\n\n", ""},
		{"empty key", "\n1\nb\n2", "b\n2"},
		{"empty key in the middle", "a\n1\n\n2\nc\n3", "a\n1\nc\n3"},
		{"empty pair first", "\n\na\n1", "a\n1"},
		{"duplicates stay", "a\n1\na\n2", "a\n1\na\n2"},
		{"carriage returns are text", "a\r\n1\r\nb\n2", "a\r\n1\r\nb\n2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var f motan.Frame
			if _, err := f.Decode(raw(0, 0x08, 0x30, 1, tt.meta, "body"), 0); err != nil {
				t.Fatal(err)
			}
			want := raw(0, 0x08, 0x30, 1, tt.want, "body")
			if got := motantest.Bytes(&f, 1); !bytes.Equal(got, want) {
				t.Errorf("\n got %q\nwant %q", got, want)
			}
			if f.Size() != len(want) {
				t.Errorf("size: got %d, want %d", f.Size(), len(want))
			}
		})
	}
}

func TestLastDuplicateWins(t *testing.T) {
	for _, key := range []string{"M_p", "M_rid", "host", "consistentHashKey"} {
		var f motan.Frame
		if _, err := f.Decode(raw(0, 0x08, 0x30, 1, key+"\n1\nx\ny\n"+key+"\n2", ""), 0); err != nil {
			t.Fatal(err)
		}
		if got := string(f.Get(key)); got != "2" {
			t.Errorf("%s: got %q, want 2", key, got)
		}
		f.Set(key, "3")
		if got, want := motantest.Bytes(&f, 1), raw(0, 0x08, 0x30, 1, "x\ny\n"+key+"\n3", ""); !bytes.Equal(got, want) {
			t.Errorf("after Set: got %q, want %q", got, want)
		}
		f.Del(key)
		if got, want := motantest.Bytes(&f, 1), raw(0, 0x08, 0x30, 1, "x\ny", ""); !bytes.Equal(got, want) {
			t.Errorf("after Del: got %q, want %q", got, want)
		}
	}
}

func TestSetSanitises(t *testing.T) {
	tests := []struct{ name, value, key, want string }{
		{"k", "a\nM_p\nevil", "k", "a M_p evil"},
		{"k", "\n", "k", " "},
		{"M_s", "a\n", "M_s", "a "},
		{"bad\nkey", "v", "bad key", "v"},
		{"\n", "v", " ", "v"},
	}
	for _, tt := range tests {
		f := motantest.Request("s", "m", nil)
		for range 3 { // as often as it is set, it is there once
			f.Set(tt.name, tt.value)
			f.SetBytes(tt.name, []byte(tt.value))
		}
		var g motan.Frame
		if _, err := g.Decode(motantest.Bytes(f, 1), 0); err != nil {
			t.Fatal(err)
		}
		want := map[string]string{"M_p": "s", "M_m": "m", tt.key: tt.want}
		if got := motantest.Metadata(&g); !maps.Equal(got, want) {
			t.Errorf("%q=%q: got %q, want %q", tt.name, tt.value, got, want)
		}
		if got := bytes.Count(motantest.Bytes(f, 1), []byte(tt.key+"\n"+tt.want)); got != 1 {
			t.Errorf("%q is written %d times", tt.key, got)
		}
	}
	f := motantest.Request("s", "m", nil)
	f.Set("", "v")
	if got := motantest.Metadata(f); len(got) != 2 {
		t.Errorf("an empty key was set: %q", got)
	}
}

// TestSetOwnValue sets a value that lies within the frame itself, which moves meanwhile.
func TestSetOwnValue(t *testing.T) {
	long := strings.Repeat("w", 200)
	var f motan.Frame
	if _, err := f.Decode(raw(0, 0x08, 0x30, 1, "a\n1\nb\n2\nc\n3\nd\n4\ne\n5\nM_p\nsource\nlast\n"+long, ""), 0); err != nil {
		t.Fatal(err)
	}
	want := motantest.Metadata(&f)
	set := func(name string, value []byte) {
		want[name] = string(value)
		f.SetBytes(name, value)
	}
	for i := range 20 { // sooner or later each of them compacts, grows and drops
		set(string(rune('a'+i%5)), f.Get("last"))
		set("M_p", f.Get(string(rune('a'+(i+1)%5))))
		set("x", []byte(strconv.Itoa(i)))
		set("y", f.Get("x"))
		set("x", f.Get("y"))
		set("z", f.Get("M_p"))
		set("last", f.Get("y"))
		if got := motantest.Metadata(&f); !maps.Equal(got, want) {
			t.Fatalf("round %d:\n got %q\nwant %q", i, got, want)
		}
	}
}

func TestTimeoutMillis(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "0": 0, "1": 1, "500": 500, "999999999": 999999999, "1000000000": 0, "-1": 0, "+1": 0, "1.5": 0, " 1": 0, "0x10": 0, "١": 0,
	} {
		f := motantest.Request("s", "m", nil, "M_tmo", text)
		var g motan.Frame
		if _, err := g.Decode(motantest.Bytes(f, 1), 0); err != nil {
			t.Fatal(err)
		}
		if got := g.TimeoutMillis(); got != want || f.TimeoutMillis() != want {
			t.Errorf("%q: got %d and %d, want %d", text, got, f.TimeoutMillis(), want)
		}
	}
}

func TestFramework(t *testing.T) {
	for value, want := range map[string]bool{"y": true, "Y": false, "yes": false, "": false} {
		if got := motantest.Request("s", "m", nil, "M_fws", value).Framework(); got != want {
			t.Errorf("%q: got %t, want %t", value, got, want)
		}
	}
}

// names are keys that frames index, and others.
var names = []string{"M_p", "M_m", "M_g", "M_rid", "host", "M_e", "M_pt", "a", "b", "M_", "M_pp2", "x-forwarded-for", "requestIdFromClient", "application", "upstreamCode", "k", "kk"}

// TestEditsAgainstModel edits frames at random and compares them with a map all the time.
func TestEditsAgainstModel(t *testing.T) {
	random := seeded(t)
	for range 2000 {
		checkEdits(t, randomMetadata(random), func() (string, string, bool) {
			name := names[random.IntN(len(names))]
			return name, strings.Repeat(string(rune('a'+random.IntN(26))), random.IntN(20)), random.IntN(8) == 0
		}, random.IntN(40))
	}
}

func randomMetadata(random *rand.Rand) string {
	var items []string
	for range random.IntN(15) {
		items = append(items, names[random.IntN(len(names))], strconv.Itoa(random.IntN(1000)))
	}
	return strings.Join(items, "\n")
}

// checkEdits decodes meta and applies n edits that next says: name, value, and whether it is
// a copy into another frame that comes now. An empty value removes.
func checkEdits(t *testing.T, meta string, next func() (name, value string, move bool), n int) {
	t.Helper()
	f := new(motan.Frame)
	if _, err := f.Decode(raw(0, 0x08, 0x30, 1, meta, "the body"), 0); err != nil {
		t.Fatal(err)
	}
	model := motantest.Metadata(f)
	history := []string{fmt.Sprintf("%q", meta)}
	for range n {
		name, value, move := next()
		history = append(history, fmt.Sprintf("%q=%q %t", name, value, move))
		if move {
			g := new(motan.Frame)
			g.CopyFrom(f)
			f = g
		}
		switch len(value) % 3 {
		case 0:
			f.Set(name, value)
		case 1:
			f.SetBytes(name, []byte(value))
		case 2:
			if number, err := strconv.ParseInt(value, 10, 64); err == nil && strconv.FormatInt(number, 10) == value {
				f.SetInt(name, number)
			} else {
				f.Set(name, value)
			}
		}
		modelSet(model, name, value)
		if problem := compare(f, model); problem != "" {
			t.Fatalf("%s\nafter %s", problem, strings.Join(history, "; "))
		}
	}
}

func modelSet(model map[string]string, name, value string) {
	clean := strings.NewReplacer("\n", " ")
	name, value = clean.Replace(name), clean.Replace(value)
	switch {
	case name == "":
	case value == "":
		delete(model, name)
	default:
		model[name] = value
	}
}

// compare says what of f is not as the model has it.
func compare(f *motan.Frame, model map[string]string) string {
	if got := motantest.Metadata(f); !maps.Equal(got, model) {
		return fmt.Sprintf("All: got %q, want %q", got, model)
	}
	for _, name := range append(slices.Collect(maps.Keys(model)), names...) {
		if got := string(f.Get(name)); got != model[name] {
			return fmt.Sprintf("Get(%q): got %q, want %q", name, got, model[name])
		}
	}
	data := motantest.Bytes(f, 1)
	if len(data) != f.Size() {
		return fmt.Sprintf("Size: got %d, want %d", f.Size(), len(data))
	}
	var g motan.Frame
	if n, err := g.Decode(data, 1<<20); err != nil || n != len(data) {
		return fmt.Sprintf("Decode: %d of %d bytes, %v", n, len(data), err)
	}
	if got := motantest.Metadata(&g); !maps.Equal(got, model) {
		return fmt.Sprintf("decoded: got %q, want %q", got, model)
	}
	if again := motantest.Bytes(&g, 1); !bytes.Equal(again, data) {
		return fmt.Sprintf("encoded again: got %q, want %q", again, data)
	}
	if string(g.Body()) != "the body" {
		return fmt.Sprintf("body: got %q", g.Body())
	}
	return ""
}

func TestManyCuts(t *testing.T) {
	var items []string
	model := make(map[string]string)
	for i := range 50 {
		items = append(items, fmt.Sprintf("k%d", i), strconv.Itoa(i))
		model[fmt.Sprintf("k%d", i)] = strconv.Itoa(i)
	}
	var f motan.Frame
	if _, err := f.Decode(raw(0, 0x08, 0x30, 1, strings.Join(items, "\n"), "the body"), 0); err != nil {
		t.Fatal(err)
	}
	for i := range 50 {
		name := fmt.Sprintf("k%d", i*37%50)
		if i%2 == 0 {
			f.Del(name)
			delete(model, name)
		} else {
			f.Set(name, "new")
			model[name] = "new"
		}
		if problem := compare(&f, model); problem != "" {
			t.Fatalf("edit %d: %s", i, problem)
		}
	}
}

// TestMetadataOfTinyPairs holds that a megabyte of pairs costs neither memory nor long scans.
func TestMetadataOfTinyPairs(t *testing.T) {
	data := raw(0, 0x08, 0x30, 1, strings.Repeat("a\nb\n", 1<<18-1)+"c\nd", "")
	var f motan.Frame
	got := testing.AllocsPerRun(10, func() {
		if _, err := f.Decode(data, 0); err != nil {
			t.Fatal(err)
		}
		f.Set("M_rid", "1")
	})
	if got > 4 {
		t.Errorf("%v allocations to read metadata of 262,144 pairs", got)
	}
	if string(f.Get("c")) != "d" || string(f.Get("a")) != "b" {
		t.Error("a pair is missing")
	}
	f.Set("a", "")
	if got := motantest.Metadata(&f); len(got) != 2 {
		t.Errorf("got %d keys, want c and M_rid", len(got))
	}
}

func TestAllStops(t *testing.T) {
	f := motantest.Request("s", "m", nil, "a", "1")
	var g motan.Frame
	g.CopyFrom(f)
	g.Set("b", "2")
	for stop := range 4 {
		n := 0
		for range g.All() {
			if n == stop {
				break
			}
			n++
		}
		if n != stop {
			t.Errorf("got %d pairs, want %d", n, stop)
		}
	}
}
