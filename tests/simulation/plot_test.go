package simulation

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

// folder is where plots go, and has the simulations run at full length.
var folder = flag.String("simulate", "", "write plots to this folder and run at full length")

// long is short, or full under "make simulate".
func long[T any](short, full T) T {
	if *folder != "" {
		return full
	}
	return short
}

// table is what was found, printed at the end of "make simulate".
var table struct {
	sync.Mutex
	rows []string // guarded by Mutex
}

func TestMain(m *testing.M) {
	code := m.Run()
	if *folder != "" && len(table.rows) > 0 {
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
		_, _ = fmt.Fprint(w, "simulation\tvariant\tfound\n"+strings.Join(table.rows, "")) // there is nobody to tell
		_ = w.Flush()                                                                     // there is nobody to tell
	}
	os.Exit(code)
}

// found notes a row of the table.
func found(t *testing.T, variant, format string, args ...any) {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	t.Logf("%s: %s", variant, text)
	table.Lock()
	defer table.Unlock()
	table.rows = append(table.rows, fmt.Sprintf("%s\t%s\t%s\n", strings.TrimPrefix(t.Name(), "TestSimulate"), variant, text))
}

// line is one figure over time.
type line struct {
	name   string
	values []float64
}

var colours = []string{"#1f6feb", "#d1495b", "#5a9367", "#e09f3e", "#8957e5", "#7d8590"}

const (
	plotWidth, plotHeight   = 960, 420
	left, right, top, below = 64, 250, 64, 44
)

// draw writes a plot of lines, whose values are step apart, as name.svg; without a folder it does nothing.
func draw(t *testing.T, name, title, unit string, step time.Duration, lines []line) {
	t.Helper()
	if *folder == "" {
		return
	}
	most, n := 0.0, 0
	for _, l := range lines {
		n = max(n, len(l.values))
		for _, v := range l.values {
			most = max(most, v)
		}
	}
	tick := 1.0
	for _, t := range []float64{0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000} {
		if tick = t; most/t <= 6 {
			break
		}
	}
	most = tick * float64(int(most/tick)+1)
	x := func(i int) float64 { return left + float64(i)/float64(max(n-1, 1))*(plotWidth-left-right) }
	y := func(v float64) float64 { return plotHeight - below - v/most*(plotHeight-top-below) }
	var b strings.Builder
	text := func(x, y float64, style, text string) {
		fmt.Fprintf(&b, `<text x="%.0f" y="%.0f" %s>%s</text>`+"\n", x, y, style, text)
	}
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" font-family="Helvetica, Arial, sans-serif" font-size="12" fill="#59636e">`+"\n", plotWidth, plotHeight, plotWidth, plotHeight)
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="#ffffff"/>`+"\n", plotWidth, plotHeight)
	text(left, 26, `font-size="16" font-weight="bold" fill="#1f2328"`, title)
	text(left, 46, "", unit)
	for v := 0.0; v <= most*1.001; v += tick {
		fmt.Fprintf(&b, `<line x1="%d" y1="%.1f" x2="%d" y2="%.1f" stroke="#d1d9e0"/>`+"\n", left, y(v), plotWidth-right, y(v))
		text(left-8, y(v)+4, `text-anchor="end"`, fmt.Sprintf("%.4g", v))
	}
	every := max(1, n/8)
	for i := 0; i < n; i += every {
		text(x(i), plotHeight-below+18, `text-anchor="middle"`, fmt.Sprintf("%.4g s", (time.Duration(i)*step).Seconds()))
	}
	for k, l := range lines {
		colour := colours[k%len(colours)]
		var points []string
		for i, v := range l.values {
			points = append(points, fmt.Sprintf("%.1f,%.1f", x(i), y(v)))
		}
		fmt.Fprintf(&b, `<polyline fill="none" stroke="%s" stroke-width="2" points="%s"/>`+"\n", colour, strings.Join(points, " "))
		at := float64(top + 8 + 20*k)
		fmt.Fprintf(&b, `<line x1="%d" y1="%.0f" x2="%d" y2="%.0f" stroke="%s" stroke-width="3"/>`+"\n", plotWidth-right+14, at-4, plotWidth-right+34, at-4, colour)
		text(plotWidth-right+40, at, `fill="#1f2328"`, l.name)
	}
	b.WriteString("</svg>\n")
	if err := os.MkdirAll(*folder, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(*folder, name+".svg"), []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
