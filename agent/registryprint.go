package agent

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/motand/motand/registry"
)

// printNames writes one name a line, or a JSON array.
func (o *registryOptions) printNames(w io.Writer, names []string) error {
	if o.output == "json" {
		return printJSON(w, append([]string{}, names...))
	}
	for _, name := range names {
		if _, err := fmt.Fprintln(w, shown(name)); err != nil {
			return err
		}
	}
	return nil
}

// printEntries writes a table, or a JSON array.
func (o *registryOptions) printEntries(w io.Writer, entries []registry.Entry) error {
	if o.output == "json" {
		return printJSON(w, append([]registry.Entry{}, entries...))
	}
	if len(entries) == 0 {
		return nil
	}
	var text bytes.Buffer
	text.WriteString("KIND\tNAME\tPROTOCOL\tVERSION\tAPPLICATION\tSESSION\tWRITTEN\tPROBLEM\n")
	for _, e := range entries {
		fmt.Fprintf(&text, "%s\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", e.Kind, shown(e.Name), orDash(e.Node.Protocol), orDash(e.Node.Version),
			orDash(e.Node.Params["application"]), orDash(e.Session), e.Modified.Format(time.DateTime), shown(e.Problem))
		if o.long {
			fmt.Fprintf(&text, "\t%s\n", shown(e.Text))
		}
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	if _, err := t.Write(text.Bytes()); err != nil {
		return err
	}
	return t.Flush()
}

// printChange writes what became of a list.
func (o *registryOptions) printChange(w io.Writer, before, now []string) error {
	at := time.Now()
	added, removed := without(now, before), without(before, now)
	if o.output == "json" {
		return json.NewEncoder(w).Encode(struct {
			Time    time.Time `json:"time"`
			Nodes   []string  `json:"nodes"`
			Added   []string  `json:"added,omitempty"`
			Removed []string  `json:"removed,omitempty"`
		}{at, append([]string{}, now...), added, removed})
	}
	var line strings.Builder
	fmt.Fprintf(&line, "%s  %d nodes", at.Format(time.TimeOnly), len(now))
	for _, a := range added {
		line.WriteString("  +" + a)
	}
	for _, a := range removed {
		line.WriteString("  -" + a)
	}
	if len(added)+len(removed) == 0 && len(before) > 0 {
		line.WriteString("  parameters changed")
	}
	_, err := fmt.Fprintln(w, line.String())
	return err
}

// without returns what of all is not among others, in order.
func without(all, others []string) []string {
	among := make(map[string]bool, len(others))
	for _, a := range others {
		among[a] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(a string) bool { return among[a] })
}

func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

// shown is text for a terminal: what others have written must not move its cursor.
func shown(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, text)
}

func orDash(text string) string {
	if text == "" {
		return "-"
	}
	return shown(text)
}
