package trace

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"unicode/utf8"

	"github.com/motand/motand/motan"
)

// appendBatch appends spans as a request of OTLP (ExportTraceServiceRequest) in its JSON encoding: ids are
// hexadecimal, 64-bit numbers are text.
func appendBatch(dst []byte, o *Options, batch []*Span) []byte {
	dst = append(dst, `{"resourceSpans":[{"resource":{"attributes":[`...)
	dst = appendAttribute(dst, "service.name", o.Service)
	dst = appendAttribute(dst, "host.name", o.Host)
	dst = append(dst, `]},"scopeSpans":[{"scope":{"name":"motand","version":`...)
	dst = appendText(dst, o.Version)
	dst = append(dst, `},"spans":[`...)
	for i, s := range batch {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = s.append(dst)
	}
	return append(dst, `]}]}]}`...)
}

const maxMessage = 256 // bytes of an error's message

func (s *Span) append(dst []byte) []byte {
	dst = append(dst, `{"traceId":"`...)
	dst = hex.AppendEncode(dst, s.Trace[:])
	dst = append(dst, `","spanId":"`...)
	dst = hex.AppendEncode(dst, s.Span[:])
	if s.Parent != [8]byte{} {
		dst = append(dst, `","parentSpanId":"`...)
		dst = hex.AppendEncode(dst, s.Parent[:])
	}
	dst = append(dst, `","name":`...)
	name := append(make([]byte, 0, 256), s.Service...)
	name = append(append(name, '.'), s.Method.Bytes()...)
	dst = appendText(dst, name)
	dst = append(dst, `,"kind":`...)
	dst = strconv.AppendInt(dst, int64(s.Kind), 10)
	dst = append(dst, `,"startTimeUnixNano":"`...)
	dst = strconv.AppendInt(dst, motan.WallTime(s.Start).UnixNano(), 10)
	dst = append(dst, `","endTimeUnixNano":"`...)
	dst = strconv.AppendInt(dst, motan.WallTime(max(s.End, s.Start)).UnixNano(), 10)
	dst = append(dst, `","attributes":[`...)
	dst = s.appendAttributes(dst)
	dst = append(dst, `],"status":{`...)
	if s.Outcome != "ok" {
		dst = append(dst, `"code":2,"message":`...)
		dst = appendText(dst, s.Message[:min(len(s.Message), maxMessage)])
	}
	return append(dst, `}}`...)
}

func (s *Span) appendAttributes(dst []byte) []byte {
	dst = appendAttribute(dst, "rpc.system", "motan")
	dst = appendAttribute(dst, "rpc.service", s.Service)
	dst = appendAttribute(dst, "rpc.method", s.Method.Bytes())
	dst = appendAttribute(dst, "motan.role", s.Role)
	dst = appendAttribute(dst, "motan.group", s.Group)
	dst = appendAttribute(dst, "motan.application", s.Application)
	dst = appendAttribute(dst, "motan.source", s.Source.Bytes())
	dst = appendAttribute(dst, "motan.request_id", s.RequestID.Bytes())
	if peer := s.Peer.Bytes(); s.Kind == Client {
		host, port := peer, []byte(nil)
		if i := bytes.LastIndexByte(peer, ':'); i >= 0 {
			host, port = peer[:i], peer[i+1:]
		}
		dst = appendAttribute(dst, "server.address", host)
		if n, err := strconv.Atoi(string(port)); err == nil {
			dst = appendNumber(dst, "server.port", n)
		}
	} else {
		dst = appendAttribute(dst, "client.address", peer)
	}
	if s.Kind == Internal {
		dst = appendNumber(dst, "motan.attempts", s.Attempts)
	}
	dst = appendAttribute(dst, "motan.outcome", s.Outcome)
	if s.Code != 0 {
		dst = appendNumber(dst, "motan.errcode", s.Code)
	}
	return dst
}

// appendAttribute appends a pair, unless its value is empty, with a comma where it is not the first.
func appendAttribute[T string | []byte](dst []byte, key string, value T) []byte {
	if len(value) == 0 {
		return dst
	}
	dst = append(appendKey(dst, key), `{"stringValue":`...)
	return append(appendText(dst, value), `}}`...)
}

func appendNumber(dst []byte, key string, value int) []byte {
	dst = append(appendKey(dst, key), `{"intValue":"`...)
	return append(strconv.AppendInt(dst, int64(value), 10), `"}}`...)
}

func appendKey(dst []byte, key string) []byte {
	if dst[len(dst)-1] != '[' {
		dst = append(dst, ',')
	}
	dst = append(append(dst, `{"key":"`...), key...)
	return append(dst, `","value":`...)
}

// appendText appends text as a JSON string. What is not UTF-8 becomes U+FFFD.
func appendText[T string | []byte](dst []byte, text T) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(text); {
		b := text[i]
		switch {
		case b == '"' || b == '\\':
			dst = append(dst, '\\', b)
			i++
		case b < 0x20 || b == 0x7f:
			dst = append(dst, `\u00`...)
			dst = hex.AppendEncode(dst, []byte{b})
			i++
		case b < utf8.RuneSelf:
			dst = append(dst, b)
			i++
		default:
			r, size := utf8.DecodeRuneInString(string(text[i:min(len(text), i+utf8.UTFMax)]))
			dst = utf8.AppendRune(dst, r)
			i += size
		}
	}
	return append(dst, '"')
}
