package simple

import "fmt"

// Tag is the first byte of a value and says its type (motan protocol, section 3.2).
type Tag byte

// The tags of the protocol. Every other byte is an error where a tag must be.
const (
	TagNull      Tag = 0x00
	TagString    Tag = 0x01
	TagStringMap Tag = 0x02
	TagBytes     Tag = 0x03
	TagStrings   Tag = 0x04
	TagBool      Tag = 0x05
	TagByte      Tag = 0x06
	TagInt16     Tag = 0x07
	TagInt32     Tag = 0x08
	TagInt64     Tag = 0x09
	TagFloat32   Tag = 0x0A
	TagFloat64   Tag = 0x0B
	TagMap       Tag = 0x14
	TagList      Tag = 0x15
)

// MaxDepth is how many containers may lie inside each other, the outermost counted as the first (motan protocol,
// section 9.6). A value that is deeper is refused in every direction.
const MaxDepth = 64

// maxLength bounds the length of a string or a container that is written. The field has 32 bits, but Java reads it
// as a signed number.
const maxLength = 1<<31 - 1

// String returns the name of the type, such as "int32", or the number in hexadecimal for a tag that does not exist.
// The names of scalar types are those of {"$type": ...} in JSON.
func (t Tag) String() string {
	switch t {
	case TagNull:
		return "null"
	case TagString:
		return "string"
	case TagStringMap:
		return "map of strings"
	case TagBytes:
		return "bytes"
	case TagStrings:
		return "list of strings"
	case TagBool:
		return "bool"
	case TagByte:
		return "byte"
	case TagInt16:
		return "int16"
	case TagInt32:
		return "int32"
	case TagInt64:
		return "int64"
	case TagFloat32:
		return "float32"
	case TagFloat64:
		return "float64"
	case TagMap:
		return "map"
	case TagList:
		return "list"
	}
	return fmt.Sprintf("tag 0x%02x", byte(t))
}
