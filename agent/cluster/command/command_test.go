package command

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
)

func parse(t *testing.T, text string) List {
	t.Helper()
	l, err := Parse(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// The example of the protocol's section 5.6.
func TestParse(t *testing.T) {
	l := parse(t, `{"clientCommandList":[
	  {"index":1,"version":"1.0","dc":"yf","commandType":0,"pattern":"com.example.*",
	   "mergeGroups":["group1:3","group2:1"],"routeRules":["10.73.1.* to 10.75.*","!10.* to !10.77.0.1"],
	   "remark":"switch half of group1"}]}`)
	if len(l.Commands) != 1 || len(l.Problems) != 0 {
		t.Fatalf("got %d commands and problems %q", len(l.Commands), l.Problems)
	}
	c := l.Commands[0]
	if want := []Group{{"group1", 3}, {"group2", 1}}; !slices.Equal(c.Groups, want) || !c.Weighted() {
		t.Errorf("groups: got %v (weighted %t), want %v", c.Groups, c.Weighted(), want)
	}
	if c.Index != 1 || c.Type != Traffic || len(c.Rules) != 2 || c.Remark != "switch half of group1" {
		t.Errorf("got %+v", c)
	}
}

func TestNoCommand(t *testing.T) {
	for _, text := range []string{"", " \n", "{}", "null", `{"clientCommandList":[]}`, `{"clientCommandList":null}`} {
		if l := parse(t, text); len(l.Commands)+len(l.Problems) != 0 {
			t.Errorf("%q: got %+v", text, l)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, text := range []string{
		"true", "[]", "{", `{"clientCommandList":{}}`, `{"clientCommandList":"x"}`, "group1:3", strings.Repeat(" ", maxText) + "{}",
		`{"clientCommandList":[` + strings.Repeat("{},", maxCommands) + `{}]}`,
	} {
		if l, err := Parse(text); err == nil {
			t.Errorf("%.40q: got %d commands, want an error", text, len(l.Commands))
		}
	}
}

// Traffic rules stand beside the commands: all of them count or none, and the commands do in either case.
func TestRoutings(t *testing.T) {
	tests := []struct {
		name, text string
		want       int
		wrong      string
	}{
		{"none", `null`, 0, ""},
		{"empty", `[]`, 0, ""},
		{"some", `[{"pattern":"a*","rules":[1]},{"pattern":"*","rules":[]}]`, 2, ""},
		{"not a list", `{}`, 0, "not of the form"},
		{"an entry", `[{"pattern":"*","rules":[]},1]`, 0, "not of the form"},
		{"pattern", `[{"pattern":"*","rules":[]},{"pattern":"("}]`, 0, "entry 2: pattern"},
		{"without rules", `[{"pattern":"*"}]`, 0, "entry 1: there are no rules"},
		{"too many", `[` + strings.Repeat(`{},`, maxCommands) + `{}]`, 0, "more than the 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := parse(t, `{"clientCommandList":[{"pattern":"*"}],"trafficRules":`+tt.text+`}`)
			if len(l.Routings) != tt.want || len(l.Commands) != 1 {
				t.Errorf("got %d entries and %d commands, want %d and 1", len(l.Routings), len(l.Commands), tt.want)
			}
			if got := fmt.Sprint(l.RoutingsErr); tt.wrong == "" && l.RoutingsErr != nil || !strings.Contains(got, tt.wrong) {
				t.Errorf("error: got %s, want one with %q", got, tt.wrong)
			}
		})
	}
}

// What is wrong in one place leaves the rest as it is.
func TestProblems(t *testing.T) {
	tests := []struct {
		name, command string
		kept          bool
		problem       string
	}{
		{"pattern", `{"pattern":"(a"}`, false, "command 1 is ignored: pattern"},
		{"no pattern", `{}`, false, "the pattern is empty"},
		{"type", `{"pattern":"*","commandType":7}`, false, "commandType 7 is not known"},
		{"kind of value", `{"pattern":5}`, false, "cannot unmarshal number"},
		{"weight", `{"pattern":"*","mergeGroups":["g:x"]}`, true, "the weight is no number"},
		{"weight too large", `{"pattern":"*","mergeGroups":["g:99999999999999999999"]}`, true, "counts as 100"},
		{"weight zero", `{"pattern":"*","mergeGroups":["g:0"]}`, true, "counts as 1"},
		{"group", `{"pattern":"*","mergeGroups":[":3"]}`, true, "has no name"},
		{"rule", `{"pattern":"*","routeRules":["10.*"]}`, true, "is not of the form"},
		{"rule without host", `{"pattern":"*","routeRules":["! to 10.*"]}`, true, "names no host"},
		{"switch", `{"pattern":"a:yes","commandType":2}`, false, "is not of the form name:true"},
		{"no switch", `{"pattern":" , ","commandType":2}`, false, "no switch is named"},
		{"groups", `{"pattern":"*","mergeGroups":["` + strings.Repeat(`g","`, maxParts) + `g"]}`, false, "more than the 1000"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			l := parse(t, `{"clientCommandList":[`+tt.command+`,{"pattern":"other"}]}`)
			if len(l.Problems) != 1 || !strings.Contains(l.Problems[0], tt.problem) {
				t.Errorf("problems: got %q, want one with %q", l.Problems, tt.problem)
			}
			if kept := len(l.Commands) == 2; kept != tt.kept {
				t.Errorf("kept: got %t, want %t", kept, tt.kept)
			}
			if _, ok := (Set{Group: l}).Traffic("other"); !ok {
				t.Error("the command beside it is gone")
			}
		})
	}
}

func TestOrder(t *testing.T) {
	command := func(index string, kind Type, remark string) string {
		return fmt.Sprintf(`{%s"commandType":%d,"pattern":"*","remark":%q}`, index, kind, remark)
	}
	group := parse(t, `{"clientCommandList":[`+strings.Join([]string{
		command(`"index":5,`, Traffic, "late"), command(`"index":1,`, Traffic, "early"),
		command(`"index":1,`, Traffic, "as early"), command(`"index":3,`, Degrade, "first"), command(`"index":9,`, Degrade, "last"),
	}, ",")+`]}`)
	first := parse(t, `{"clientCommandList":[`+command(`"index":-7,`, Traffic, "small")+","+command("", Traffic, "none")+`]}`)
	tests := []struct {
		name, traffic, degrade string
		set                    Set
	}{
		{"none", "", "", Set{}},
		{"group", "early", "last", Set{Group: group}},
		{"agent before group", "none", "last", Set{Agent: first, Group: group}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			traffic, _ := tt.set.Traffic("s")
			degrade, _ := tt.set.Degraded("s")
			if traffic.Remark != tt.traffic || degrade.Remark != tt.degrade {
				t.Errorf("got traffic %q, degrade %q, want %q and %q", traffic.Remark, degrade.Remark, tt.traffic, tt.degrade)
			}
		})
	}
}

func TestSwitches(t *testing.T) {
	set := Set{
		Group: parse(t, `{"clientCommandList":[
			{"index":1,"commandType":2,"pattern":"a:true,z:true"},
			{"index":2,"commandType":2,"pattern":" a:false , b:true "}]}`),
		Agent: parse(t, `{"clientCommandList":[{"commandType":2,"pattern":"b:false"}]}`),
	}
	if got, want := set.Switches(), map[string]bool{"a": false, "b": false}; !maps.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestRules(t *testing.T) {
	tests := []struct {
		rules       []string
		local, host string
		want        bool
	}{
		{nil, "10.1.1.1", "10.2.2.2", true},
		{[]string{"10.73.1.* to 10.75.*"}, "10.73.1.9", "10.75.0.1", true},
		{[]string{"10.73.1.* to 10.75.*"}, "10.73.1.9", "10.76.0.1", false},
		{[]string{"10.73.1.* to 10.75.*"}, "10.74.1.9", "10.76.0.1", true}, // about somebody else
		{[]string{"!10.* to !10.77.0.1"}, "192.168.0.1", "10.77.0.1", false},
		{[]string{"!10.* to !10.77.0.1"}, "192.168.0.1", "10.77.0.2", true},
		{[]string{"* to !10.77.0.1", "* to 10.77.*"}, "1.1.1.1", "10.77.0.2", true},
		{[]string{"* to !10.77.0.1", "* to 10.77.*"}, "1.1.1.1", "10.78.0.2", false},
		{[]string{"*to10.77.*"}, "1.1.1.1", "10.77.0.2", true},             // without blanks, as Motan Java reads it
		{[]string{"tokyo1 to  toronto*"}, "tokyo1", "toronto7", true},      // the word in a name
		{[]string{"tokyo1 to  toronto*"}, "tokyo1", "boston", false},       // likewise
		{[]string{"!* to 10.1.1.1"}, "1.1.1.1", "2.2.2.2", true},           // about nobody
		{[]string{"1.1.1.1 to !*"}, "1.1.1.1", "2.2.2.2", false},           // to nobody
		{[]string{"1.1.1.1 to 2.2.2.2"}, "1.1.1.1", "2.2.2.22", false},     // no prefix without a star
		{[]string{"nonsense", "1.1.1.1 to 2.2.*"}, "1.1.1.1", "3.", false}, // a wrong rule is left out, no more
	}
	for _, tt := range tests {
		text := strings.Join(tt.rules, `","`)
		if text != "" {
			text = `"` + text + `"`
		}
		c := parse(t, `{"clientCommandList":[{"pattern":"*","routeRules":[`+text+`]}]}`).Commands[0]
		if got := c.Keep(tt.local, tt.host); got != tt.want {
			t.Errorf("%q from %s to %s: got %t, want %t", tt.rules, tt.local, tt.host, got, tt.want)
		}
	}
}

func TestShares(t *testing.T) {
	c := parse(t, `{"clientCommandList":[{"pattern":"*","mergeGroups":["a:3"," b ","c:200"]}]}`).Commands[0]
	var shares []int
	for _, g := range c.Groups {
		shares = append(shares, g.Share())
	}
	if want := []int{3, 1, 100}; !slices.Equal(shares, want) || !c.Weighted() {
		t.Errorf("got %v (weighted %t), want %v", shares, c.Weighted(), want)
	}
	c = parse(t, `{"clientCommandList":[{"pattern":"*","mergeGroups":["a","b"]}]}`).Commands[0]
	if c.Weighted() {
		t.Error("groups without weights: got weighted, want one pool")
	}
}
