package motango

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"github.com/weibocom/motan-go/core"
	"github.com/weibocom/motan-go/serialize"

	"github.com/motand/motand/motan"
)

// request is a call's request in motan-go's form, with what it was made of. It shares nothing with the call, which may end while
// a filter still reads.
type request struct {
	*core.MotanRequest
	given map[string]string         // the attachments as they came
	args  *core.DeserializableValue // the arguments as they came; read when the filter asks
}

func newRequest(x *exchange) *request {
	c := x.call
	q := &c.Request
	given := metadata(q)
	args := &core.DeserializableValue{Serialization: serialization(q), Body: bytes.Clone(q.Body())}
	id := q.ID
	if n, err := strconv.ParseInt(string(q.RequestID()), 10, 64); err == nil {
		id = uint64(n)
	}
	return &request{given: given, args: args, MotanRequest: &core.MotanRequest{
		RequestID: id, ServiceName: c.Service, Method: string(q.Method()), MethodDesc: string(q.MethodDesc()),
		Arguments: []any{args}, Attachment: attachments(given),
		RPCContext: &core.RPCContext{
			OriginalMessage: x, Proxy: true, BodySize: len(q.Body()), SerializeNum: q.Serialization(),
			RequestReceiveTime: motan.WallTime(c.Start), RequestSendTime: motan.WallTime(c.AttemptStart), RemoteAddr: c.Remote,
		},
	}}
}

// apply gives the call what the filter has changed of the request.
func (r *request) apply(req core.Request, c *motan.Call) error {
	if args := req.GetArguments(); len(args) != 1 || args[0] != any(r.args) {
		s := r.args.Serialization
		if s == nil {
			return fmt.Errorf("arguments in serialization %d cannot be written by motan-go", c.Request.Serialization())
		}
		body, err := s.SerializeMulti(args)
		if err != nil {
			return fmt.Errorf("arguments: %w", err)
		}
		c.Request.Type &^= motan.FlagGzip
		c.Request.SetBody(body)
	}
	r.given = change(&c.Request, r.given, req.GetAttachments())
	return nil
}

// response is the end of a call in motan-go's form, likewise.
type response struct {
	*core.MotanResponse
	given     map[string]string
	value     *core.DeserializableValue
	exception core.Exception
}

func newResponse(x *exchange) *response {
	c := x.call
	p := &c.Reply
	r := &response{given: metadata(p), MotanResponse: &core.MotanResponse{RequestID: x.request.RequestID}}
	r.Attachment = attachments(r.given)
	r.RPCContext = &core.RPCContext{
		OriginalMessage: x, BodySize: len(p.Body()), SerializeNum: p.Serialization(), ResponseReceiveTime: time.Now(),
	}
	r.ProcessTime = (motan.Now() - c.Start) / int64(time.Millisecond)
	if n, err := strconv.ParseInt(string(p.ProcessTime()), 10, 64); err == nil {
		r.ProcessTime = n
	}
	failed, is := p.Exception()
	if c.Err != nil {
		failed, is = c.Err.Exception(), true
	}
	if is {
		r.exception = core.Exception{ErrCode: failed.Code, ErrMsg: failed.Message, ErrType: failed.Type}
		own := r.exception
		r.Exception = &own
		return r
	}
	r.value = &core.DeserializableValue{Serialization: serialization(p), Body: bytes.Clone(p.Body())}
	r.Value = r.value
	return r
}

// apply ends c with res, which a filter has returned. given is what the filter was given by next, nil where it has
// not asked.
func apply(given *response, res core.Response, c *motan.Call) {
	if res == nil {
		c.Retry()
		c.Err = motan.Errorf(motan.KindOther, motan.CodeInternal, "the filter returned no response")
		return
	}
	var before map[string]string
	if given != nil {
		before = given.given
	}
	switch x := res.GetException(); {
	case x != nil && given != nil && *x == given.exception: // as it was
	case x != nil:
		c.Retry()
		c.Reply.SetException(motan.Exception{Code: x.ErrCode, Message: x.ErrMsg, Type: x.ErrType})
		before = nil
	case given != nil && given.value != nil && res.GetValue() == any(given.value): // as it was
	default:
		value := res.GetValue()
		c.Retry()
		before = nil
		if err := setValue(c, value); err != nil {
			c.Err = motan.Errorf(motan.KindOther, motan.CodeInternal, "the answer of a filter: %v", err)
		}
	}
	change(&c.Reply, before, res.GetAttachments())
}

