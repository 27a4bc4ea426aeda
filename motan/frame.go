package motan

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Bits of the type byte.
const (
	FlagResponse  = 0x01
	FlagProxy     = 0x02 // set on every frame that an agent writes
	FlagOneway    = 0x04 // carried; nobody acts on it, every request is answered
	FlagGzip      = 0x08
	FlagHeartbeat = 0x10
)

// Serialization numbers (Motan protocol, section 3.1).
const (
	SerializeHessian2 = 0
	SerializeGrpcPB   = 1
	SerializeJSON     = 2
	SerializeProtobuf = 5
	SerializeSimple   = 6
	SerializeBreeze   = 8
)

const (
	magic         = 0xf1f1
	version2      = 1
	statusMask    = 0x07
	headerBytes   = 13               // up to and including the request id
	metaOffset    = headerBytes + 4  // where metadata begins
	fixedBytes    = metaOffset + 4   // a frame without metadata and body
	inlineBytes   = 512              // frames up to this size need no pooled buffer
	metadataLimit = 1 << 20          // metadata is scanned, so it is bounded apart from the body
	statusNormal  = version2 << 3    // the version byte of requests and answers
	statusFailed  = version2<<3 | 1  // the version byte of an exception
	maxContent    = 10 * 1024 * 1024 // default of maxContentLength, as Java and motan-go have it
	maxSerialize  = 31               // five bits
)

// Why a connection's stream cannot be trusted any further. They are counted by reason.
var (
	ErrMagic    = errors.New("motan: not a Motan frame (magic is not F1F1)")
	ErrVersion  = errors.New("motan: unknown protocol version")
	ErrMotan1   = errors.New("motan: Motan1 frame, only Motan2 is spoken here")
	ErrOversize = errors.New("motan: frame over the limit")
)

// Frame is one Motan2 message in one buffer, its own. Metadata is scanned in place and
// never put into a map; the body is not opened. What is added to the metadata is kept
// apart and written between metadata and body on the way out.
//
// The zero Frame is an empty request. A Frame must not be copied and is not safe for
// concurrent use.
type Frame struct {
	Type      byte   // Flag bits
	Status    byte   // version and status as on the wire; 0 means version 2, normal
	Serialize byte   // the wire byte: number<<3 and the reserved bits
	ID        uint64 // request id

	buf   []byte // the whole frame as it came, or metadata and body as they were set
	meta  []byte // within buf; regular: no empty key or value, whole pairs, no trailing newline
	body  []byte // within buf
	extra []byte // pairs set since, each "\nkey\nvalue"
	cuts  [maxCuts]span
	ncuts int
	known [knownKeys]span // values of the known keys within meta
	added keySet          // keys that extra holds, or may hold if they are not known
	set   [knownKeys]span // values of the known keys within extra, for those in added

	small     [inlineBytes]byte
	smallMore [128]byte
}

type span struct{ from, to uint32 }

// Body is the body as sent, possibly compressed. It belongs to the frame.
func (f *Frame) Body() []byte { return f.body }

// Serialization is the number of the body's serialization.
func (f *Frame) Serialization() int { return int(f.Serialize >> 3) }

// SetSerialization sets the number of the body's serialization, 0 to 31.
func (f *Frame) SetSerialization(number int) { f.Serialize = byte(number&maxSerialize) << 3 }

// Failed tells whether the frame is an exception reply: any status but 0, as Java has it.
func (f *Frame) Failed() bool { return f.Status&statusMask != 0 }

// Exception returns what the provider said went wrong; ok is false for a normal reply.
// A failed frame without M_e, which some peers send, gets a service exception of its own.
func (f *Frame) Exception() (x Exception, ok bool) {
	if !f.Failed() {
		return Exception{}, false
	}
	text := f.Get("M_e")
	if len(text) == 0 {
		return Exception{Code: CodeInternal, Type: TypeService, Message: "provider answered with an exception but did not say which"}, true
	}
	return parseException(text), true
}

// SetException makes f an exception reply without a body.
func (f *Frame) SetException(x Exception) {
	f.Status = statusFailed
	f.body = nil
	f.Type &^= FlagGzip
	f.SetBytes("M_e", x.AppendJSON(nil))
}

// SetBody makes body the frame's body without a copy. The frame uses it until Reset; the
// caller may not change it before.
func (f *Frame) SetBody(body []byte) { f.body = body }

// CopyFrom makes f a copy of src, in its own buffer.
func (f *Frame) CopyFrom(src *Frame) {
	f.Reset()
	f.Type, f.Status, f.Serialize, f.ID = src.Type, src.Status, src.Serialize, src.ID
	f.take(src.append(getBuffer(src.Size()), src.ID, src.Type))
}

// Size is the number of bytes that f takes on the wire.
func (f *Frame) Size() int { return fixedBytes + f.metaSize() + len(f.body) }

