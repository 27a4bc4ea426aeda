package registry

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

const (
	unixScheme = "unix://"

	// maxURLBytes bounds the text of one URL; the longest seen in the field is about 1 KiB.
	maxURLBytes = 64 << 10
	// maxURLParams bounds the parameters of one URL; the longest seen in the field has about 40.
	maxURLParams = 512
	// maxHostBytes is the longest name that DNS knows; a unix path is shorter (108 bytes).
	maxHostBytes = 253
)

// ErrNoURL is returned for empty text, which some writers leave in a node instead of a URL.
var ErrNoURL = errors.New("registry: no URL: the text is empty")

// URL is what Motan keeps in a registry about a provider or a consumer (motan protocol, section 6.1).
type URL struct {
	Protocol string            // may be empty: motan-go writes its agents without one
	Host     string            // an IP (v6 without brackets), a name, or "unix:///path"
	Port     int               // 0 when there is none
	Path     string            // the service, without a leading slash
	Group    string            // the parameter of that name
	Params   map[string]string // all other parameters; nil when there are none
}

// ParseURL reads the text of a registry node in the dialects of Motan Java (percent-encoded, trailing "&", perhaps as a
// serialized Java string) and motan-go (nothing encoded), with the quirks of both (motan protocol, section 5.2). A
// parameter without "=" is its own value; of two with one name the later counts; what cannot be decoded stays as it is.
// The error is ErrNoURL when text is empty or a serialized null.
func ParseURL(text string) (URL, error) {
	text, err := decodeText(text)
	if err != nil {
		return URL{}, err
	}
	if text == "" {
		return URL{}, ErrNoURL
	}
	if len(text) > maxURLBytes {
		return URL{}, fmt.Errorf("registry: parse URL: %d bytes of text are more than the %d allowed", len(text), maxURLBytes)
	}
	if !utf8.ValidString(text) {
		return URL{}, errors.New("registry: parse URL: the text is not UTF-8")
	}
	address, query, _ := strings.Cut(text, "?")
	protocol, rest, ok := strings.Cut(address, "://")
	if !ok || !validScheme(protocol) {
		return URL{}, fmt.Errorf("registry: parse URL: %.60q does not begin with protocol://", text)
	}
	u := URL{Protocol: protocol}
	if u.Host, u.Port, u.Path, err = splitAddress(rest); err != nil {
		return URL{}, fmt.Errorf("registry: parse URL %.60q: %w", text, err)
	}
	if u.Params, err = splitQuery(query); err != nil {
		return URL{}, fmt.Errorf("registry: parse URL %.60q: %w", text, err)
	}
	if group, ok := u.Params["group"]; ok {
		u.Group = group
		delete(u.Params, "group")
		if len(u.Params) == 0 {
			u.Params = nil
		}
	}
	return u, nil
}

