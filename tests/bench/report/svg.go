package report

import (
	"encoding/xml"
	"fmt"
	"math"
	"strings"
)

// The plot in pixels: panels side by side in columns, each with one bar a contender.
const (
	panelColumns = 2
	panelWidth   = 560
	margin       = 24
	nameWidth    = 128 // left of the bars
	valueWidth   = 168 // right of the bars
	barHeight    = 18
	barStep      = 28
	titleHeight  = 56 // of a panel
	axisHeight   = 28
	headHeight   = 92 // of the plot
)

// colours are those of contenders, by name; others take turns on the rest.
var colours = map[string]string{"motand": "#1f6feb", "motan-go": "#d1495b", "HAProxy": "#7d8590", "nginx": "#5a9367"}

var otherColours = []string{"#8957e5", "#e09f3e", "#2a9d8f", "#b5838d"}

// SVG is a plot: for each scenario a panel with the median cost of each contender as a bar, its smallest and largest
// round as a whisker, and the ratio to the reference. Every panel has a scale of its own that begins at 0.
func (r *Report) SVG() []byte {
	scenarios := r.plotted()
	heights := make([]int, panelColumns) // how far each column is filled
	for i := range heights {
		heights[i] = headHeight
	}
	p := &plot{colour: make(map[string]string)}
	for _, s := range scenarios {
		column := 0
		for i, h := range heights {
			if h < heights[column] {
				column = i
			}
		}
		x := margin + column*(panelWidth+margin)
		heights[column] += p.panel(s, x, heights[column])
	}
	width := margin + panelColumns*(panelWidth+margin)
	height := margin
	for _, h := range heights {
		height = max(height, h+margin)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Helvetica, Arial, sans-serif" font-size="13" fill="#1f2328">`+"\n", width, height, width, height)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", width, height)
	fmt.Fprintf(&b, `<text x="%d" y="34" font-size="20" font-weight="bold">motand: what a call costs</text>`+"\n", margin)
	m := r.Machine
	for i, line := range []string{
		fmt.Sprintf("Shorter is better. Bar: median of %d × %g s; whisker: smallest to largest round; ×: ratio to the reference, ref.", r.Rounds, r.Seconds),
		fmt.Sprintf("%s · %s, %d CPUs, load %s · getppid %.2f µs, loopback write+read %.1f µs",
			r.Date.Format("2006-01-02"), m.CPU, m.CPUs, m.Load, m.Getppid.Seconds()*1e6, m.Loopback.Seconds()*1e6),
	} {
		fmt.Fprintf(&b, `<text x="%d" y="%d" fill="#59636e">%s</text>`+"\n", margin, 56+18*i, escape(line))
	}
	b.WriteString(p.b.String())
	b.WriteString("</svg>\n")
	return []byte(b.String())
}

// plotted are the scenarios in which something was measured.
func (r *Report) plotted() []*Scenario {
	var found []*Scenario
	for _, s := range r.Scenarios {
		for _, c := range s.Contenders {
			if len(c.Rounds) > 0 {
				found = append(found, s)
				break
			}
		}
	}
	return found
}

// plot collects the panels.
type plot struct {
	b      strings.Builder
	colour map[string]string // of contenders that have none in colours
}

// panel draws a scenario with its upper left corner at x, y and returns how high it is.
func (p *plot) panel(s *Scenario, x, y int) int {
	most := 0.0
	var shown []*Contender
	for _, c := range s.Contenders {
		if len(c.Rounds) > 0 {
			shown = append(shown, c)
			most = max(most, c.Cost().Max)
		}
	}
	step := tick(most)
	scale := float64(panelWidth-nameWidth-valueWidth) / max(most, step)
	left, top := float64(x+nameWidth), y+titleHeight
	bottom := top + len(shown)*barStep
	p.text(x, y+22, "15", "bold", "#1f2328", "start", s.ID+"  "+s.Title)
	goal := s.Kind.Unit()
	if s.Goal > 0 {
		target := "goal: at most " + number(s.Goal) + " × " + s.Reference
		if s.Kind == Memory {
			target = "goal: at most " + number(s.Goal)
		}
		goal += "; " + target
	}
	p.text(x, y+41, "12", "normal", "#59636e", "start", goal)
	for v := 0.0; v <= most+step/1e6; v += step {
		at := left + v*scale
		fmt.Fprintf(&p.b, `<line x1="%.1f" y1="%d" x2="%.1f" y2="%d" stroke="#d1d9e0"/>`+"\n", at, top-4, at, bottom)
		p.text(int(at), bottom+14, "11", "normal", "#59636e", "middle", trim(v))
	}
	for i, c := range shown {
		p.bar(s, c, x, top+i*barStep, left, scale)
	}
	return titleHeight + len(shown)*barStep + axisHeight
}

// bar draws one contender; y is its upper edge, left the zero of the scale.
func (p *plot) bar(s *Scenario, c *Contender, x, y int, left, scale float64) {
	cost := c.Cost()
	p.text(x+nameWidth-8, y+barHeight-5, "13", "normal", "#1f2328", "end", c.Name)
	fmt.Fprintf(&p.b, `<rect x="%.1f" y="%d" width="%.1f" height="%d" rx="2" fill="%s"/>`+"\n",
		left, y, max(cost.Median*scale, 1), barHeight, p.colourOf(c.Name))
	middle := y + barHeight/2
	from, to := left+max(cost.Min, 0)*scale, left+max(cost.Max, 0)*scale
	if to-from >= 1 {
		fmt.Fprintf(&p.b, `<path d="M%.1f %dV%dM%.1f %dH%.1fM%.1f %dV%d" stroke="#1f2328" stroke-width="1.5" fill="none"/>`+"\n",
			from, middle-4, middle+4, from, middle, to, to, middle-4, middle+4)
	}
	label := number(cost.Median)
	switch ratio := c.Ratio().Median; {
	case c.Name == s.Reference:
		label += "  ref"
	case ratio != 0:
		label += fmt.Sprintf("  %s×", number(ratio))
	}
	if n := c.Errors(); n > 0 {
		label += fmt.Sprintf("  %d errors", n)
	}
	at := max(to, left+max(cost.Median, 0)*scale)
	p.text(int(at)+8, y+barHeight-5, "12", "normal", "#1f2328", "start", label)
}

func (p *plot) text(x, y int, size, weight, fill, anchor, text string) {
	fmt.Fprintf(&p.b, `<text x="%d" y="%d" font-size="%s" font-weight="%s" fill="%s" text-anchor="%s" xml:space="preserve" stroke="#ffffff" stroke-width="3" paint-order="stroke">%s</text>`+"\n",
		x, y, size, weight, fill, anchor, escape(text))
}

// colourOf is the colour of a contender, the same in all panels. Variants of one, "motand, 10k services", have its colour.
func (p *plot) colourOf(name string) string {
	base, _, _ := strings.Cut(name, ",")
	if c, ok := colours[base]; ok {
		return c
	}
	if _, ok := p.colour[base]; !ok {
		p.colour[base] = otherColours[len(p.colour)%len(otherColours)]
	}
	return p.colour[base]
}

// tick is a distance of 1, 2 or 5 times a power of ten that makes three to seven marks up to most.
func tick(most float64) float64 {
	if most <= 0 || math.IsInf(most, 0) || math.IsNaN(most) {
		return 1
	}
	power := math.Pow(10, math.Floor(math.Log10(most)))
	for _, f := range []float64{0.2, 0.5, 1} {
		if most/(f*power) <= 7 {
			return f * power
		}
	}
	return 2 * power
}

// trim is v without digits that say nothing.
func trim(v float64) string { return fmt.Sprintf("%.4g", v) }

func escape(text string) string {
	var b strings.Builder
	if err := xml.EscapeText(&b, []byte(text)); err != nil {
		return "" // a strings.Builder takes everything
	}
	return b.String()
}
