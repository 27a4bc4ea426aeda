package filters

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/motand/motand/motan"
)

// SettingError is a setting of a filter that cannot be used. A constructor returns one, or
// several joined by [errors.Join].
type SettingError struct {
	Key     string // as written, with the method where it is one's own
	Message string // what may stand there
}

// Error names the setting.
func (e *SettingError) Error() string { return e.Key + ": " + e.Message }

// params reads the settings of a filter from the parameters of its entry. What is not written
// has the default that the reader gives; what is wrong is collected in errs.
type params struct {
	text   map[string]string
	method string // "name(desc)." where that method's own keys come first
	errs   []error
}

// look finds a key, that of the method first; empty text counts as not written.
func (p *params) look(key string) (text, written string) {
	if p.method != "" {
		if t := p.text[p.method+key]; t != "" {
			return t, p.method + key
		}
	}
	return p.text[key], key
}

func (p *params) fail(key, format string, args ...any) {
	p.errs = append(p.errs, &SettingError{Key: key, Message: fmt.Sprintf(format, args...)})
}

func (p *params) string(key, otherwise string) string {
	if text, _ := p.look(key); text != "" {
		return text
	}
	return otherwise
}

func (p *params) oneOf(key, otherwise string, known ...string) string {
	text, written := p.look(key)
	if text == "" {
		return otherwise
	}
	if !slices.Contains(known, text) {
		p.fail(written, "%.80q is not one of %s", text, strings.Join(known, ", "))
	}
	return text
}

func (p *params) bool(key string, otherwise bool) bool {
	text, written := p.look(key)
	if text == "" {
		return otherwise
	}
	b, err := strconv.ParseBool(text)
	if err != nil {
		p.fail(written, "%.80q is neither true nor false", text)
	}
	return b
}

func (p *params) int(key string, otherwise, least, most int) int {
	text, written := p.look(key)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		p.fail(written, "%.80q is not a whole number from %d to %d", text, least, most)
		return otherwise
	}
	return n
}

func (p *params) float(key string, otherwise, least, most float64) float64 {
	text, written := p.look(key)
	if text == "" {
		return otherwise
	}
	x, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(x) || x < least || x > most {
		p.fail(written, "%.80q is not a number from %g to %g", text, least, most)
		return otherwise
	}
	return x
}

// millis reads a number of milliseconds of at most a day.
func (p *params) millis(key string, otherwise time.Duration) time.Duration {
	const day = 24 * time.Hour
	return time.Duration(p.int(key, int(otherwise/time.Millisecond), 0, int(day/time.Millisecond))) * time.Millisecond
}

// list splits at commas, without blanks and empty items. It has at most 1000.
func (p *params) list(key string) []string {
	const most = 1000
	text, written := p.look(key)
	var items []string
	for item := range strings.SplitSeq(text, ",") {
		if item = strings.TrimSpace(item); item != "" {
			items = append(items, item)
		}
	}
	if len(items) > most {
		p.fail(written, "%d items, at most %d are taken", len(items), most)
		return nil
	}
	return items
}

// pairs reads a list of name=value.
func (p *params) pairs(key string) [][2]string {
	var all [][2]string
	_, written := p.look(key)
	for _, item := range p.list(key) {
		name, value, ok := strings.Cut(item, "=")
		name, value = strings.TrimSpace(name), strings.TrimSpace(value)
		if !ok || name == "" || value == "" {
			p.fail(written, "%.80q is not of the form name=value", item)
			continue
		}
		all = append(all, [2]string{name, value})
	}
	return all
}

// err is everything that was wrong, in a steady order.
func (p *params) err() error {
	slices.SortStableFunc(p.errs, func(a, b error) int { return strings.Compare(a.Error(), b.Error()) })
	p.errs = slices.CompactFunc(p.errs, func(a, b error) bool { return a.Error() == b.Error() })
	return errors.Join(p.errs...)
}

// byMethod is settings of a service, and those of methods that have some of their own.
type byMethod[T any] struct {
	whole   T
	methods map[string]*T // by "name(desc)"; "name()" is for every desc that has none of its own
}

// readMethods reads the settings of the service, and once more for each method that has one
// of the keys as its own, such as hello().timeout.limit.
func readMethods[T any](p *params, read func(*params) T, keys ...string) *byMethod[T] {
	m := &byMethod[T]{whole: read(p)}
	for full := range maps.Keys(p.text) {
		i := strings.LastIndex(full, ").")
		if i < 1 || !slices.Contains(keys, full[i+2:]) || m.methods[full[:i+1]] != nil {
			continue
		}
		own := params{text: p.text, method: full[:i+2]}
		t := read(&own)
		p.errs = append(p.errs, own.errs...)
		if m.methods == nil {
			m.methods = make(map[string]*T)
		}
		m.methods[full[:i+1]] = &t
	}
	return m
}

// of are the settings for a call.
func (m *byMethod[T]) of(c *motan.Call) *T {
	if len(m.methods) == 0 {
		return &m.whole
	}
	room := make([]byte, 0, 128)
	name := append(room, c.Request.Method()...)
	name = append(name, '(')
	bare := len(name)
	name = append(name, c.Request.MethodDesc()...)
	if t := m.methods[string(append(name, ')'))]; t != nil {
		return t
	}
	if t := m.methods[string(append(name[:bare], ')'))]; t != nil {
		return t
	}
	return &m.whole
}
