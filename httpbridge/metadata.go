package httpbridge

import (
	"bytes"
	"errors"
	"fmt"

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

var errEncoded = errors.New("the body must not be compressed: send it without Content-Encoding")

// setMetadata takes over one header of a request to /rpc:
//
//	MOTAN-g, -v, -tmo, -pp, -s, -mdu, -md, -rid   the metadata M_g and so on; the names in either case
//	Motan-Meta-<key>                              the metadata <key>, with its case as it was sent
//	traceparent, tracestate, b3, X-B3-*           the metadata of that name, in lower case
//
// Of a repeated header the last one counts. All other headers stay here.
func setMetadata(f *motan.Frame, name, value []byte) error {
	switch {
	case hasPrefixFold(name, metaPrefix):
		key := name[len(metaPrefix):]
		if !isToken(key) {
			return fmt.Errorf("header %.100q: %w", name, errNotToken)
		}
		if bytes.HasPrefix(key, []byte("M_")) || bytes.EqualFold(key, []byte("host")) {
			return fmt.Errorf("header %.100q: M_… and host are reserved; there are MOTAN-g, MOTAN-v, MOTAN-tmo, MOTAN-pp, "+
				"MOTAN-s, MOTAN-mdu, MOTAN-md and MOTAN-rid", name)
		}
		if !isVisible(value) {
			return fmt.Errorf("header %.100q: %w", name, errControl)
		}
		f.SetBytes(string(key), value)
	case hasPrefixFold(name, motanPrefix):
		key := motanKey(name[len(motanPrefix):])
		if key == "" {
			return nil
		}
		if !isVisible(value) {
			return fmt.Errorf("header %.100q: %w", name, errControl)
		}
		f.SetBytes(key, value)
		if key == "M_tmo" && f.TimeoutMillis() == 0 {
			return fmt.Errorf("header %.100q: not a positive number of milliseconds", name)
		}
	case bytes.EqualFold(name, []byte("Content-Encoding")):
		if len(value) > 0 && !bytes.EqualFold(value, []byte("identity")) {
			return errEncoded
		}
	default:
		setTrace(f, name, value)
	}
	return nil
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
		letter := b|0x20 >= 'a' && b|0x20 <= 'z' || b >= '0' && b <= '9'
		if !letter && bytes.IndexByte([]byte("!#$%&'*+-.^_`|~"), b) < 0 {
			return false
		}
	}
	return len(name) > 0
}

// isVisible tells whether value has no control character but the tab.
func isVisible(value []byte) bool {
	for _, b := range value {
		if isControl(b) && b != '\t' {
			return false
		}
	}
	return true
}

// appendVisible appends value with a space for each control character.
func appendVisible(dst, value []byte) []byte {
	for _, b := range value {
		if isControl(b) {
			b = ' '
		}
		dst = append(dst, b)
	}
	return dst
}
