// Package report keeps what the bench has measured, and shows it as a table, as JSON and as a plot.
package report

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/motand/motand/tests/bench/proc"
)

// Kind is what a scenario compares.
type Kind string

// The kinds of scenarios, and with them what Round.Cost is.
const (
	CPU     Kind = "cpu"     // µs of CPU time of the contender's processes for each call
	Memory  Kind = "memory"  // KiB of resident memory for each idle connection
	Latency Kind = "latency" // µs that the p99 is above that of a direct call
)

// Unit is the unit of Round.Cost.
func (k Kind) Unit() string {
	switch k {
	case Memory:
		return "KiB/conn"
	case Latency:
		return "µs added p99"
	default:
		return "µs CPU/call"
	}
}

// Report is one run of the bench.
type Report struct {
	Date      time.Time         `json:"date"`
	Machine   proc.Machine      `json:"machine"`
	Versions  map[string]string `json:"versions"`
	Rounds    int               `json:"rounds"`
	Seconds   float64           `json:"seconds"` // of a round
	Scenarios []*Scenario       `json:"scenarios"`
	Missing   []string          `json:"missing,omitempty"` // why contenders are left out everywhere
}

// Scenario is a load and those that bore it.
type Scenario struct {
	ID         string       `json:"id"`
	Title      string       `json:"title"`
	Kind       Kind         `json:"kind"`
	Reference  string       `json:"reference"`      // the contender that ratios are to
	Goal       float64      `json:"goal,omitempty"` // of motand: the ratio, or with Memory the cost; 0 is none
	Contenders []*Contender `json:"contenders"`
	Notes      []string     `json:"notes,omitempty"`
}

// Contender is what one contender has done, round by round.
type Contender struct {
	Name   string   `json:"name"`
	Rounds []*Round `json:"rounds"`
	Failed string   `json:"failed,omitempty"` // why it was left out, or gave up after some rounds
}

// Round is one measurement. Latencies are in µs; with the kind Latency they are what was added to those of a direct call.
type Round struct {
	Calls  uint64  `json:"calls"`
	Errors uint64  `json:"errors"`
	Rate   float64 `json:"rate"` // calls each second
	P50    float64 `json:"p50_us"`
	P99    float64 `json:"p99_us"`
	P999   float64 `json:"p999_us"`
	Cost   float64 `json:"cost"`  // in the scenario's unit
	RSS    int64   `json:"rss"`   // bytes, at the end of the round
	Ratio  float64 `json:"ratio"` // Cost to that of the reference in the same round; 0 where there is none
}

// SetRatios computes the ratios of all rounds. A round that the reference lacks has none, and neither has one where one
// of the costs is not positive, as what is added to a latency may be.
func (s *Scenario) SetRatios() {
	reference := s.Contender(s.Reference)
	for _, c := range s.Contenders {
		for i, r := range c.Rounds {
			r.Ratio = 0
			if reference != nil && i < len(reference.Rounds) && reference.Rounds[i].Cost > 0 && r.Cost > 0 {
				r.Ratio = r.Cost / reference.Rounds[i].Cost
			}
		}
	}
}

// Contender is the contender of that name; nil where there is none.
func (s *Scenario) Contender(name string) *Contender {
	for _, c := range s.Contenders {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// Spread is the median of some rounds, and the smallest and the largest.
type Spread struct{ Median, Min, Max float64 }

// Spread is that of what pick takes from each round; zero where there was none.
func (c *Contender) Spread(pick func(*Round) float64) Spread {
	if len(c.Rounds) == 0 {
		return Spread{}
	}
	values := make([]float64, len(c.Rounds))
	for i, r := range c.Rounds {
		values[i] = pick(r)
	}
	slices.Sort(values)
	n := len(values)
	return Spread{Median: (values[(n-1)/2] + values[n/2]) / 2, Min: values[0], Max: values[n-1]}
}

// Cost is the spread of Round.Cost.
func (c *Contender) Cost() Spread { return c.Spread(func(r *Round) float64 { return r.Cost }) }

// Ratio is the spread of Round.Ratio over the rounds that have one.
func (c *Contender) Ratio() Spread {
	compared := &Contender{}
	for _, r := range c.Rounds {
		if r.Ratio != 0 {
			compared.Rounds = append(compared.Rounds, r)
		}
	}
	return compared.Spread(func(r *Round) float64 { return r.Ratio })
}

// Errors is how many calls failed in all rounds.
func (c *Contender) Errors() uint64 {
	var sum uint64
	for _, r := range c.Rounds {
		sum += r.Errors
	}
	return sum
}

// Write writes bench.json and bench.svg into the folder dir, which is made where it is missing.
func (r *Report) Write(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("report: folder of the results: %w", err)
	}
	data, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: make JSON: %w", err)
	}
	for name, data := range map[string][]byte{"bench.json": append(data, '\n'), "bench.svg": r.SVG()} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			return fmt.Errorf("report: write results: %w", err)
		}
	}
	return nil
}
