package httpbridge

import (
	"encoding/json"
	"maps"
	"slices"
)

// scalarText is a JSON string, number or bool as text; "" for null. ok is false for anything else.
func scalarText(value json.RawMessage) (text string, ok bool) {
	switch {
	case len(value) == 0 || value[0] == '{' || value[0] == '[':
		return "", false
	case string(value) == "null":
		return "", true
	case value[0] == '"':
		err := json.Unmarshal(value, &text)
		return text, err == nil
	}
	return string(value), true
}

func sortedKeys(m map[string]json.RawMessage) []string { return slices.Sorted(maps.Keys(m)) }
