// Package simple reads and writes Motan's own serialization, number 6 (motan protocol, section 3.2): Go values to bytes
// and back, and JSON to bytes and back without building the values.
//
// A value is one tag byte and its payload. Integers, lengths and floats are big endian; a varint holds seven bits a
// byte, the least significant first, of the zigzag form of a signed number.
//
//	tag    type                  payload                                   Go value
//	00     null                  none                                      nil
//	01     string                u32 n, n bytes                            string
//	02     map string to string  u32 total, then u32 n, key, u32 m, value  StringMap
//	03     bytes                 u32 n, n bytes                            []byte
//	04     list of strings       u32 total, then u32 n, n bytes            []string
//	05     bool                  1 byte, 00 or 01                          bool
//	06     byte                  1 byte                                    byte
//	07     int16                 2 bytes                                   int16
//	08     int32                 varint                                    int32
//	09     int64                 varint                                    int64
//	0A     float32               4 bytes                                   float32
//	0B     float64               8 bytes                                   float64
//	14     map                   u32 total, then key and value, tagged     Map
//	15     list                  u32 total, then values, tagged            []any
//
// The arguments of a call stand one after the other without a count; no argument is no bytes (section 1.3).
//
// The encoding of a value is unique but for varints that are longer than needed. Of all other bytes, Append gives back
// exactly what Decode has read: the order of map entries, repeated keys and the kind of an empty container are kept.
//
// The package opens bytes from the network. Each length is checked against the container around it, containers nest at
// most MaxDepth deep, and memory is bounded by a small multiple of the input, which each function states; the size of
// the input is for the caller to bound. It never makes a Go type by a name that was sent, and it does not
// map structs: an agent has no types of the services that it serves.
//
// # JSON
//
// This is how JSON and the serialization correspond, in both directions:
//
//	JSON                                            simple
//	null                                            00
//	true, false                                     05
//	"text"                                          01
//	7: no point, no exponent, fits 64 bits          09 int64
//	7.0, 7e3: every other number                    0B float64, the nearest IEEE 754 double
//	["a","b"]: only strings, at least one           04
//	[], [1,"a"]: every other array                  15
//	{"a":"b"}: only string values, at least one     02
//	{}, {"a":1}: every other object                 14 with string keys
//	{"$bytes":"AQL/"}                               03, from base64 (RFC 4648, section 4, with padding)
//	{"$type":"int32","value":7}                     the type named: byte, int16, int32, int64, float32, float64,
//	                                                string, or bytes in base64
//	{"$object":{...}}                               the inner object as it stands, whatever its names are
//
// An object is one of the last three only in exactly this shape: the one member "$bytes" with a string; the two members
// "$type" with a string and "value", in any order; the name "$object", which is reserved, with an object and nothing
// beside it. {"$bytes":1} and {"$type":"x","id":2} are therefore ordinary objects, and what has the shape but not a
// fitting content is an error. An application that needs an object of that shape wraps it: {"$object":{"$bytes":"x"}}.
// The names inside the inner object have no meaning at its own level; those of objects deeper inside have theirs.
//
// Where the types of a method's parameters are known, AppendJSONArgsAs writes plain numbers as those types.
//
// On the way to JSON some things are lost: byte, int16 and int32 become plain integers, which come back as int64, and
// float32 becomes the shortest decimal that names it, which comes back as float64, unless JSONWriter.Typed is set;
// integer keys of a map become names in decimal and come back as strings; an empty 02 or 04 comes back as 14 or 15, and
// a 14 or 15 of nothing but strings as 02 or 04. On the way from JSON the spelling is lost: 1e2 comes back as 100.0, -0
// as 0. Nothing else changes. What the other side cannot hold is an error, never a near value: an integer of more than
// 64 bits, NaN and infinities, a string that is not UTF-8, a key that is neither string nor integer, two keys of one
// name.
package simple
