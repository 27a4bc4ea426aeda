package httpbridge

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/valyala/fasthttp"

	"github.com/motand/motand/motan"
)

var (
	motanPrefix = []byte("MOTAN-")      // MOTAN-g is M_g
	metaPrefix  = []byte("Motan-Meta-") // Motan-Meta-x is the attachment x
)

// What is shown of a reply's metadata in the headers of an answer; more does not fit what HTTP clients read.
const (
	shownPairs = 512
	shownBytes = 64 << 10
)

// headers is what the headers of a request to /rpc say beside the metadata that they become. Its texts belong to the
// request.
type headers struct {
	contentType    []byte
	encoding       []byte // Content-Encoding
	accept         []byte
	acceptEncoding []byte
	origin         []byte
	site           []byte // Sec-Fetch-Site
	mode           []byte // Sec-Fetch-Mode
	requestID      []byte // X-Request-Id
	timeout        int    // the shortest that is asked for, in ms; 0 is none
}

// maxRequestID bounds X-Request-Id, which goes into every log on the way.
const maxRequestID = 128

// take reads one header of a request to /rpc and makes it metadata of f where that is its meaning:
//
//	MOTAN-g, -v, -tmo, -pp, -s, -mdu, -md, -rid   the metadata M_g and so on; the names in either case
//	Motan-Meta-<key>                              the metadata <key>, with its case as it was sent
//	X-Timeout-Ms, grpc-timeout                    M_tmo; of several the shortest counts
//	X-Request-Id                                  M_rid if it is a number, else the metadata X-Request-Id
//	Idempotency-Key                               the metadata of that name
//	traceparent, tracestate, b3, X-B3-*           the metadata of that name, in lower case
//
// Of a repeated header the last one counts. All other headers stay here.
func (h *headers) take(f *motan.Frame, name, value []byte) error {
	switch {
	case hasPrefixFold(name, metaPrefix):
		return takeAttachment(f, name, value)
	case hasPrefixFold(name, motanPrefix):
		key := motanKey(name[len(motanPrefix):])
		if key == "" {
			return nil
		}
		if key == "M_tmo" {
			ms, ok := parseMillis(value)
			return h.limit(name, ms, ok, "a positive number of milliseconds")
		}
		return carry(f, key, name, value)
	}
	switch len(name) {
	case len("Accept"):
		switch {
		case equalFold(name, "Accept"):
			h.accept = value
		case equalFold(name, "Origin"):
			h.origin = value
		}
	case len("X-Request-Id"): // and Content-Type, X-Timeout-Ms, grpc-timeout
		switch {
		case equalFold(name, "Content-Type"):
			h.contentType = value
		case equalFold(name, "X-Request-Id"):
			return h.takeRequestID(f, name, value)
		case equalFold(name, "X-Timeout-Ms"):
			ms, ok := parseMillis(value)
			return h.limit(name, ms, ok, "a positive number of milliseconds")
		case equalFold(name, "grpc-timeout"):
			ms, ok := parseGRPCTimeout(value)
			return h.limit(name, ms, ok, "up to eight digits and a unit of H, M, S, m, u and n, such as 250m")
		}
	case len("Sec-Fetch-Site"): // and -Mode
		switch {
		case equalFold(name, "Sec-Fetch-Site"):
			h.site = value
		case equalFold(name, "Sec-Fetch-Mode"):
			h.mode = value
		}
	case len("Idempotency-Key"): // and Accept-Encoding
		switch {
		case equalFold(name, "Accept-Encoding"):
			h.acceptEncoding = value
		case equalFold(name, "Idempotency-Key"):
			return carry(f, "Idempotency-Key", name, value)
		}
	case len("Content-Encoding"):
		if equalFold(name, "Content-Encoding") {
			h.encoding = value
		}
	}
	setTrace(f, name, value)
	return nil
}

// equalFold is for two texts of one length.
func equalFold(name []byte, want string) bool {
	return string(name) == want || bytes.EqualFold(name, []byte(want))
}

// takeAttachment reads Motan-Meta-<key>.
func takeAttachment(f *motan.Frame, name, value []byte) error {
	key := name[len(metaPrefix):]
	if !isToken(key) {
		return fmt.Errorf("header %.100q: %w", name, errNotToken)
	}
	if bytes.HasPrefix(key, []byte("M_")) || bytes.EqualFold(key, []byte("host")) {
		return fmt.Errorf("header %.100q: M_… and host are reserved; there are MOTAN-g, MOTAN-v, MOTAN-tmo, MOTAN-pp, "+
			"MOTAN-s, MOTAN-mdu, MOTAN-md and MOTAN-rid", name)
	}
	return carry(f, string(key), name, value)
}

// carry sets the metadata key to the value of a header.
func carry(f *motan.Frame, key string, name, value []byte) error {
	if !isVisible(value) {
		return fmt.Errorf("header %.100q: %w", name, errControl)
	}
	f.SetBytes(key, value)
	return nil
}

