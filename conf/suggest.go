package conf

import (
	"slices"
	"strings"
	"unicode/utf8"
)

// What is compared at most: hostile files must not make suggestions expensive.
const (
	maxSuggestBytes = 64
	maxCandidates   = 1000
)

// nearest gives the candidate with the smallest edit distance to name, if that is at most limit and smaller than the
// name is long. A difference in case alone is always near. The first of equals wins.
func nearest(name string, candidates []string, limit int) (string, bool) {
	if len(name) > maxSuggestBytes || len(candidates) > maxCandidates {
		return "", false
	}
	best, found := "", limit+1
	for _, c := range candidates {
		if strings.EqualFold(c, name) {
			return c, true
		}
		if d := distance(name, c, limit); d < found {
			best, found = c, d
		}
	}
	return best, found <= limit && found < utf8.RuneCountInString(name)
}

// near is nearest for keys that may well be meant as they are: two edits, one in short names.
func near(name string, candidates []string) (string, bool) {
	if len(name) <= 4 {
		return nearest(name, candidates, 1)
	}
	return nearest(name, candidates, 2)
}

// didYouMean gives the end of a message about an unknown name: the nearest known one, else the known ones if they are
// few.
func didYouMean(name string, candidates []string) string {
	if c, ok := nearest(name, candidates, max(2, len(name)/3)); ok {
		return "; did you mean " + quote(c) + "?"
	}
	if n := len(candidates); n == 0 || n > 12 {
		return ""
	}
	known := make([]string, 0, len(candidates))
	for _, c := range slices.Sorted(slices.Values(candidates)) {
		known = append(known, quote(c))
	}
	return "; known: " + strings.Join(known, ", ")
}

// distance counts insertions, deletions, changes and swaps of neighbours between a and b (optimal string alignment).
// It gives limit+1 where there are more than limit.
func distance(a, b string, limit int) int {
	s, t := []rune(a), []rune(b)
	if len(s)-len(t) > limit || len(t)-len(s) > limit {
		return limit + 1
	}
	before, last, row := make([]int, len(t)+1), make([]int, len(t)+1), make([]int, len(t)+1)
	for j := range last {
		last[j] = j
	}
	for i := 1; i <= len(s); i++ {
		row[0] = i
		for j := 1; j <= len(t); j++ {
			cost := 1
			if s[i-1] == t[j-1] {
				cost = 0
			}
			row[j] = min(last[j]+1, row[j-1]+1, last[j-1]+cost)
			if i > 1 && j > 1 && s[i-1] == t[j-2] && s[i-2] == t[j-1] {
				row[j] = min(row[j], before[j-2]+1)
			}
		}
		before, last, row = last, row, before
	}
	return min(last[len(t)], limit+1)
}
