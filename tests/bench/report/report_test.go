package report

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/motand/motand/tests/bench/proc"
)

// rounds are rounds of these costs.
func rounds(costs ...float64) []*Round {
	var all []*Round
	for _, c := range costs {
		all = append(all, &Round{Calls: 1000, Rate: 12345.6, P50: 10.25, P99: 99.9, P999: 1234, Cost: c, RSS: 20 << 20})
	}
	return all
}

func example() *Report {
	r := &Report{
		Date:    time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC),
		Machine: proc.Machine{CPU: "Abacus <3000>", CPUs: 2, Kernel: "6.1", Go: "go1.26", Load: "0.1 0.2 0.3", Getppid: time.Microsecond, Loopback: 6500 * time.Nanosecond},
		Rounds:  3, Seconds: 3, Missing: []string{"nginx: not installed"},
		Scenarios: []*Scenario{
			{
				ID: "P1", Title: "4 x 16, 128 B", Kind: CPU, Reference: "HAProxy", Goal: 1.3,
				Contenders: []*Contender{
					{Name: "motand", Rounds: rounds(3, 4, 5)},
					{Name: "motan-go", Rounds: rounds(40, 41, 60)},
					{Name: "HAProxy", Rounds: rounds(2, 4, 4)},
					{Name: "a|b & <c>", Failed: "it did not start"},
				},
				Notes: []string{"a note"},
			},
			{ID: "P8", Title: "idle", Kind: Memory, Reference: "HAProxy", Goal: 4, Contenders: []*Contender{{Name: "motand", Rounds: rounds(4.5)}}},
			{ID: "P10", Title: "30 %", Kind: Latency, Reference: "HAProxy", Goal: 1, Contenders: []*Contender{
				{Name: "motand", Rounds: rounds(5, 15, 10)}, {Name: "HAProxy", Rounds: rounds(10, -1, 20)},
			}},
		},
	}
	for _, s := range r.Scenarios {
		s.SetRatios()
	}
	return r
}

func TestRatios(t *testing.T) {
	r := example()
	p1, p10 := r.Scenarios[0], r.Scenarios[2]
	tests := []struct {
		name string
		got  Spread
		want Spread
	}{
		{"round by round", p1.Contender("motand").Ratio(), Spread{1.25, 1, 1.5}},
		{"the reference", p1.Contender("HAProxy").Ratio(), Spread{1, 1, 1}},
		{"cost", p1.Contender("motan-go").Cost(), Spread{41, 40, 60}},
		{"nothing measured", p1.Contender("a|b & <c>").Ratio(), Spread{}},
		{"no reference", r.Scenarios[1].Contender("motand").Ratio(), Spread{}},
		{"a cost of -1 has none", p10.Contender("motand").Ratio(), Spread{0.5, 0.5, 0.5}},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %v, want %v", tt.name, tt.got, tt.want)
		}
	}
	if c := p1.Contender("nobody"); c != nil {
		t.Errorf("Contender(nobody): got %v, want nil", c)
	}
}

func TestTable(t *testing.T) {
	text := example().Table(false)
	for _, want := range []string{
		"getppid 1.00 µs, loopback write+read of 64 B 6.5 µs", "left out: nginx: not installed",
		"4.00 (3.00..5.00)", "1.25 (1.00..1.50)", "reached <= 1.30", "left out: it did not start",
		"MISSED <= 4.00", "reached <= 1.00", "P1: a note", "12346",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the table lacks %q:\n%s", want, text)
		}
	}
	// Figures of a column are below each other.
	ends := map[int]bool{}
	for line := range strings.Lines(text) {
		if before, after, ok := strings.Cut(line, "12346"); ok && strings.Contains(after, "20.0") && strings.Contains(after, "99.9") {
			ends[utf8.RuneCountInString(before)] = true
		}
	}
	if len(ends) != 1 {
		t.Errorf("the column calls/s begins at %d places, want 1:\n%s", len(ends), text)
	}
}

