package httpbridge

import "github.com/valyala/fasthttp"

// Reason is why a request was refused before it was looked at further, as a metric names it.
type Reason int

// The reasons, in the order of their names below.
const (
	ReasonSyntax   Reason = iota // not HTTP: control characters, folded lines, lines that do not end with CR and LF
	ReasonMethod                 // no method, or one in lower case
	ReasonTarget                 // a target that could be read in two ways
	ReasonVersion                // neither HTTP/1.1 nor HTTP/1.0
	ReasonHost                   // none, several, or not that of the target
	ReasonFraming                // the end of the body cannot be told for sure
	ReasonChunk                  // a chunked body that is malformed
	ReasonHeadSize               // request line and headers are too large
	ReasonBodySize               // the body is
	ReasonSlow                   // not whole in time
	ReasonCutOff                 // the client has stopped in the middle
	ReasonCrowded                // there is no room for the body, or for the answer
	ReasonOther                  // none of these
	reasons
)

var reasonNames = [reasons]string{
	"syntax", "method", "target", "version", "host", "framing", "chunk", "head_size", "body_size", "slow", "cut_off", "crowded", "other",
}

// String returns the reason's name.
func (r Reason) String() string { return reasonNames[r] }

// Reasons returns all of them.
func Reasons() []Reason {
	all := make([]Reason, reasons)
	for i := range all {
		all[i] = Reason(i)
	}
	return all
}

// refusal is the answer to what is not taken for a request. It is an error so that a connection's Read can end with it.
type refusal struct {
	reason  Reason
	status  int
	message string
}

func (r *refusal) Error() string { return r.message }

// bad are the refusals with status 400.
func bad(reason Reason, message string) *refusal {
	return &refusal{reason, fasthttp.StatusBadRequest, message}
}

// What can be wrong with a request, made once: they are the answer to floods, too.
var (
	errLineEnd     = bad(ReasonSyntax, "each line of the head must end with CR and LF")
	errFold        = bad(ReasonSyntax, "a header must be on one line")
	errName        = bad(ReasonSyntax, "the name of a header must be made of the characters that HTTP allows, with the colon right behind it")
	errValue       = bad(ReasonSyntax, "the value of a header has a control character")
	errRequestLine = bad(ReasonSyntax, "the request line must be: method, space, target, space, HTTP/1.1")
	errMethod      = bad(ReasonMethod, "not an HTTP request: it must begin with a method, a word in upper case")
	errTarget      = bad(ReasonTarget, "the target of the request must be a path that begins with one slash, or http:// with a host, without spaces, control characters and #")
	errLineSize    = &refusal{ReasonHeadSize, fasthttp.StatusRequestURITooLong, "the request line takes more than 8192 bytes"}
	errHeadSize    = &refusal{ReasonHeadSize, fasthttp.StatusRequestHeaderFieldsTooLarge, "the request line and headers take more than 16384 bytes, or are more than 256"}
	errVersion     = &refusal{ReasonVersion, fasthttp.StatusHTTPVersionNotSupported, "HTTP/1.1 and HTTP/1.0 are spoken here"}
	errNoHost      = bad(ReasonHost, "the request has no Host")
	errTwoHosts    = bad(ReasonHost, "the request has more than one Host")
	errHost        = bad(ReasonHost, "the Host must be a name or an address, with a port if need be")
	errOtherHost   = bad(ReasonHost, "the target and the header Host name different hosts")
	errLength      = bad(ReasonFraming, "Content-Length must be one number")
	errCoding      = bad(ReasonFraming, "Transfer-Encoding must be chunked, once, and only in HTTP/1.1")
	errBothFrames  = bad(ReasonFraming, "Content-Length and Transfer-Encoding exclude each other")
	errTunnelBody  = bad(ReasonFraming, "CONNECT has no body")
	errExpect      = &refusal{ReasonFraming, fasthttp.StatusExpectationFailed, "the only expectation that can be met is 100-continue"}
	errChunk       = bad(ReasonChunk, "the size of a chunk must be a hexadecimal number of at most 15 digits")
	errChunkEnd    = bad(ReasonChunk, "a chunk must end with CR and LF")
	errTrailer     = bad(ReasonChunk, "the trailer of a chunked body is malformed, too large, or names a header that frames the message")
)
