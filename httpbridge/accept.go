package httpbridge

import (
	"bytes"
	"iter"

	"github.com/motand/motand/motan/simple"
)

// form is how the value of an answer is written.
type form uint8

const (
	formJSON form = iota // any value
	formText             // a string, as it is
	formRaw              // bytes, as they are
	formNone             // the client takes none of them
)

// accepted is how welcome each form is to a client, from 0 (refused) to 1000.
type accepted [formNone]int

var anyForm = accepted{1000, 1000, 1000}

// parseAccept reads an Accept header (RFC 9110, section 12.5.1). Without one every form is welcome.
func parseAccept(header []byte) accepted {
	if len(header) == 0 || string(header) == "*/*" {
		return anyForm
	}
	var a accepted
	var exact [formNone]int // how exactly a range names the form; the most exact counts
	for media, quality := range weighted(header) {
		for f := range formNone {
			if n := f.matched(media); n > exact[f] || n > 0 && n == exact[f] && quality > a[f] {
				exact[f], a[f] = n, quality
			}
		}
	}
	return a
}

// matched is how exactly a media range names the form; 0 if it does not.
func (f form) matched(media []byte) int {
	switch {
	case string(media) == "*/*" || string(media) == "*":
		return 1
	case f == formText:
		return 2*truth(equalFolds(media, "text/*")) + 3*truth(equalFolds(media, "text/plain"))
	case equalFolds(media, "application/*"):
		return 2
	case f == formRaw:
		return 3 * truth(equalFolds(media, "application/octet-stream"))
	}
	return 3 * truth(isJSON(media))
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

func equalFolds(a []byte, b string) bool { return bytes.EqualFold(a, []byte(b)) }

// none tells whether there is no form that the client takes.
func (a accepted) none() bool { return a == accepted{} }

// choose returns the form for a value of the kind. JSON has the precedence where the client is indifferent.
func (a accepted) choose(kind simple.Tag) form {
	best := formJSON
	switch kind {
	case simple.TagString:
		best = formText
	case simple.TagBytes:
		best = formRaw
	}
	if a[best] <= a[formJSON] {
		best = formJSON
	}
	if a[best] == 0 {
		return formNone
	}
	return best
}

// weighted is the items of a header that is a list with qualities, such as "text/plain;q=0.5, */*", and the quality of
// each from 0 to 1000. Other parameters are left out.
func weighted(header []byte) iter.Seq2[[]byte, int] {
	return func(yield func([]byte, int) bool) {
		for item := range bytes.SplitSeq(header, []byte(",")) {
			name, parameters, _ := bytes.Cut(item, []byte(";"))
			if name = bytes.TrimSpace(name); len(name) > 0 && !yield(name, qualityOf(parameters)) {
				return
			}
		}
	}
}

// qualityOf reads the parameter q, of which there are at most three decimals.
func qualityOf(parameters []byte) int {
	for p := range bytes.SplitSeq(parameters, []byte(";")) {
		p = bytes.TrimSpace(p)
		if len(p) < 3 || p[0]|0x20 != 'q' || p[1] != '=' {
			continue
		}
		if p[2] != '0' {
			return 1000
		}
		q, place := 0, 100
		for _, b := range p[min(4, len(p)):] {
			if b < '0' || b > '9' {
				break
			}
			q += int(b-'0') * place
			place /= 10
		}
		return q
	}
	return 1000
}

// takesGzip tells whether an Accept-Encoding names gzip.
func takesGzip(header []byte) bool {
	if len(header) == 0 {
		return false
	}
	for coding, quality := range weighted(header) {
		if equalFolds(coding, "gzip") || equalFolds(coding, "x-gzip") {
			return quality > 0
		}
	}
	return false
}
