package filters

import (
	"strconv"
	"time"

	"github.com/motand/motand/motan"
)

// Limits of what a line takes from the network. Each byte may become six, so that a line is
// far below a piece of the queue.
const (
	maxName    = 512
	maxMessage = 2048
	// maxLoggedBody is what may be logged of a body: a line with two of them is below a piece of the queue as well.
	maxLoggedBody = 4 << 10
)

// line is where the text of one line is made. It remembers its last time stamp, as many lines
// are of the same millisecond and nearly all of the same second.
type line struct {
	buf       []byte
	exception []byte

	stamp  []byte // the wall clock's time as it was written last
	tick   int64  // the millisecond of motan.Now that stamp is of
	second int64  // the Unix second that stamp is of
}

// stampLayout is motan-go's, in local time; its milliseconds begin at byte 20.
const (
	stampLayout = "2006-01-02T15:04:05.000Z0700"
	stampMillis = 20
)

// begin starts the line with the time, which the wall clock is asked for when now, in
// nanoseconds of [motan.Now], is another millisecond than before.
func (l *line) begin(now int64) {
	if tick := now / int64(time.Millisecond); tick != l.tick || len(l.stamp) == 0 {
		l.tick = tick
		l.setStamp(time.Now())
	}
	l.buf = append(append(l.buf[:0], l.stamp...), '\t')
}

func (l *line) setStamp(t time.Time) {
	if second := t.Unix(); second != l.second || len(l.stamp) == 0 {
		l.second = second
		l.stamp = t.AppendFormat(l.stamp[:0], stampLayout)
		return
	}
	ms := t.Nanosecond() / int(time.Millisecond)
	l.stamp[stampMillis] = '0' + byte(ms/100)
	l.stamp[stampMillis+1] = '0' + byte(ms/10%10)
	l.stamp[stampMillis+2] = '0' + byte(ms%10)
}

// columns adds the line in motan-go's form.
func (l *line) columns(f *AccessLog, c *motan.Call, e *entry) {
	b := append(l.buf, f.prefix...) // "name|role|"
	if name := c.Request.RequestName(); len(name) > 0 {
		b = append(appendColumn(b, name), '|')
	} else {
		b = append(appendID(b, c), '|')
	}
	if e.service == f.service {
		b = append(b, f.column...)
	} else {
		b = append(appendColumn(b, e.service), '|')
	}
	b = append(appendColumn(b, c.Request.Method()), '|')
	b = append(appendColumn(b, c.Request.MethodDesc()), '|')
	b = append(appendColumn(b, e.remote), '|')
	b = append(appendNumber(b, int64(e.requestBytes)), '|')
	b = append(appendNumber(b, int64(e.replyBytes)), '|')
	b = append(appendNumber(b, e.biz), '|')
	b = append(appendNumber(b, e.total), '|')
	if e.failed {
		b = append(b, "false|"...)
		b = append(appendNumber(b, int64(e.exception.Code)), '|')
		b = append(appendException(b, &e.exception), '|')
	} else {
		b = append(b, "true|200||"...)
	}
	b = appendColumn(b, e.upstream)
	l.buf = append(b, '\n')
}

// appendNumber is strconv.AppendInt in base 10, at less cost for the small numbers that most are.
func appendNumber(dst []byte, n int64) []byte {
	switch {
	case 0 <= n && n < 10:
		return append(dst, '0'+byte(n))
	case 10 <= n && n < 100:
		return append(dst, '0'+byte(n/10), '0'+byte(n%10))
	case 100 <= n && n < 1000:
		return append(dst, '0'+byte(n/100), '0'+byte(n/10%10), '0'+byte(n%10))
	}
	return strconv.AppendInt(dst, n, 10)
}

