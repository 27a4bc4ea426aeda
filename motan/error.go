package motan

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// Exception types as they travel in M_e (Motan protocol, section 1.5).
const (
	TypeFramework = 0
	TypeService   = 1
	TypeBiz       = 2 // thrown by the implementation: never tried again, never held against a node
)

// Error codes that peers agree on (Motan protocol, section 1.5).
const (
	CodeDefault     = 400   // motan-go's default of cluster and endpoint, timeouts included
	CodeNotFound    = 404   // with ProviderNotExist: the node lives but does not host the service
	CodeInternal    = 500   //
	CodeUnsupported = 501   // framework service that we do not offer
	CodeUnavailable = 503   //
	CodeNoEndpoints = 1001  //
	CodeNoChannel   = 1002  //
	CodeRejected    = 10002 // limit reached
)

// ProviderNotExist starts the message of the one error that makes callers turn away
// from a node for this service. It must be sent only when the service is truly absent.
const ProviderNotExist = "provider not exist serviceKey="

// Kind says what went wrong in terms that an edge, a retry and a health rule can decide on.
type Kind uint8

// The kinds of errors. The zero Kind is an error nobody classified.
const (
	KindOther       Kind = iota
	KindBadRequest       // the caller's fault: cannot be routed or decoded
	KindNotFound         // nobody serves this here
	KindNoEndpoint       // the service is known, no node of it can be used
	KindNotSent          // no byte of the call left this host: safe to send elsewhere
	KindTimeout          // no answer in time: may have been executed
	KindBroken           // the connection broke while the answer was awaited: may have been executed
	KindRefused          // refused by a rule or a limit of ours
	KindUnavailable      // the local provider cannot be reached
	KindOversize         // larger than a limit
	KindDropped          // another attempt of the same call was answered first: says nothing of whom this one went to
)

var kindNames = [...]string{
	"other", "bad_request", "not_found", "no_endpoint", "not_sent",
	"timeout", "broken", "refused", "unavailable", "oversize", "dropped",
}

// String is the name of k in metrics and logs.
func (k Kind) String() string { return kindNames[k] }

// Kinds lists every Kind's name in the order of their values.
func Kinds() []string { return slices.Clone(kindNames[:]) }

// Error says why no answer to a call could be had. An exception that a provider
// answered with is not an Error but a reply, see [Frame.Exception].
type Error struct {
	Kind    Kind
	Code    int // errcode on the wire
	Type    int // errtype on the wire
	Message string
	Cause   error // may be nil; not sent to the peer
}

// Errorf returns a service error (errtype 1) of the kind with the wire code.
func Errorf(kind Kind, code int, format string, args ...any) *Error {
	return &Error{Kind: kind, Code: code, Type: TypeService, Message: fmt.Sprintf(format, args...)}
}

// Error is the message and, where there is one, the cause.
func (e *Error) Error() string {
	if e.Cause == nil {
		return e.Message
	}
	return e.Message + ": " + e.Cause.Error()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Exception is the content of M_e: what a peer is told of an error.
type Exception struct {
	Code    int    `json:"errcode"`
	Message string `json:"errmsg"`
	Type    int    `json:"errtype"`
}

// Exception is how e looks to the caller.
func (e *Error) Exception() Exception {
	return Exception{Code: e.Code, Message: e.Message, Type: e.Type}
}

// AppendJSON appends x in the form and field order of motan-go.
func (x Exception) AppendJSON(dst []byte) []byte {
	dst = append(dst, `{"errcode":`...)
	dst = strconv.AppendInt(dst, int64(x.Code), 10)
	dst = append(dst, `,"errmsg":`...)
	text, err := json.Marshal(x.Message) // never fails for a string; invalid UTF-8 becomes U+FFFD
	if err != nil {
		text = []byte(`""`)
	}
	dst = append(dst, text...)
	dst = append(dst, `,"errtype":`...)
	dst = strconv.AppendInt(dst, int64(x.Type), 10)
	return append(dst, '}')
}

// parseException reads M_e. Text that is not the JSON expected becomes the message of a
// service exception, as Java reads it.
func parseException(text []byte) Exception {
	var x Exception
	if err := json.Unmarshal(text, &x); err != nil {
		return Exception{Code: CodeInternal, Type: TypeService, Message: string(text)}
	}
	return x
}
