package simple

import "slices"

// printedObject is what must be remembered of a map while it is written as a JSON object, to see at its end whether it
// would be read back as something else.
type printedObject struct {
	mark     int     // its first name in jsonPrinter.names
	isText   [2]bool // whether its first two values are strings
	reserved bool    // whether one of its names is $object
}

// object writes a map of either kind. Names are in the order of the entries.
func (p *jsonPrinter) object(dst []byte, it item, depth int) ([]byte, *JSONError) {
	o := printedObject{mark: len(p.names)}
	defer func() { p.names = p.names[:o.mark] }()
	start := len(dst)
	dst = append(dst, '{')
	at := it.from
	for i := 0; at < it.to; i++ {
		if i > 0 {
			dst = append(dst, ',')
		}
		keyAt, nameFrom := at, len(dst)
		var err *JSONError
		if dst, at, err = p.key(dst, at, it); err != nil {
			return dst, err
		}
		nameTo := len(dst)
		p.names.add(nameFrom, nameTo, keyAt)
		o.reserved = o.reserved || string(dst[nameFrom:nameTo]) == `"$object"`
		if i < len(o.isText) {
			o.isText[i] = it.tag == TagStringMap || at < it.to && Tag(p.b[at]) == TagString
		}
		dst = append(dst, ':')
		if dst, at, err = p.member(dst, at, it, depth); err != nil {
			return dst, err.inQuoted(dst[nameFrom:nameTo])
		}
	}
	dst = append(dst, '}')
	if o.needsWrapping(p.names, dst) {
		dst = slices.Insert(dst, start, []byte(`{"$object":`)...)
		dst = append(dst, '}')
		for i := range p.names[o.mark:] {
			p.names[o.mark+i].from += len(`{"$object":`)
			p.names[o.mark+i].to += len(`{"$object":`)
		}
	}
	if twice, found := p.names.repeated(dst, o.mark); found {
		return dst, p.fail(twice.at, "two keys of the map have the same name in JSON").inQuoted(twice.text(dst))
	}
	return dst, nil
}

// needsWrapping tells whether the object has one of the shapes that mean something to AppendJSON.
func (o *printedObject) needsWrapping(all names, dst []byte) bool {
	own := all[o.mark:]
	switch {
	case o.reserved:
		return true
	case len(own) == 1:
		return o.isText[0] && own[0].is(dst, `"$bytes"`)
	case len(own) == 2:
		return o.isText[0] && own[0].is(dst, `"$type"`) && own[1].is(dst, `"value"`) ||
			o.isText[1] && own[0].is(dst, `"value"`) && own[1].is(dst, `"$type"`)
	default:
		return false
	}
}

// key writes the key at p.b[at] of a map as a name.
func (p *jsonPrinter) key(dst []byte, at int, it item) ([]byte, int, *JSONError) {
	key := item{tag: TagString}
	var bad *DecodeError
	if it.tag == TagStringMap {
		key.from, key.to, bad = splitText(p.b, at, it.to)
	} else {
		key, bad = split(p.b, at, it.to)
	}
	if bad != nil {
		return dst, 0, p.malformed(bad)
	}
	var err *JSONError
	switch key.tag {
	case TagString:
		dst, err = p.text(dst, key.from, key.to)
	case TagByte, TagInt16, TagInt32, TagInt64:
		dst = append(p.integer(append(dst, '"'), key), '"')
	default:
		err = p.fail(at, "a key of type %s cannot be a name in JSON", key.tag)
	}
	return dst, key.to, err
}

// member writes the value at p.b[at] of a map.
func (p *jsonPrinter) member(dst []byte, at int, it item, depth int) ([]byte, int, *JSONError) {
	if it.tag == TagMap {
		return p.value(dst, at, it.to, depth)
	}
	from, to, bad := splitText(p.b, at, it.to)
	if bad != nil {
		return dst, 0, p.malformed(bad)
	}
	dst, err := p.text(dst, from, to)
	return dst, to, err
}
