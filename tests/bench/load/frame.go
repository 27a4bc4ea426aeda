package load

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"github.com/motand/motand/motan"
)

const (
	headBytes   = 17 // of a frame, up to and including the size of the metadata (motan protocol, section 1.1)
	prefixBytes = 16 // of a body that are compared
	metaBytes   = 64 << 10
)

// Request is a Motan2 request as bytes: what is before the body, in which only the id changes, and the body. It is not
// changed once it is made, so that many connections can share it.
type Request struct{ head, body []byte }

// NewRequest prepares a request for a method of a service of a group, with a body of size bytes: one string in the
// serialization simple (motan protocol, section 3.2). A body of less than 5 bytes has no room for one and is empty.
func NewRequest(group, service, method string, size int) Request {
	var f motan.Frame
	f.Set("M_p", service)
	f.Set("M_m", method)
	f.Set("M_g", group)
	f.Set("M_pp", "motan2")
	f.Set("M_s", "bench")
	f.SetSerialization(motan.SerializeSimple)
	f.SetBody(Body(size))
	whole := f.AppendTo(nil, 0, 0)
	cut := len(whole) - len(f.Body())
	return Request{head: whole[:cut], body: whole[cut:]}
}

// Body is a string of the serialization simple that takes size bytes.
func Body(size int) []byte {
	const fixed = 5
	if size < fixed {
		return nil
	}
	body := make([]byte, size)
	body[0] = 1
	binary.BigEndian.PutUint32(body[1:], uint32(size-fixed))
	for i := fixed; i < size; i++ {
		body[i] = 'a' + byte(i%26)
	}
	return body
}

// appendHead appends what is before the body, with the id.
func (r *Request) appendHead(out []byte, id uint64) []byte {
	at := len(out)
	out = append(out, r.head...)
	binary.BigEndian.PutUint64(out[at+5:], id)
	return out
}

// replies cuts a stream into the replies to one Request and checks them. Bodies are looked at in their first bytes and
// then skipped, so that a large one needs no large buffer.
type replies struct {
	want []byte // the body

	inBody bool
	left   int // of the body, not yet there
	id     uint64
	failed bool
}

// next takes what it can of data: used bytes of it are done with. Where that ends a reply, done is true, id says to
// what it replies, and ok that it has no exception and the body wanted.
func (p *replies) next(data []byte) (used int, id uint64, ok, done bool, err error) {
	if !p.inBody {
		used, err = p.head(data)
		if err != nil || !p.inBody {
			return 0, 0, false, false, err
		}
	}
	n := min(p.left, len(data)-used)
	p.left -= n
	used += n
	if p.left > 0 {
		return used, 0, false, false, nil
	}
	p.inBody = false
	return used, p.id, !p.failed, true, nil
}

// head takes everything before the body once the first bytes of the body are there as well.
func (p *replies) head(data []byte) (used int, err error) {
	if len(data) < headBytes {
		return 0, nil
	}
	if data[0] != 0xf1 || data[1] != 0xf1 || data[3]>>3 != 1 || data[2]&motan.FlagResponse == 0 {
		return 0, fmt.Errorf("load: not a Motan2 reply: % x", data[:headBytes])
	}
	meta := binary.BigEndian.Uint32(data[13:])
	if meta > metaBytes-headBytes-4-prefixBytes {
		return 0, fmt.Errorf("load: a reply with %d bytes of metadata", meta)
	}
	used = headBytes + int(meta) + 4
	if len(data) < used {
		return 0, nil
	}
	size := int(binary.BigEndian.Uint32(data[used-4:]))
	compared := min(size, prefixBytes)
	if len(data) < used+compared {
		return 0, nil
	}
	p.id = binary.BigEndian.Uint64(data[5:])
	p.failed = data[3]&7 != 0
	if !p.failed && (size != len(p.want) || !bytes.Equal(data[used:used+compared], p.want[:compared])) {
		return 0, fmt.Errorf("load: the reply to %d has a body of %d bytes that begins with % x; want the %d bytes sent, which begin with % x",
			p.id, size, data[used:used+compared], len(p.want), p.want[:min(len(p.want), prefixBytes)])
	}
	p.inBody, p.left = true, size
	return used, nil
}