// Reset makes f an empty request and gives its buffers back.
func (f *Frame) Reset() {
	f.free()
	f.Type, f.Status, f.Serialize, f.ID = 0, 0, 0, 0
	f.meta, f.body = nil, nil
	if cap(f.extra) > 4096 {
		f.extra = nil
	}
	f.extra = f.extra[:0]
	f.ncuts = 0
	clear(f.known[:])
	f.added = 0
}

func (f *Frame) free() {
	if cap(f.buf) > inlineBytes {
		putBuffer(f.buf)
	}
	f.buf = nil
}

// AppendTo appends f as it goes onto the wire with the id and type given. Metadata is
// written without empty keys, empty values, duplicates of what was set, or a trailing newline.
func (f *Frame) AppendTo(dst []byte, id uint64, typ byte) []byte {
	return f.append(slices.Grow(dst, f.Size()), id, typ)
}

// append is AppendTo for a pooled dst, which is given back where it has to grow.
func (f *Frame) append(dst []byte, id uint64, typ byte) []byte {
	size := f.metaSize()
	dst = growBuffer(dst, fixedBytes+size+len(f.body))
	at := len(dst)
	dst = dst[:at+metaOffset]
	head := dst[at:]
	binary.BigEndian.PutUint16(head, magic)
	head[2], head[3], head[4] = typ, f.Status, f.Serialize
	if f.Status == 0 {
		head[3] = statusNormal
	}
	binary.BigEndian.PutUint64(head[5:], id)
	binary.BigEndian.PutUint32(head[headerBytes:], uint32(size))
	dst = f.appendMetadata(dst)
	dst = binary.BigEndian.AppendUint32(dst, uint32(len(f.body)))
	return append(dst, f.body...)
}

// Decode reads the whole frame that data begins with and returns how many bytes it takes;
// data is copied. io.ErrUnexpectedEOF stands for a frame that is not all there.
// maxContent bounds metadata and body, each, in bytes; 0 means 10 MiB.
func (f *Frame) Decode(data []byte, maxContentLength int) (int, error) {
	size, err := frameSize(data, maxContentLength)
	if err != nil {
		return 0, err
	}
	if size > len(data) {
		return 0, io.ErrUnexpectedEOF
	}
	f.Reset()
	f.read(data[:size])
	return size, nil
}

// read makes f, which is empty, a copy of the frame that data is.
func (f *Frame) read(data []byte) {
	if len(data) <= inlineBytes {
		f.take(append(f.small[:0], data...))
		return
	}
	f.take(append(getBuffer(len(data)), data...))
}

// take makes buf, a whole frame, f's own.
func (f *Frame) take(buf []byte) {
	f.buf = buf
	f.Type, f.Status, f.Serialize = buf[2], buf[3], buf[4]
	f.ID = binary.BigEndian.Uint64(buf[5:])
	size := binary.BigEndian.Uint32(buf[headerBytes:])
	f.meta = buf[metaOffset : metaOffset+size : metaOffset+size]
	f.body = buf[fixedBytes+size:]
	f.index()
}

// frameSize tells how long the frame is that data begins with. While that is not known
// it returns how many bytes are needed to say more, which is then more than len(data).
func frameSize(data []byte, limit int) (int, error) {
	if limit <= 0 {
		limit = maxContent
	}
	if len(data) < 4 {
		if len(data) > 0 && data[0] != magic>>8 || len(data) > 1 && data[1] != magic&0xff {
			return 0, ErrMagic
		}
		return metaOffset, nil
	}
	if binary.BigEndian.Uint16(data) != magic {
		return 0, ErrMagic
	}
	if v := data[3] >> 3; v != version2 {
		if v == 0 {
			return 0, ErrMotan1
		}
		return 0, fmt.Errorf("%w %d", ErrVersion, v)
	}
	if len(data) < metaOffset {
		return metaOffset, nil
	}
	meta := binary.BigEndian.Uint32(data[headerBytes:])
	if uint64(meta) > uint64(min(limit, metadataLimit)) {
		return 0, fmt.Errorf("%w: %d bytes of metadata, at most %d are taken", ErrOversize, meta, min(limit, metadataLimit))
	}
	need := fixedBytes + int(meta)
	if len(data) < need {
		return need, nil
	}
	body := binary.BigEndian.Uint32(data[need-4:])
	if uint64(body) > uint64(limit) {
		return 0, fmt.Errorf("%w: body of %d bytes, maxContentLength is %d", ErrOversize, body, limit)
	}
	return need + int(body), nil
}

// frameID is the request id of a frame's bytes.
func frameID(data []byte) uint64 { return binary.BigEndian.Uint64(data[5:]) }

// normalise makes a reply say the same to every reader: exception or not is decided by the
// status, and an exception has an M_e (Motan protocol, section 9.1, row 7).
func (f *Frame) normalise() {
	if !f.Failed() {
		if f.known[keyException].to != 0 {
			f.Del("M_e")
		}
		return
	}
	f.Status = statusFailed
	if f.known[keyException].to == 0 {
		x, _ := f.Exception()
		f.SetException(x)
	}
}