// AppendURL appends u as text that both dialects' readers understand, and returns the extended slice: group first, then
// the other parameters sorted by name, everything percent-encoded except letters, digits and "._-:,".
func AppendURL(dst []byte, u URL) []byte {
	dst = append(append(dst, u.Protocol...), "://"...)
	dst = append(append(dst, hostPort(u.Host, u.Port)...), '/')
	dst = append(dst, u.Path...)
	keys := make([]string, 0, len(u.Params))
	for k := range u.Params {
		if k != "group" && k != "" {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	separator := byte('?')
	if u.Group != "" {
		dst = appendParam(dst, separator, "group", u.Group)
		separator = '&'
	}
	for _, k := range keys {
		dst = appendParam(dst, separator, k, u.Params[k])
		separator = '&'
	}
	return dst
}

// hostPort is Node.Addr, except that a port of 0 is written even for a unix path: that is how motan-go tells where the
// path ends.
func hostPort(host string, port int) string {
	if strings.Contains(host, ":") && !strings.HasPrefix(host, unixScheme) {
		host = "[" + host + "]"
	}
	return host + ":" + strconv.Itoa(port)
}

func appendParam(dst []byte, separator byte, key, value string) []byte {
	dst = append(dst, separator)
	dst = appendEscaped(dst, key)
	dst = append(dst, '=')
	return appendEscaped(dst, value)
}

// appendEscaped percent-encodes what Java's and motan-go's readers would not both take as it is. Parentheses occur in the
// names of method parameters, hello(String).requestTimeout, which motan-go looks up undecoded.
func appendEscaped(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9', strings.IndexByte("._-:,()", c) >= 0:
			dst = append(dst, c)
		default:
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

// splitQuery reads k=v&k=v. Values are decoded only where the writer encoded: Java ends the text with "&", and an
// encoded character is a "%"; motan-go's raw "a+b" stays.
func splitQuery(query string) (map[string]string, error) {
	if query == "" {
		return nil, nil
	}
	if n := strings.Count(query, "&"); n > maxURLParams {
		return nil, fmt.Errorf("%d parameters are more than the %d allowed", n, maxURLParams)
	}
	encoded := strings.HasSuffix(query, "&") || strings.Contains(query, "%")
	params := make(map[string]string)
	for part := range strings.SplitSeq(query, "&") {
		if part == "" {
			continue
		}
		key, value, ok := strings.Cut(part, "=")
		if !ok {
			value = key
		}
		if encoded {
			key, value = decoded(key), decoded(value)
		}
		if key != "" {
			params[key] = value
		}
	}
	if len(params) == 0 {
		return nil, nil
	}
	return params, nil
}

// decoded returns s with "+" and percent codes resolved, or s itself when that makes no sense (a raw "%s").
func decoded(s string) string {
	d, err := url.QueryUnescape(s)
	if err != nil || !utf8.ValidString(d) {
		return s
	}
	return d
}

// splitAddress reads host:port/path, where host may be an IPv6 address with or without brackets, or unix:///file.
func splitAddress(s string) (host string, port int, path string, err error) {
	if strings.HasPrefix(s, unixScheme) {
		host, port, path = splitUnix(s)
		return host, port, path, checkHost(host)
	}
	authority, path, _ := strings.Cut(s, "/")
	host, digits := authority, ""
	switch colon := strings.LastIndexByte(authority, ':'); {
	case strings.HasPrefix(authority, "["):
		end := strings.IndexByte(authority, ']')
		if end < 0 || (end+1 < len(authority) && authority[end+1] != ':') {
			return "", 0, "", fmt.Errorf("%q is not [address]:port", authority)
		}
		host, digits = authority[1:end], strings.TrimPrefix(authority[end+1:], ":")
	case colon >= 0:
		host, digits = authority[:colon], authority[colon+1:]
		if strings.IndexByte(authority, ':') == colon {
			break // no IPv6
		}
		if whole, err := netip.ParseAddr(authority); err == nil && whole.Is6() {
			// Ambiguous without brackets. Every writer appends a port, so the last group is it unless nothing valid is left.
			if _, err := netip.ParseAddr(host); err != nil {
				host, digits = authority, ""
			}
		}
	}
	if port, err = parsePort(digits); err != nil {
		return "", 0, "", err
	}
	return host, port, strings.TrimPrefix(path, "/"), checkHost(host)
}

// splitUnix reads unix:///file:0/service, motan-go's way to write a socket; without ":port" all of it is the file.
func splitUnix(s string) (host string, port int, path string) {
	for i := min(len(s)-1, len(unixScheme)+maxHostBytes); i > len(unixScheme); i-- {
		if s[i] != ':' {
			continue
		}
		digits, service, _ := strings.Cut(s[i+1:], "/")
		if p, err := parsePort(digits); err == nil && digits != "" {
			return s[:i], p, service
		}
	}
	return s, 0, ""
}

func parsePort(digits string) (int, error) {
	if digits == "" {
		return 0, nil
	}
	if port, err := strconv.ParseUint(digits, 10, 16); err == nil {
		return int(port), nil
	}
	// Java writes negative ports for "none".
	if n, err := strconv.Atoi(digits); err == nil && n < 0 {
		return 0, nil
	}
	return 0, fmt.Errorf("port %.20q is not a number from 0 to 65535", digits)
}

// checkHost accepts an IP without zone, a name of letters, digits, ".", "-" and "_", or an absolute unix path.
func checkHost(host string) error {
	if path, ok := strings.CutPrefix(host, unixScheme); ok {
		if !strings.HasPrefix(path, "/") || len(path) < 2 || len(path) > maxHostBytes || strings.ContainsFunc(path, isControl) {
			return fmt.Errorf("%.60q is not unix:// and an absolute path", host)
		}
		return nil
	}
	if strings.Contains(host, ":") {
		if ip, err := netip.ParseAddr(host); err != nil || ip.Zone() != "" {
			return fmt.Errorf("host %.60q is neither an address nor a name", host)
		}
		return nil
	}
	if host == "" || len(host) > maxHostBytes || strings.ContainsFunc(host, func(r rune) bool { return !isNameRune(r) }) {
		return fmt.Errorf("host %.60q is neither an address nor a name", host)
	}
	return nil
}

func isNameRune(r rune) bool {
	return 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '.' || r == '-' || r == '_'
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

func validScheme(s string) bool {
	return len(s) <= 64 && !strings.ContainsFunc(s, func(r rune) bool { return !isNameRune(r) && r != '+' })
}
