package simple

import "slices"

// Map is a map whose keys and values are of any type (TagMap). It is a list of entries, because the order on the wire
// is kept and a key may be of a type that a Go map cannot hold.
type Map []Pair

// Pair is an entry of a Map.
type Pair struct {
	Key, Value any
}

// Get returns the value of a string key. Where the key occurs more than once the last one wins, as with every reader
// of the protocol. It looks at each entry in turn.
func (m Map) Get(key string) (value any, ok bool) {
	for _, p := range slices.Backward(m) {
		if k, isString := p.Key.(string); isString && k == key {
			return p.Value, true
		}
	}
	return nil, false
}

// StringMap is a map of strings to strings (TagStringMap), its entries in the order on the wire.
type StringMap []StringPair

// StringPair is an entry of a StringMap.
type StringPair struct {
	Key, Value string
}

// Get returns the value of a key. Where the key occurs more than once the last one wins. It looks at each entry in turn.
func (m StringMap) Get(key string) (value string, ok bool) {
	for _, p := range slices.Backward(m) {
		if p.Key == key {
			return p.Value, true
		}
	}
	return "", false
}
