// Package command reads the commands that a registry keeps for a group of services and for an agent: which groups a
// service's calls are spread over, which nodes callers may use, what is degraded, which switches are flipped
// (motan protocol, section 5.6).
//
// It does not watch the registry and changes nothing: a cluster asks what the commands say about it. The failure it
// prevents: a command with a typing error that takes a service away.
package command

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

// Type says what a command is for.
type Type int

// The types of commands.
const (
	Traffic Type = 0 // spread calls over groups, choose nodes
	Degrade Type = 1 // refuse calls
	Switch  Type = 2 // flip switches
)

// What one node may hold.
const (
	maxText     = 1 << 20 // bytes, ZooKeeper's own limit
	maxCommands = 1000
	maxParts    = 1000 // groups, rules or switches of one command
)

// Command is one command. It is a value.
type Command struct {
	Index    int // commands count in ascending order
	Type     Type
	Pattern  Pattern // which services; of a Switch command it is empty
	Groups   []Group // of Traffic; nil means the service's own
	Rules    []Rule  // of Traffic
	Switches []Flip  // of Switch
	Remark   string
}

// Group is one group that calls go to.
type Group struct {
	Name   string
	Weight int // 1 to 100; 0 where the command gives none
}

// Flip is what a switch is set to.
type Flip struct {
	Name string
	On   bool
}

// List is what one node holds, in order of index. It is a value.
type List struct {
	Commands []Command
	Problems []string // what is wrong with those that are left out, and parts of them, one sentence each

	Routings    []Routing // in the order of the text
	RoutingsErr error     // why there are none, where the text has some that mean nothing
}

// Parse reads the text of a command node. Text that is empty or "{}" is a list without commands. An error says that the
// whole text means nothing, and whatever was known before should stay; a command that is wrong by itself is left out and
// noted in Problems.
func Parse(text string) (List, error) {
	var l List
	if strings.TrimSpace(text) == "" {
		return l, nil
	}
	if len(text) > maxText {
		return l, fmt.Errorf("command: %d bytes are more than the %d allowed", len(text), maxText)
	}
	var raw struct {
		Commands []json.RawMessage `json:"clientCommandList"`
		Routings json.RawMessage   `json:"trafficRules"`
	}
	if err := json.Unmarshal([]byte(text), &raw); err != nil {
		return l, fmt.Errorf("command: not JSON of the form {\"clientCommandList\":[...]}: %w", err)
	}
	if len(raw.Commands) > maxCommands {
		return l, fmt.Errorf("command: %d commands are more than the %d allowed", len(raw.Commands), maxCommands)
	}
	for i, one := range raw.Commands {
		c, problems, err := parseOne(one)
		for _, p := range problems {
			l.Problems = append(l.Problems, fmt.Sprintf("command %d: %s", i+1, p))
		}
		if err != nil {
			l.Problems = append(l.Problems, fmt.Sprintf("command %d is ignored: %v", i+1, err))
			continue
		}
		l.Commands = append(l.Commands, c)
	}
	slices.SortStableFunc(l.Commands, func(a, b Command) int { return cmp.Compare(a.Index, b.Index) })
	l.Routings, l.RoutingsErr = parseRoutings(raw.Routings)
	return l, nil
}

// parseOne reads one command. Problems are parts of it that are left out.
func parseOne(text json.RawMessage) (c Command, problems []string, err error) {
	var raw struct {
		Index   *int     `json:"index"`
		Type    *Type    `json:"commandType"`
		Pattern string   `json:"pattern"`
		Groups  []string `json:"mergeGroups"`
		Rules   []string `json:"routeRules"`
		Remark  string   `json:"remark"`
	}
	if err := json.Unmarshal(text, &raw); err != nil {
		return c, nil, err
	}
	if n := max(len(raw.Groups), len(raw.Rules)); n > maxParts {
		return c, nil, fmt.Errorf("%d groups or rules are more than the %d allowed", n, maxParts)
	}
	c = Command{Index: math.MinInt, Remark: raw.Remark} // without an index it comes first, as with Motan Java
	if raw.Index != nil {
		c.Index = *raw.Index
	}
	if raw.Type != nil {
		c.Type = *raw.Type
	}
	switch c.Type {
	case Traffic, Degrade:
		if c.Pattern, err = ParsePattern(raw.Pattern); err != nil {
			return c, nil, err
		}
	case Switch:
		c.Switches, err = parseSwitches(raw.Pattern)
		return c, nil, err
	default:
		return c, nil, fmt.Errorf("commandType %d is not known: 0 is traffic, 1 degrade, 2 switcher", c.Type)
	}
	for _, g := range raw.Groups {
		group, problem := parseGroup(g)
		if problem != "" {
			problems = append(problems, problem)
		}
		if group.Name != "" {
			c.Groups = append(c.Groups, group)
		}
	}
	for _, text := range raw.Rules {
		r, err := ParseRule(text)
		if err != nil {
			problems = append(problems, err.Error()+"; it is ignored")
			continue
		}
		c.Rules = append(c.Rules, r)
	}
	return c, problems, nil
}

// parseGroup reads "group" or "group:weight". A weight that is no number counts as 1, as with the other agents.
func parseGroup(text string) (g Group, problem string) {
	name, weight, weighted := strings.Cut(strings.TrimSpace(text), ":")
	if g.Name = strings.TrimSpace(name); g.Name == "" {
		return g, fmt.Sprintf("group %q has no name; it is ignored", text)
	}
	if !weighted {
		return g, ""
	}
	n, err := strconv.Atoi(strings.TrimSpace(weight))
	if err != nil && !errors.Is(err, strconv.ErrRange) {
		g.Weight = 1
		return g, fmt.Sprintf("group %q: the weight is no number and counts as 1", text)
	}
	g.Weight = min(max(n, 1), 100)
	if g.Weight != n {
		problem = fmt.Sprintf("group %q: the weight is not between 1 and 100 and counts as %d", text, g.Weight)
	}
	return g, problem
}

// parseSwitches reads "name:true,name2:false".
func parseSwitches(text string) ([]Flip, error) {
	var flips []Flip
	for part := range strings.SplitSeq(text, ",") {
		if strings.TrimSpace(part) == "" {
			continue
		}
		name, value, _ := strings.Cut(part, ":")
		on, err := strconv.ParseBool(strings.TrimSpace(value))
		if name = strings.TrimSpace(name); err != nil || name == "" {
			return nil, fmt.Errorf("switch %q is not of the form name:true or name:false", part)
		}
		if flips = append(flips, Flip{name, on}); len(flips) > maxParts {
			return nil, fmt.Errorf("more than %d switches", maxParts)
		}
	}
	if len(flips) == 0 {
		return nil, errors.New("no switch is named: write name:true or name:false")
	}
	return flips, nil
}
