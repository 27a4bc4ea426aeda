package simple

import (
	"encoding/binary"
	"math"
	"strconv"
)

// AppendText appends a scalar, as [Split] gives it, to dst as people write it: 7, true, 0.5, text as it stands. It tells whether
// tag is one of a scalar; the payload must be as Split has checked it.
func AppendText(dst []byte, tag Tag, payload []byte) ([]byte, bool) {
	switch tag {
	case TagString, TagBytes:
		dst = append(dst, payload...)
	case TagBool:
		dst = strconv.AppendBool(dst, payload[0] == 1)
	case TagByte:
		dst = strconv.AppendUint(dst, uint64(payload[0]), 10)
	case TagInt16:
		dst = strconv.AppendInt(dst, int64(int16(binary.BigEndian.Uint16(payload))), 10)
	case TagInt32:
		dst = strconv.AppendInt(dst, int64(int32Of(payload)), 10)
	case TagInt64:
		dst = strconv.AppendInt(dst, int64Of(payload), 10)
	case TagFloat32:
		dst = strconv.AppendFloat(dst, float64(math.Float32frombits(binary.BigEndian.Uint32(payload))), 'g', -1, 32)
	case TagFloat64:
		dst = strconv.AppendFloat(dst, math.Float64frombits(binary.BigEndian.Uint64(payload)), 'g', -1, 64)
	default:
		return dst, false
	}
	return dst, true
}