// json adds the line in the form that motan-go's logging library gives it: an empty
// message between two tabs, then an object with blanks after its separators.
func (l *line) json(f *AccessLog, c *motan.Call, e *entry) {
	b := append(l.buf, "\t{"...)
	b = append(append(append(b, `"filterName": "`...), f.name...), '"')
	b = append(append(append(b, `, "role": "`...), f.role...), '"')
	b = append(b, `, "requestID": `...)
	if name := c.Request.RequestName(); len(name) > 0 {
		b = appendText(b, cut(name, maxName), &jsonPlain)
	} else {
		b = appendID(b, c)
	}
	b = appendText(append(b, `, "service": `...), cut(e.service, maxName), &jsonPlain)
	b = appendText(append(b, `, "method": `...), cut(c.Request.Method(), maxName), &jsonPlain)
	b = appendText(append(b, `, "desc": `...), cut(c.Request.MethodDesc(), maxName), &jsonPlain)
	b = appendText(append(b, `, "remoteAddress": `...), cut(e.remote, maxName), &jsonPlain)
	b = strconv.AppendInt(append(b, `, "reqSize": `...), int64(e.requestBytes), 10)
	b = strconv.AppendInt(append(b, `, "resSize": `...), int64(e.replyBytes), 10)
	b = strconv.AppendInt(append(b, `, "bizTime": `...), e.biz, 10)
	b = strconv.AppendInt(append(b, `, "totalTime": `...), e.total, 10)
	b = strconv.AppendBool(append(b, `, "success": `...), !e.failed)
	b = strconv.AppendInt(append(b, `, "responseCode": "`...), e.code(), 10)
	l.exception = l.exception[:0]
	if e.failed {
		l.exception = appendException(l.exception, &e.exception)
	}
	b = appendText(append(b, `", "exception": `...), l.exception, &jsonPlain)
	b = appendText(append(b, `, "upstreamCode": `...), cut(e.upstream, maxName), &jsonPlain)
	l.buf = append(b, "}\n"...)
}

// bodies adds a line with the beginnings of both bodies, of at most limit bytes each.
func (l *line) bodies(f *AccessLog, c *motan.Call, e *entry, limit int) {
	request, reply := c.Request.Body(), c.Reply.Body()
	request, reply = request[:min(len(request), limit)], reply[:min(len(reply), limit)]
	if f.log.structured.Load() {
		b := append(append(append(l.buf, "\t{"...), `"filterName": "accessLogBody", "role": "`...), f.role...)
		b = appendID(append(b, `", "requestID": `...), c)
		b = appendText(append(b, `, "service": `...), cut(e.service, maxName), &jsonPlain)
		b = appendText(append(b, `, "method": `...), cut(c.Request.Method(), maxName), &jsonPlain)
		b = appendText(append(b, `, "request": `...), request, &jsonPlain)
		b = appendText(append(b, `, "reply": `...), reply, &jsonPlain)
		l.buf = append(b, "}\n"...)
		return
	}
	b := append(append(l.buf, "accessLogBody|"...), f.role...)
	b = append(appendID(append(b, '|'), c), '|')
	b = append(appendColumn(b, e.service), '|')
	b = append(appendColumn(b, c.Request.Method()), '|')
	b = append(appendEscaped(b, request), '|')
	l.buf = append(appendEscaped(b, reply), '\n')
}

// code is the exception's errcode, or 200.
func (e *entry) code() int64 {
	if e.failed {
		return int64(e.exception.Code)
	}
	return 200
}

// appendID appends M_rid where it is a decimal number, else the frame's id as Java prints it.
func appendID(dst []byte, c *motan.Call) []byte {
	if id := c.Request.RequestID(); decimal(id) {
		return append(dst, id...)
	}
	return strconv.AppendInt(dst, int64(c.Request.ID), 10)
}

// decimal tells whether text is a whole number in JSON's form, of at most 20 digits.
func decimal(text []byte) bool {
	if len(text) > 0 && text[0] == '-' {
		text = text[1:]
	}
	if len(text) == 0 || len(text) > 20 || text[0] == '0' && len(text) > 1 {
		return false
	}
	for _, b := range text {
		if b < '0' || b > '9' {
			return false
		}
	}
	return true
}

// appendException appends x as motan-go writes it, without a "|".
func appendException(dst []byte, x *motan.Exception) []byte {
	dst = strconv.AppendInt(append(dst, `{"errcode":`...), int64(x.Code), 10)
	dst = appendText(append(dst, `,"errmsg":`...), cut(x.Message, maxMessage), &exceptionPlain)
	dst = strconv.AppendInt(append(dst, `,"errtype":`...), int64(x.Type), 10)
	return append(dst, '}')
}