func TestMarkdown(t *testing.T) {
	text := example().Table(true)
	columns := 0
	for line := range strings.Lines(text) {
		line = strings.ReplaceAll(strings.TrimSpace(line), `\|`, "")
		n := strings.Count(line, "|")
		switch {
		case n == 0:
			columns = 0
		case columns == 0:
			columns = n
		case n != columns:
			t.Errorf("a line has %d bars, those above have %d: %s", n, columns, line)
		}
	}
	if !strings.Contains(text, `| a\|b & <c> | left out: it did not start |`) {
		t.Errorf("the table lacks the contender that was left out:\n%s", text)
	}
}

func TestNumber(t *testing.T) {
	tests := []struct {
		value float64
		want  string
	}{{0, "0.00"}, {1.234, "1.23"}, {-1.5, "-1.50"}, {12.34, "12.3"}, {1234.5, "1234"}}
	for _, tt := range tests {
		if got := number(tt.value); got != tt.want {
			t.Errorf("number(%v): got %s, want %s", tt.value, got, tt.want)
		}
	}
}

func TestTick(t *testing.T) {
	for _, most := range []float64{0.001, 0.7, 1, 1.3, 2, 3, 6.9, 7.1, 42, 99, 12345} {
		if n := most / tick(most); n < 2 || n > 7.5 {
			t.Errorf("tick(%v) = %v makes %.1f marks, want 2 to 7", most, tick(most), n)
		}
	}
	for _, most := range []float64{0, -1, math.Inf(1), math.NaN()} {
		if got := tick(most); got != 1 {
			t.Errorf("tick(%v): got %v, want 1", most, got)
		}
	}
}

// TestSVG holds that the plot is XML, that nothing lies outside of it, and that bars are as long as they should be.
func TestSVG(t *testing.T) {
	var width, height float64
	var bars []float64
	d := xml.NewDecoder(bytes.NewReader(example().SVG()))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		e, ok := token.(xml.StartElement)
		if !ok {
			continue
		}
		value := func(name string) float64 {
			for _, a := range e.Attr {
				if a.Name.Local == name {
					f, err := strconv.ParseFloat(a.Value, 64)
					if err != nil {
						t.Errorf("%s of a %s: %v", name, e.Name.Local, err)
					}
					return f
				}
			}
			return 0
		}
		if e.Name.Local == "svg" {
			width, height = value("width"), value("height")
			continue
		}
		x, y := value("x")+value("width"), value("y")+value("height")
		if x < 0 || y < 0 || x > width || y > height {
			t.Errorf("a %s at %v, %v lies outside of the %v x %v", e.Name.Local, x, y, width, height)
		}
		if e.Name.Local == "rect" && value("rx") > 0 {
			bars = append(bars, value("width"))
		}
	}
	if len(bars) != 6 {
		t.Fatalf("got %d bars, want 6", len(bars))
	}
	if got := bars[1] / bars[0]; math.Abs(got-41.0/4) > 0.1 {
		t.Errorf("motan-go's bar is %.2f times as long as motand's, want 10.25", got)
	}
}

func TestSVGOfNothing(t *testing.T) {
	if err := xml.Unmarshal((&Report{}).SVG(), new(struct{})); err != nil {
		t.Error(err)
	}
}

func TestWrite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	r := example()
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(filepath.Join(dir, "bench.json"))
	if err != nil {
		t.Fatal(err)
	}
	var back Report
	if err := json.Unmarshal(data, &back); err != nil {
		t.Fatal(err)
	}
	if got, want := back.Table(false), r.Table(false); got != want {
		t.Errorf("what was read back shows\n%s\nwant\n%s", got, want)
	}
	if _, err := os.Stat(filepath.Join(dir, "bench.svg")); err != nil {
		t.Error(err)
	}
	if err := r.Write(filepath.Join(dir, "bench.json")); err == nil || !strings.Contains(err.Error(), "folder of the results") {
		t.Errorf("a file as folder: got %v, want an error", err)
	}
}

func TestUnits(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range []Kind{CPU, Memory, Latency} {
		seen[k.Unit()] = true
	}
	if len(seen) != 3 || seen[""] {
		t.Errorf("the units are %s, want three", fmt.Sprint(seen))
	}
}