func (h *headers) takeRequestID(f *motan.Frame, name, value []byte) error {
	if len(value) > maxRequestID {
		return fmt.Errorf("header %.100q: more than %d bytes", name, maxRequestID)
	}
	h.requestID = value
	if isInt64(value) {
		f.SetBytes("M_rid", value)
		return nil
	}
	return carry(f, "X-Request-Id", name, value)
}

// limit notes a timeout that is asked for.
func (h *headers) limit(name []byte, ms int, ok bool, want string) error {
	if !ok {
		return fmt.Errorf("header %.100q: not %s", name, want)
	}
	if h.timeout == 0 || ms < h.timeout {
		h.timeout = ms
	}
	return nil
}

// parseMillis reads a positive number of at most nine digits.
func parseMillis(value []byte) (int, bool) {
	if len(value) == 0 || len(value) > 9 {
		return 0, false
	}
	n := 0
	for _, b := range value {
		if b < '0' || b > '9' {
			return 0, false
		}
		n = n*10 + int(b-'0')
	}
	return n, n > 0
}

// parseGRPCTimeout reads a timeout in gRPC's form. Parts of a millisecond count as one.
func parseGRPCTimeout(value []byte) (int, bool) {
	if len(value) < 2 || len(value) > 9 {
		return 0, false
	}
	n, ok := parseMillis(value[:len(value)-1])
	unit := map[byte]time.Duration{'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': 1}[value[len(value)-1]]
	if !ok || unit == 0 {
		return 0, false
	}
	ms := (float64(n)*float64(unit) + float64(time.Millisecond-1)) / float64(time.Millisecond)
	return int(min(ms, 999999999)), true
}

// isInt64 tells whether value is a decimal number of 64 bits, as M_rid is.
func isInt64(value []byte) bool {
	_, err := strconv.ParseInt(string(value), 10, 64)
	return err == nil && value[0] != '+'
}

var (
	errNotToken = errors.New("the key must be of the characters that HTTP allows in header names")
	errControl  = errors.New("control characters are not allowed")
)

// motanKey is the metadata key that MOTAN-<short> stands for; empty if a caller may not set it.
func motanKey(short []byte) string {
	var lower [3]byte
	if len(short) > len(lower) {
		return ""
	}
	switch string(toLower(lower[:0], short)) {
	case "g":
		return "M_g"
	case "v":
		return "M_v"
	case "tmo":
		return "M_tmo"
	case "pp":
		return "M_pp"
	case "s":
		return "M_s"
	case "mdu":
		return "M_mdu"
	case "md":
		return "M_md"
	case "rid":
		return "M_rid"
	}
	return ""
}

func toLower(dst, src []byte) []byte {
	for _, b := range src {
		if b >= 'A' && b <= 'Z' {
			b |= 0x20
		}
		dst = append(dst, b)
	}
	return dst
}

// appendAttachments shows the metadata of a reply as headers: M_pt as MOTAN-pt, the attachment x as Motan-Meta-x. What
// HTTP cannot carry is left out (a name) or becomes a space (a control character). It returns scratch.
func appendAttachments(h *fasthttp.ResponseHeader, reply *motan.Frame, scratch []byte) []byte {
	pairs, size := 0, 0
	for key, value := range reply.All() {
		pairs++
		size += len(key) + len(value)
		if pairs > shownPairs || size > shownBytes {
			break
		}
		if !isToken(key) || string(key) == "M_e" {
			continue
		}
		if short, ok := bytes.CutPrefix(key, []byte("M_")); ok {
			scratch = append(append(scratch[:0], motanPrefix...), short...)
		} else {
			scratch = append(append(scratch[:0], metaPrefix...), key...)
		}
		n := len(scratch)
		scratch = appendVisible(scratch, value)
		h.AddBytesKV(scratch[:n], scratch[n:])
	}
	return scratch
}

func hasPrefixFold(s, prefix []byte) bool {
	return len(s) >= len(prefix) && bytes.EqualFold(s[:len(prefix)], prefix)
}

// isToken tells whether name can be the name of a header (RFC 9110, section 5.6.2).
func isToken(name []byte) bool {
	for _, b := range name {
		if !tokenBytes[b] {
			return false
		}
	}
	return len(name) > 0
}

// tokenBytes are the bytes of which such a name is made.
var tokenBytes = func() (t [256]bool) {
	for b := range t {
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
		t[b] = letter || strings.IndexByte("!#$%&'*+-.^_`|~", byte(b)) >= 0
	}
	return t
}()

// isVisible tells whether value has no control character but the tab.
func isVisible(value []byte) bool {
	if !hasControl(value) {
		return true
	}
	for _, b := range value {
		if isControl(b) && b != '\t' {
			return false
		}
	}
	return true
}

// appendVisible appends value with a space for each control character.
func appendVisible(dst, value []byte) []byte {
	if !hasControl(value) {
		return append(dst, value...)
	}
	for _, b := range value {
		if isControl(b) {
			b = ' '
		}
		dst = append(dst, b)
	}
	return dst
}
