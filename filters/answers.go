package filters

import (
	"strconv"
	"strings"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/motan/simple"
)

// fixed is an answer that the configuration gives: a value, or an exception. It is written
// once and then shared by all calls.
type fixed struct {
	body      []byte // in the simple serialization
	exception *motan.Exception
}

// readFixed reads the keys prefix.value, JSON in the form that package simple describes, and
// prefix.exception, an errcode with a message behind it. nil means that none is written.
func readFixed(p *params, prefix string) *fixed {
	if code, message, ok := readCode(p, prefix+".exception"); ok {
		return &fixed{exception: &motan.Exception{Code: code, Message: message, Type: motan.TypeBiz}}
	}
	text, key := p.look(prefix + ".value")
	if text == "" {
		return nil
	}
	body, err := simple.AppendJSON(nil, []byte(text))
	if err != nil {
		p.fail(key, "%.80q is not the JSON of an answer (text stands in quotes): %v", text, err)
	}
	return &fixed{body: body}
}

// readCode reads an errcode with a message behind it. ok is false where none is written.
func readCode(p *params, key string) (code int, message string, ok bool) {
	text, written := p.look(key)
	if text == "" {
		return 0, "", false
	}
	number, message, _ := strings.Cut(text, " ")
	code, err := strconv.Atoi(number)
	if err != nil {
		p.fail(written, "%.80q is not an errcode with a message behind it, such as 503 out of stock", text)
	}
	return code, message, true
}

// answer makes a the reply of c. It is false where the caller could not read it: it speaks
// another serialization.
func (a *fixed) answer(c *motan.Call) bool {
	if a.exception == nil && c.Request.Serialization() != motan.SerializeSimple {
		return false
	}
	c.Retry()
	if a.exception != nil {
		c.Reply.SetException(*a.exception)
		return true
	}
	c.Reply.SetSerialization(motan.SerializeSimple)
	c.Reply.SetBody(a.body)
	return true
}
