package simple

import (
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strconv"
	"sync"
)

// jsonPrinter reads simple bytes and writes JSON text as it goes.
type jsonPrinter struct {
	b     []byte
	typed bool
	names names
}

var jsonPrinters = sync.Pool{New: func() any { return new(jsonPrinter) }}

// write runs one of a printer's entry points over b. dst keeps its contents on error.
func (w JSONWriter) write(dst, b []byte, run func(*jsonPrinter, []byte) ([]byte, *JSONError)) ([]byte, error) {
	p := jsonPrinters.Get().(*jsonPrinter)
	p.b, p.typed = b, w.Typed
	out, err := run(p, dst)
	p.b = nil
	p.names.reset()
	jsonPrinters.Put(p)
	if err != nil {
		return dst, err.inside("$")
	}
	return out, nil
}

func (p *jsonPrinter) document(dst []byte) ([]byte, *JSONError) {
	if len(p.b) == 0 {
		return append(dst, "null"...), nil
	}
	dst, next, err := p.value(dst, 0, len(p.b), 0)
	if err == nil && next < len(p.b) {
		err = p.fail(next, "%d bytes follow the value", len(p.b)-next)
	}
	return dst, err
}

func (p *jsonPrinter) arguments(dst []byte) ([]byte, *JSONError) {
	return p.list(dst, 0, len(p.b), 0)
}

// value writes the value at p.b[at], which lies inside depth containers, and returns where the next one starts.
func (p *jsonPrinter) value(dst []byte, at, end, depth int) ([]byte, int, *JSONError) {
	it, bad := split(p.b, at, end)
	if bad != nil {
		return dst, 0, p.malformed(bad)
	}
	payload := p.b[it.from:it.to]
	var err *JSONError
	switch it.tag {
	case TagNull:
		dst = append(dst, "null"...)
	case TagBool:
		dst = strconv.AppendBool(dst, payload[0] == 1)
	case TagString:
		dst, err = p.text(dst, it.from, it.to)
	case TagBytes:
		dst = append(dst, `{"$bytes":"`...)
		dst = base64.StdEncoding.AppendEncode(dst, payload)
		dst = append(dst, `"}`...)
	case TagInt64:
		dst = strconv.AppendInt(dst, int64Of(payload), 10)
	case TagFloat64:
		dst, err = p.float(dst, at, math.Float64frombits(binary.BigEndian.Uint64(payload)), 64)
	case TagByte, TagInt16, TagInt32, TagFloat32:
		dst, err = p.narrow(dst, at, it)
	default:
		dst, err = p.container(dst, at, it, depth+1)
	}
	return dst, it.to, err
}

// narrow writes a number whose width JSON does not know.
func (p *jsonPrinter) narrow(dst []byte, at int, it item) ([]byte, *JSONError) {
	if p.typed {
		dst = append(dst, `{"$type":"`...)
		dst = append(dst, it.tag.String()...)
		dst = append(dst, `","value":`...)
	}
	var err *JSONError
	if it.tag == TagFloat32 {
		bits := binary.BigEndian.Uint32(p.b[it.from:])
		dst, err = p.float(dst, at, float64(math.Float32frombits(bits)), 32)
	} else {
		dst = p.integer(dst, it)
	}
	if p.typed {
		dst = append(dst, '}')
	}
	return dst, err
}

// integer writes an integer of any width in decimal.
func (p *jsonPrinter) integer(dst []byte, it item) []byte {
	payload := p.b[it.from:it.to]
	var n int64
	switch it.tag {
	case TagByte:
		n = int64(payload[0])
	case TagInt16:
		n = int64(int16(binary.BigEndian.Uint16(payload)))
	case TagInt32:
		n = int64(int32Of(payload))
	default:
		n = int64Of(payload)
	}
	return strconv.AppendInt(dst, n, 10)
}

// float writes the shortest decimal that names f among the floats of that size, always with a point or an exponent, by
// which a reader tells it from an integer. From 1e21 on and below 1e-6 it has an exponent, as in JavaScript.
func (p *jsonPrinter) float(dst []byte, at int, f float64, size int) ([]byte, *JSONError) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return dst, p.fail(at, "JSON has no form for the number %v", f)
	}
	low := 1e-6
	if size == 32 {
		low = float64(float32(low))
	}
	if abs := math.Abs(f); abs != 0 && (abs < low || abs >= 1e21) {
		return strconv.AppendFloat(dst, f, 'e', -1, size), nil
	}
	from := len(dst)
	dst = strconv.AppendFloat(dst, f, 'f', -1, size)
	if !slices.Contains(dst[from:], '.') {
		dst = append(dst, ".0"...)
	}
	return dst, nil
}

// text writes p.b[from:to] as a JSON string.
func (p *jsonPrinter) text(dst []byte, from, to int) ([]byte, *JSONError) {
	dst, bad := appendJSONText(dst, p.b[from:to])
	if bad >= 0 {
		return dst, p.fail(from+bad, "the string is not UTF-8, which JSON must be: byte 0x%02x; let the provider answer bytes",
			p.b[from+bad])
	}
	return dst, nil
}

func (p *jsonPrinter) container(dst []byte, at int, it item, depth int) ([]byte, *JSONError) {
	if depth > MaxDepth {
		return dst, p.malformed(tooDeep(at))
	}
	switch it.tag {
	case TagStrings:
		return p.texts(dst, it)
	case TagStringMap, TagMap:
		return p.object(dst, it, depth)
	default:
		return p.list(dst, it.from, it.to, depth)
	}
}

func (p *jsonPrinter) texts(dst []byte, it item) ([]byte, *JSONError) {
	dst = append(dst, '[')
	at := it.from
	for i := 0; at < it.to; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		from, to, bad := splitText(p.b, at, it.to)
		if bad != nil {
			return dst, p.malformed(bad).inIndex(i)
		}
		var err *JSONError
		if dst, err = p.text(dst, from, to); err != nil {
			return dst, err.inIndex(i)
		}
		at = to
	}
	return append(dst, ']'), nil
}

func (p *jsonPrinter) list(dst []byte, at, end, depth int) ([]byte, *JSONError) {
	dst = append(dst, '[')
	for i := 0; at < end; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		var err *JSONError
		if dst, at, err = p.value(dst, at, end, depth); err != nil {
			return dst, err.inIndex(i)
		}
	}
	return append(dst, ']'), nil
}

func (p *jsonPrinter) malformed(e *DecodeError) *JSONError {
	return &JSONError{Offset: e.Offset, Msg: e.Msg, Err: e}
}

func (p *jsonPrinter) fail(at int, format string, args ...any) *JSONError {
	return &JSONError{Offset: at, Msg: fmt.Sprintf(format, args...)}
}
