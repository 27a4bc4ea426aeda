package main

import (
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/weibocom/motan-go/core"
	"github.com/weibocom/motan-go/provider"
	"github.com/weibocom/motan-go/serialize"
)

// bizErrCode is the errcode of the exception that "fail" answers with when the caller gives none.
const bizErrCode = 1100

// Service holds the methods with fixed parameter types. motan-go's default provider finds them by
// reflection: the method "hello" on the wire is Hello here.
type Service struct{}

// Hello greets name.
func (*Service) Hello(name string) string { return "hello " + name }

// Add adds two numbers; it wraps around.
func (*Service) Add(a, b int64) int64 { return a + b }

// Slow answers ms after that many milliseconds. A negative ms answers at once.
func (*Service) Slow(ms int64) int64 {
	time.Sleep(time.Duration(ms) * time.Millisecond)
	return ms
}

// Size answers how many bytes it was given.
func (*Service) Size(b []byte) int64 { return int64(len(b)) }

// Bytes answers n bytes, 0, 1, ... 255, 0, ...; at most 16 MiB.
func (*Service) Bytes(n int64) []byte {
	b := make([]byte, min(max(n, 0), 16<<20))
	for i := range b {
		b[i] = byte(i)
	}
	return b
}

// Join joins a list of strings with commas.
func (*Service) Join(list []string) string { return strings.Join(list, ",") }

// Keys answers the sorted keys of a map of strings.
func (*Service) Keys(m map[string]string) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

// Nothing has no result.
func (*Service) Nothing() {}

// Panics panics: motan-go answers "provider call panic".
func (*Service) Panics() { panic("panics was called") }

// exporter is motan-go's default provider around Service, with four methods that a Go method found by
// reflection cannot have: they take any argument, see the request, or answer with an exception.
//
//	echo(...)         no argument: null; one: that argument; more: the list of them
//	fail(msg, code)   a business exception; both are optional
//	metadata()        the request's metadata as a map of strings, as it arrived
//	name()            the server's -name, to tell servers apart
type exporter struct {
	*provider.DefaultProvider
	name string
}

var _ core.Provider = (*exporter)(nil)

// Call answers a request. It may be called from any goroutine.
func (e *exporter) Call(req core.Request) core.Response {
	switch req.GetMethod() {
	case "echo", "fail":
		args, err := arguments(req)
		if err != nil {
			return core.BuildExceptionResponse(req.GetRequestID(), &core.Exception{
				ErrCode: 500, ErrMsg: "motango: read arguments: " + err.Error(), ErrType: core.ServiceException,
			})
		}
		if req.GetMethod() == "fail" {
			return core.BuildExceptionResponse(req.GetRequestID(), failure(args))
		}
		return reply(req, echo(args))
	case "metadata":
		return reply(req, req.GetAttachments().RawMap())
	case "name":
		return reply(req, e.name)
	default:
		return e.DefaultProvider.Call(req)
	}
}

// arguments decodes what is in the request, whatever its types. Only "simple" says in the bytes how many
// values there are; of the other serializations one value is read.
func arguments(req core.Request) ([]any, error) {
	var types []any
	if args := req.GetArguments(); len(args) == 1 {
		if d, ok := args[0].(*core.DeserializableValue); ok {
			if len(d.Body) == 0 {
				return nil, nil
			}
			if d.Serialization.GetSerialNum() != serialize.SimpleNumber {
				types = []any{nil}
			}
		}
	}
	if err := req.ProcessDeserializable(types); err != nil {
		return nil, err
	}
	return req.GetArguments(), nil
}

func reply(req core.Request, value any) core.Response {
	return &core.MotanResponse{RequestID: req.GetRequestID(), Value: value}
}

func echo(args []any) any {
	switch len(args) {
	case 0:
		return nil
	case 1:
		return args[0]
	default:
		return args
	}
}

// failure is the exception that args ask for: a message and a code, in this order, each optional.
func failure(args []any) *core.Exception {
	e := &core.Exception{ErrCode: bizErrCode, ErrMsg: "failed as asked", ErrType: core.BizException}
	if len(args) > 0 {
		if msg, ok := args[0].(string); ok {
			e.ErrMsg = msg
		}
	}
	if len(args) > 1 {
		switch code := args[1].(type) {
		case int64:
			e.ErrCode = int(code)
		case int32:
			e.ErrCode = int(code)
		case string:
			if n, err := strconv.Atoi(code); err == nil {
				e.ErrCode = n
			}
		}
	}
	return e
}
