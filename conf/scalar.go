package conf

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// scalar gives the canonical text of a value of the key's type, or reports why it is none. The zero Key, for unknown
// keys, takes any text.
func (c *checker) scalar(s source, k Key, p pair) (string, bool) {
	n, path := p.value, s.path+"."+p.key
	if n.kind != scalarNode {
		if k.Type == "" {
			c.f.warnf(n.at, path, "%s is %s, which cannot be carried as a parameter; write it as text", quote(p.key), n.describe())
			return "", false
		}
		c.f.errorf(n.at, path, "%s must be %s; got %s", quote(p.key), k.expected(), n.describe())
		return "", false
	}
	text := strings.TrimSpace(n.text)
	if strings.ContainsAny(text, "\r\n\x00") {
		c.f.errorf(n.at, path, "%s must be one line of text", quote(p.key))
		return "", false
	}
	if text == "" {
		return "", true
	}
	canonical, hint, ok := k.parse(text)
	if !ok {
		c.f.errorf(n.at, path, "%s must be %s; got %s%s", quote(p.key), k.expected(), quote(n.text), hint)
		return "", false
	}
	if number := k.Type == Int || k.Type == Port; number && n.quoted && (s.strict || k.Name == "port") {
		c.f.warnf(n.at, path, "%s is a number in quotes, with which motan-go does not start; write %s: %s", quote(p.key), p.key, canonical)
	}
	if k.belowMin(canonical) {
		c.f.warnf(n.at, path, "%s stands for the default here%s", p.key+": "+canonical, k.defaultHint())
		return "", false
	}
	return canonical, true
}

// belowMin says whether a number is one that motan-go replaces with the default: 0 and less where 1 is the least.
func (k Key) belowMin(text string) bool {
	if k.Type != Int && k.Type != Port || k.least() < 1 {
		return false
	}
	n, _ := strconv.ParseInt(text, 10, 64)
	return n < 1
}

func (k Key) least() int64 {
	if k.Type == Port {
		return 1
	}
	return k.Min
}

func (k Key) defaultHint() string {
	if k.Default == "" {
		return ""
	}
	return ", " + k.Default
}

// expected describes what the key takes, with an example.
func (k Key) expected() string {
	switch k.Type {
	case Bool:
		return "true or false"
	case Int:
		unit := map[string]string{"ms": " of milliseconds", "s": " of seconds", "bytes": " of bytes"}[k.Unit]
		return fmt.Sprintf("a whole number%s from %d to %d, such as %s", unit, k.Min, k.most(), k.example(1000))
	case Port:
		return "a port from 1 to 65535, such as " + k.example(2181)
	case Float:
		return "a number, such as " + k.example(100)
	case List:
		return fmt.Sprintf("text with commas between the items, %d at most, such as a,b", k.most())
	case Mapping:
		return "a mapping"
	case Items:
		return "a list"
	}
	if len(k.Values) > 0 {
		return "one of " + strings.Join(k.Values, ", ")
	}
	return "text"
}

func (k Key) example(otherwise int64) string {
	if k.Default != "" && k.Default != "0" {
		return k.Default
	}
	return strconv.FormatInt(min(k.most(), otherwise), 10)
}

func (k Key) most() int64 {
	switch {
	case k.Type == Port:
		return 65535
	case k.Max != 0:
		return k.Max
	case k.Type == List:
		return maxItems
	}
	return maxInt
}

// parse gives the canonical form of a text, or a hint that ends the message about it.
func (k Key) parse(text string) (canonical, hint string, ok bool) {
	switch k.Type {
	case Bool:
		canonical, ok = parseBool(text)
		return canonical, "", ok
	case Int, Port:
		return k.parseInt(text)
	case List:
		return text, "", int64(strings.Count(text, ",")) < k.most()
	case Float:
		x, err := strconv.ParseFloat(text, 64)
		return text, "", err == nil && x >= 0 && !math.IsInf(x, 0)
	}
	if len(k.Values) == 0 || slices.Contains(k.Values, text) {
		return text, "", true
	}
	if v, ok := nearest(text, k.Values, 2); ok {
		return "", "; did you mean " + quote(v) + "?", false
	}
	return "", "", false
}

// parseBool takes what YAML 1.1 and motan-go take for booleans.
func parseBool(text string) (canonical string, ok bool) {
	switch strings.ToLower(text) {
	case "true", "t", "yes", "y", "on", "1":
		return "true", true
	case "false", "f", "no", "n", "off", "0":
		return "false", true
	}
	return "", false
}

func (k Key) parseInt(text string) (canonical, hint string, ok bool) {
	digits := strings.TrimLeft(text, "+-")
	if len(digits) > 1 && digits[0] == '0' && digits[1] >= '0' && digits[1] <= '9' {
		return "", "; a number that begins with 0 is octal in YAML, so leave the 0 out", false
	}
	n, err := strconv.ParseInt(text, 0, 64)
	if err != nil {
		d, err := time.ParseDuration(text)
		switch {
		case err == nil && k.Unit == "ms":
			hint = fmt.Sprintf("; write %d", d.Milliseconds())
		case err == nil && k.Unit == "s":
			hint = fmt.Sprintf("; write %d", d/time.Second)
		}
		return "", hint, false
	}
	lowest := k.least()
	if lowest > 0 {
		lowest = math.MinInt32 // stands for the default, see belowMin
	}
	return strconv.FormatInt(n, 10), "", n >= lowest && n <= k.most()
}