// setValue makes v, written as the request's arguments were, the reply.
func setValue(c *motan.Call, v any) error {
	s := serialization(&c.Request)
	if s == nil {
		return fmt.Errorf("serialization %d cannot be written by motan-go", c.Request.Serialization())
	}
	if d, ok := v.(*core.DeserializableValue); ok { // of another call
		c.Reply.SetSerialization(d.Serialization.GetSerialNum())
		c.Reply.SetBody(d.Body)
		return nil
	}
	body, err := s.Serialize(v)
	if err != nil {
		return err
	}
	c.Reply.SetSerialization(s.GetSerialNum())
	c.Reply.SetBody(body)
	return nil
}

// exception is the response to a request that is not passed on.
func exception(req core.Request, e *motan.Error) core.Response {
	r := &core.MotanResponse{Exception: &core.Exception{ErrCode: e.Code, ErrMsg: e.Message, ErrType: e.Type}, RPCContext: &core.RPCContext{}}
	if req != nil {
		r.RequestID = req.GetRequestID()
	}
	return r
}

func metadata(f *motan.Frame) map[string]string {
	all := make(map[string]string)
	for name, value := range f.All() {
		all[string(name)] = string(value)
	}
	return all
}

func attachments(all map[string]string) *core.StringMap {
	m := core.NewStringMap(max(len(all), core.DefaultAttachmentSize))
	for name, value := range all {
		m.Store(name, value)
	}
	return m
}

// change gives f what differs between its attachments as they were and as a filter has left them, and returns these.
func change(f *motan.Frame, was map[string]string, left *core.StringMap) map[string]string {
	now := make(map[string]string)
	left.Range(func(name, value string) bool {
		now[name] = value
		return true
	})
	for name, value := range now {
		if was[name] != value && name != "M_e" {
			f.Set(name, value)
		}
	}
	for name := range was {
		if _, ok := now[name]; !ok {
			f.Del(name)
		}
	}
	return now
}

// serialization is motan-go's for the body of f; nil where motan-go has none.
func serialization(f *motan.Frame) core.Serialization {
	var s core.Serialization
	switch f.Serialization() {
	case motan.SerializeSimple:
		s = &serialize.SimpleSerialization{}
	case motan.SerializeBreeze:
		s = &serialize.BreezeSerialization{}
	case motan.SerializeProtobuf:
		s = &serialize.PbSerialization{}
	case motan.SerializeGrpcPB:
		s = &serialize.GrpcPbSerialization{}
	default:
		return nil
	}
	if f.Type&motan.FlagGzip != 0 {
		return compressed{s}
	}
	return s
}

// compressed reads bodies that are compressed.
type compressed struct{ core.Serialization }

func inflated(body []byte) ([]byte, error) {
	var f motan.Frame
	f.Type = motan.FlagGzip
	f.SetBody(body)
	if err := f.Inflate(maxInflated); err != nil {
		return nil, err
	}
	return f.Body(), nil
}

const maxInflated = 10 << 20 // motan-go's maxContentLength

// DeSerialize reads a value.
func (s compressed) DeSerialize(body []byte, v any) (any, error) {
	plain, err := inflated(body)
	if err != nil {
		return nil, err
	}
	return s.Serialization.DeSerialize(plain, v)
}

// DeSerializeMulti reads values.
func (s compressed) DeSerializeMulti(body []byte, v []any) ([]any, error) {
	plain, err := inflated(body)
	if err != nil {
		return nil, err
	}
	return s.Serialization.DeSerializeMulti(plain, v)
}
