package command

import (
	"encoding/json"
	"errors"
	"fmt"
)

// Routing is rules for the calls of the services that its pattern means: what motan-traffic has for a refer. It is ours: it
// stands beside the commands, in a field that Motan Java and motan-go do not read.
type Routing struct {
	Pattern Pattern
	Rules   json.RawMessage // a list, as in motan-traffic; it was not looked into
}

// parseRoutings reads what stands in the field. All of it counts, or nothing.
func parseRoutings(text json.RawMessage) ([]Routing, error) {
	var raw []struct {
		Pattern string          `json:"pattern"`
		Rules   json.RawMessage `json:"rules"`
	}
	if len(text) == 0 {
		return nil, nil
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return nil, fmt.Errorf(`trafficRules: not of the form [{"pattern":"com.example.*","rules":[...]}]: %w`, err)
	}
	if len(raw) > maxCommands {
		return nil, fmt.Errorf("trafficRules: %d entries are more than the %d allowed", len(raw), maxCommands)
	}
	var all []Routing
	for i, x := range raw {
		p, err := ParsePattern(x.Pattern)
		if err == nil && (len(x.Rules) == 0 || string(x.Rules) == "null") {
			err = errors.New("there are no rules; an empty list has calls take the refer's own nodes")
		}
		if err != nil {
			return nil, fmt.Errorf("trafficRules: entry %d: %w", i+1, err)
		}
		all = append(all, Routing{Pattern: p, Rules: x.Rules})
	}
	return all, nil
}
