package agent

import (
	"time"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// demoProvider is the provider "demo": a service inside motand itself to try things with.
//
//	echo(any...)      the arguments: one as it is, several as a list
//	hello(string)     a greeting
//	add(int, int)     the sum; as strict with types as Motan Java is, it takes no long
//	slow(int ms)      answers after so many milliseconds, at most a minute
//	fail(string)      a business exception with that text
type demoProvider struct{}

var _ motan.Handler = demoProvider{}

// Handle answers at once, or later without holding anybody up.
func (demoProvider) Handle(c *motan.Call) {
	if c.Request.Serialization() != motan.SerializeSimple {
		c.Fail(motan.Errorf(motan.KindBadRequest, motan.CodeInternal, "deserialize fail. err: the demo provider reads simple (6), not serialization %d", c.Request.Serialization()))
		return
	}
	if err := c.Request.Inflate(10 << 20); err != nil {
		c.Fail(motan.Errorf(motan.KindBadRequest, motan.CodeInternal, "deserialize fail. err:%v", err))
		return
	}
	args, err := simple.DecodeAll(c.Request.Body())
	if err != nil {
		c.Fail(motan.Errorf(motan.KindBadRequest, motan.CodeInternal, "deserialize fail. err:%v", err))
		return
	}
	switch method := string(c.Request.Method()); method {
	case "echo":
		demoAnswer(c, echoed(args))
	case "hello":
		name, ok := first(args).(string)
		if !ok {
			name = "world"
		}
		demoAnswer(c, "hello "+name)
	case "add":
		demoAdd(c, args)
	case "slow":
		ms, _ := first(args).(int64)
		wait := min(max(time.Duration(ms)*time.Millisecond, 0), time.Minute)
		c.Batch = nil
		time.AfterFunc(wait, func() { demoAnswer(c, ms) })
	case "fail":
		text, ok := first(args).(string)
		if !ok {
			text = "failed as asked"
		}
		c.Reply.SetException(motan.Exception{Code: 30001, Type: motan.TypeBiz, Message: text})
		c.End()
	default:
		c.Fail(motan.Errorf(motan.KindNotFound, motan.CodeInternal, "method %s is not of the demo provider, which has echo, hello, add, slow, fail", method))
	}
}

func demoAdd(c *motan.Call, args []any) {
	var sum int32
	for _, arg := range args {
		n, ok := arg.(int32)
		if !ok {
			c.Fail(motan.Errorf(motan.KindBadRequest, motan.CodeInternal, "deserialize fail. err: add takes int, not %T; over HTTP, name the types: MOTAN-md: int,int", arg))
			return
		}
		sum += n
	}
	demoAnswer(c, sum)
}

func first(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[0]
}

func echoed(args []any) any {
	if len(args) > 1 {
		return args
	}
	return first(args)
}

func demoAnswer(c *motan.Call, value any) {
	body, err := simple.Append(nil, value)
	if err != nil {
		c.Fail(motan.Errorf(motan.KindOther, motan.CodeInternal, "convert to response fail. err:%v", err))
		return
	}
	c.Reply.SetSerialization(motan.SerializeSimple)
	c.Reply.SetBody(body)
	c.End()
}
