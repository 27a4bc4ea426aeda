package simple

import (
	"bytes"
	"reflect"
	"slices"
)

// appendReflected writes what appendValue has no case for: named types, and maps and slices of other element types. A
// container it meets is the depth-th.
func appendReflected(dst []byte, value any, depth int) ([]byte, *EncodeError) {
	v := reflect.ValueOf(value)
	switch v.Kind() {
	case reflect.String:
		return appendText(append(dst, byte(TagString)), v.String())
	case reflect.Bool:
		return appendBool(dst, v.Bool()), nil
	case reflect.Uint8:
		return append(dst, byte(TagByte), byte(v.Uint())), nil
	case reflect.Int16:
		return appendValue(dst, int16(v.Int()), depth)
	case reflect.Int32:
		return appendInt32(dst, int32(v.Int())), nil
	case reflect.Int64, reflect.Int:
		return appendInt64(dst, v.Int()), nil
	case reflect.Float32:
		return appendFloat32(dst, float32(v.Float())), nil
	case reflect.Float64:
		return appendFloat64(dst, v.Float()), nil
	case reflect.Slice:
		return appendSlice(dst, v, depth)
	case reflect.Map:
		return appendGoMap(dst, v, depth)
	default:
		return dst, unwritable("%T has no form in this serialization; give a string, a bool, a byte, an int16, int32, "+
			"int64 or int, a float, a slice or a map of these", value)
	}
}

func isContainer(v any) bool {
	switch t := reflect.TypeOf(v); t.Kind() {
	case reflect.Map:
		return true
	case reflect.Slice:
		return t.Elem().Kind() != reflect.Uint8
	default:
		return false
	}
}

func appendSlice(dst []byte, v reflect.Value, depth int) ([]byte, *EncodeError) {
	switch v.Type().Elem().Kind() {
	case reflect.Uint8:
		return appendText(append(dst, byte(TagBytes)), v.Bytes())
	case reflect.String:
		texts := make([]string, v.Len())
		for i := range texts {
			texts[i] = v.Index(i).String()
		}
		return appendStrings(dst, texts)
	default:
	}
	dst, from := open(dst, TagList)
	for i := range v.Len() {
		var err *EncodeError
		if dst, err = appendValue(dst, v.Index(i).Interface(), depth); err != nil {
			return dst, err
		}
	}
	return sealed(dst, from)
}

// appendGoMap sorts by the bytes of the encoded keys, which orders keys of different types too.
func appendGoMap(dst []byte, v reflect.Value, depth int) ([]byte, *EncodeError) {
	if v.Type().Key().Kind() == reflect.String && v.Type().Elem().Kind() == reflect.String {
		m := make(map[string]string, v.Len())
		for it := v.MapRange(); it.Next(); {
			m[it.Key().String()] = it.Value().String()
		}
		return appendStringMap(dst, sorted(m))
	}
	type entry struct {
		key   []byte
		value any
	}
	entries := make([]entry, 0, v.Len())
	for it := v.MapRange(); it.Next(); {
		key, err := appendValue(nil, it.Key().Interface(), depth)
		if err != nil {
			return dst, err
		}
		entries = append(entries, entry{key, it.Value().Interface()})
	}
	slices.SortFunc(entries, func(a, b entry) int { return bytes.Compare(a.key, b.key) })
	dst, from := open(dst, TagMap)
	for _, e := range entries {
		var err *EncodeError
		if dst, err = appendValue(append(dst, e.key...), e.value, depth); err != nil {
			return dst, err
		}
	}
	return sealed(dst, from)
}
