package report

import (
	"fmt"
	"math"
	"strings"
	"unicode/utf8"
)

// Table is the figures for people to read. Markdown makes tables of it, for a page, instead of aligned text.
func (r *Report) Table(markdown bool) string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%s, %d CPUs, Linux %s, %s, load %s: getppid %.2f µs, loopback write+read of 64 B %.1f µs\n",
		m.CPU, m.CPUs, m.Kernel, m.Go, m.Load, m.Getppid.Seconds()*1e6, m.Loopback.Seconds()*1e6)
	fmt.Fprintf(&b, "%d x %g s, contenders in turn; median (smallest..largest); %s\n", r.Rounds, r.Seconds, r.Date.Format("2006-01-02 15:04 MST"))
	for _, text := range r.Missing {
		fmt.Fprintf(&b, "left out: %s\n", text)
	}
	for _, kind := range []Kind{CPU, Memory, Latency} {
		rows := r.rows(kind)
		if len(rows) == 0 {
			continue
		}
		b.WriteByte('\n')
		header := header(kind)
		if markdown {
			writeMarkdown(&b, header, rows)
		} else {
			writeAligned(&b, header, rows)
		}
	}
	notes := false
	for _, s := range r.Scenarios {
		for _, note := range s.Notes {
			if !notes {
				b.WriteByte('\n')
				notes = true
			}
			fmt.Fprintf(&b, "%s: %s\n", s.ID, note)
		}
	}
	return b.String()
}

func header(kind Kind) []string {
	switch kind {
	case Memory:
		return []string{"scenario", "contender", "connections", kind.Unit(), "ratio", "RSS MiB", "goal"}
	case Latency:
		return []string{"scenario", "contender", "calls/s", "added p50", "added p99", "added p99.9 µs", "ratio of p99", "errors", "goal"}
	default:
		return []string{"scenario", "contender", "calls/s", "p50 µs", "p99", "p99.9", kind.Unit(), "ratio", "RSS MiB", "errors", "goal"}
	}
}

// rows are the lines of all scenarios of a kind; an empty cell repeats what is above.
func (r *Report) rows(kind Kind) [][]string {
	var rows [][]string
	for _, s := range r.Scenarios {
		if s.Kind != kind {
			continue
		}
		title := s.ID + " " + s.Title
		for _, c := range s.Contenders {
			rows = append(rows, s.row(title, c))
			title = ""
		}
	}
	return rows
}

// row is the line of one contender.
func (s *Scenario) row(title string, c *Contender) []string {
	if len(c.Rounds) == 0 {
		return []string{title, c.Name, "left out: " + brief(c.Failed)}
	}
	median := func(pick func(*Round) float64) string { return number(c.Spread(pick).Median) }
	rate := fmt.Sprintf("%.0f", c.Spread(func(r *Round) float64 { return r.Rate }).Median)
	p50 := median(func(r *Round) float64 { return r.P50 })
	p99 := median(func(r *Round) float64 { return r.P99 })
	p999 := median(func(r *Round) float64 { return r.P999 })
	rss := median(func(r *Round) float64 { return float64(r.RSS) / (1 << 20) })
	cost, ratio := c.Cost().text(), c.Ratio().text()
	failures := fmt.Sprint(c.Errors())
	if c.Failed != "" {
		failures += " " + brief(c.Failed)
	}
	goal := s.verdict(c)
	switch s.Kind {
	case Memory:
		calls := fmt.Sprintf("%.0f", c.Spread(func(r *Round) float64 { return float64(r.Calls) }).Median)
		return []string{title, c.Name, calls, cost, ratio, rss, goal}
	case Latency:
		return []string{title, c.Name, rate, p50, cost, p999, ratio, failures, goal}
	default:
		return []string{title, c.Name, rate, p50, p99, p999, cost, ratio, rss, failures, goal}
	}
}

// verdict tells whether motand has reached the goal; empty for the others.
func (s *Scenario) verdict(c *Contender) string {
	if s.Goal == 0 || c.Name == s.Reference || !strings.HasPrefix(c.Name, "motand") {
		return ""
	}
	got, goal := c.Ratio().Median, s.Goal
	reference := s.Contender(s.Reference)
	switch {
	case s.Kind == Memory:
		got = c.Cost().Median
	case reference == nil || len(reference.Rounds) == 0:
		return ""
	case s.Kind == Latency: // rounds may have no ratio
		got, goal = c.Cost().Median, s.Goal*reference.Cost().Median
	}
	if got <= goal {
		return "reached <= " + number(s.Goal)
	}
	return "MISSED <= " + number(s.Goal)
}

// brief is the first line of a text, and of that no more than a table has room for.
func brief(text string) string {
	text, _, _ = strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > 120 {
		return string(runes[:120]) + "…"
	}
	return text
}

// text is "median (min..max)", empty for what was never measured.
func (s Spread) text() string {
	if s == (Spread{}) {
		return ""
	}
	if s.Min == s.Max {
		return number(s.Median)
	}
	return fmt.Sprintf("%s (%s..%s)", number(s.Median), number(s.Min), number(s.Max))
}

// number has about three digits.
func number(f float64) string {
	switch a := math.Abs(f); {
	case a >= 100:
		return fmt.Sprintf("%.0f", f)
	case a >= 10:
		return fmt.Sprintf("%.1f", f)
	default:
		return fmt.Sprintf("%.2f", f)
	}
}

// leftColumns are set flush left, the others, which are figures, flush right.
const leftColumns = 2

func writeAligned(b *strings.Builder, header []string, rows [][]string) {
	widths := make([]int, len(header))
	for _, row := range append([][]string{header}, rows...) {
		for i, cell := range row {
			if len(row) == len(header) {
				widths[i] = max(widths[i], utf8.RuneCountInString(cell))
			}
		}
	}
	for _, row := range rows {
		for i, cell := range row[:leftColumns] {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	for _, row := range append([][]string{header}, rows...) {
		var line strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", max(widths[i]-utf8.RuneCountInString(cell), 0))
			if i < leftColumns || len(row) < len(header) {
				line.WriteString(cell + pad)
			} else {
				line.WriteString(pad + cell)
			}
			line.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
	}
}

func writeMarkdown(b *strings.Builder, header []string, rows [][]string) {
	b.WriteString("| " + strings.Join(header, " | ") + " |\n|")
	for i := range header {
		if i < leftColumns {
			b.WriteString(" --- |")
		} else {
			b.WriteString(" ---: |")
		}
	}
	b.WriteByte('\n')
	for _, row := range rows {
		cells := make([]string, len(header))
		for i, cell := range row {
			cells[i] = strings.ReplaceAll(cell, "|", `\|`)
		}
		b.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
}
