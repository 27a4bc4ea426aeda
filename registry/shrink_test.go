package registry

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// step is what happens to a ledger, and who is in use afterwards. Nodes are named by their ports.
type step struct {
	at   int    // seconds from the beginning
	do   string // "list 1 2", "alive 1", "dead 1", "late 1" (a time-out), "sweep"
	want string
}

func TestLedger(t *testing.T) {
	tests := []struct {
		name  string
		rule  Protection
		blind bool
		steps []step
	}{
		{"one of two goes", Protection{}, false, []step{{0, "list 1 2", "1 2"}, {1, "list 1", "1"}}},
		{"half go", Protection{}, false, []step{{0, "list 1 2 3 4", "1 2 3 4"}, {1, "list 1 2", "1 2"}}},
		{"more than half go", Protection{}, false, []step{{0, "list 1 2 3 4", "1 2 3 4"}, {1, "list 1", "1 2 3 4"}}},
		{"all go", Protection{}, false, []step{{0, "list 1 2", "1 2"}, {1, "list", "1 2"}, {9999, "sweep", "1 2"}}},
		{"the only one goes", Protection{}, false, []step{{0, "list 1", "1"}, {1, "list", "1"}}},
		{"nobody was there", Protection{}, false, []step{{0, "list", ""}, {1, "list", ""}, {2, "list 1", "1"}}},
		{"believed", Protection{Off: true}, false, []step{{0, "list 1 2 3 4", "1 2 3 4"}, {1, "list 1", "1"}, {2, "list", ""}}},
		{"own threshold", Protection{Threshold: 80}, false, []step{
			{0, "list 1 2 3 4 5", "1 2 3 4 5"}, {1, "list 1 2", "1 2"}, {2, "list 1 2 3 4 5", "1 2 3 4 5"}, {99, "list", "1 2 3 4 5"},
		}},
		{"dead ones go at once", Protection{}, false, []step{
			{0, "list 1 2 3 4", "1 2 3 4"}, {1, "list 1", "1 2 3 4"}, {2, "dead 2", "1 3 4"}, {2, "alive 3", "1 3 4"}, {3, "dead 3", "1 4"},
		}},
		{"all are dead", Protection{}, false, []step{{0, "list 1 2", "1 2"}, {1, "list", "1 2"}, {2, "dead 1", "2"}, {2, "dead 2", ""}}},
		{"a time-out counts the second time", Protection{}, false, []step{
			{0, "list 1", "1"}, {1, "list", "1"}, {2, "late 1", "1"}, {3, "alive 1", "1"}, {4, "late 1", "1"}, {5, "late 1", ""},
		}},
		{"who is listed is not judged", Protection{}, false, []step{{0, "list 1 2 3", "1 2 3"}, {1, "list 1", "1 2 3"}, {2, "dead 1", "1 2 3"}}},
		{"one after the other", Protection{}, false, []step{
			{0, "list 1 2 3 4", "1 2 3 4"},
			{1, "list 1 2 3", "1 2 3"},
			{2, "list 1 2", "1 2"},
			{3, "list 1", "1 2"},
			{4, "alive 3", "1 2 3"},
			{4, "dead 4", "1 2 3"},
			{5, "alive 4", "1 2 3"},
		}},
		{"one after the other, nobody can tell who answers", Protection{}, true, []step{
			{0, "list 1 2 3 4", "1 2 3 4"}, {1, "list 1 2 3", "1 2 3"}, {2, "list 1 2", "1 2"}, {3, "list 1", "1 2 3 4"},
		}},
		{"slowly", Protection{}, false, []step{
			{0, "list 1 2 3 4", "1 2 3 4"}, {100, "list 1 2 3", "1 2 3"}, {200, "list 1 2", "1 2"}, {300, "list 1", "1"},
		}},
		{"they come back", Protection{}, false, []step{
			{0, "list 1 2 3 4", "1 2 3 4"},
			{1, "list", "1 2 3 4"},
			{2, "list 1", "1 2 3 4"},
			{3, "list 1 2 3", "1 2 3 4"},
			{4, "list 1 2 3 4", "1 2 3 4"},
			{5, "dead 4", "1 2 3 4"},
		}},
		{"others come instead", Protection{}, false, []step{
			{0, "list 1 2 3", "1 2 3"}, {1, "list", "1 2 3"}, {2, "list 7 8", "1 2 3 7 8"}, {3, "list 7 8 9", "7 8 9"},
		}},
		{"all are replaced at once", Protection{Threshold: 1}, false, []step{{0, "list 1 2 3", "1 2 3"}, {1, "list 7 8 9", "7 8 9"}}},
		{"grace", Protection{Grace: 10 * time.Second}, false, []step{
			{0, "list 1 2 3 4", "1 2 3 4"}, {1, "list 1", "1 2 3 4"}, {10, "sweep", "1 2 3 4"}, {11, "sweep", "1"},
		}},
		{"default grace", Protection{}, false, []step{
			{0, "list 1 2 3 4", "1 2 3 4"}, {0, "list 1", "1 2 3 4"}, {599, "sweep", "1 2 3 4"}, {600, "sweep", "1"},
		}},
		{"grace begins when somebody is listed again", Protection{Grace: 10 * time.Second}, false, []step{
			{0, "list 1 2 3", "1 2 3"}, {1, "list", "1 2 3"}, {50, "sweep", "1 2 3"}, {60, "list 1", "1 2 3"}, {69, "sweep", "1 2 3"}, {70, "sweep", "1"},
		}},
		{"again, later", Protection{Grace: 10 * time.Second}, false, []step{
			{0, "list 1 2 3", "1 2 3"}, {1, "list 1", "1 2 3"}, {20, "sweep", "1"}, {30, "list 1 2", "1 2"}, {120, "list", "1 2"},
		}},
		{"further ones go meanwhile", Protection{}, false, []step{
			{0, "list 1 2 3 4", "1 2 3 4"}, {1, "list 1", "1 2 3 4"}, {2, "list", "1 2 3 4"}, {3, "list 4", "1 2 3 4"},
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			start := time.Unix(1700000000, 0)
			l := ledger{rule: tt.rule, blind: tt.blind}
			for i, s := range tt.steps {
				now := start.Add(time.Duration(s.at) * time.Second)
				what, names, _ := strings.Cut(s.do, " ")
				switch what {
				case "list":
					l.tell(now, pack(ports(t, names)))
				case "sweep":
					l.sweep(now)
				default:
					l.judge(pack(ports(t, names))[0].addr, what == "alive", what == "late")
				}
				if want := ports(t, s.want); !slices.EqualFunc(l.nodes().nodes(), want, sameNode) {
					t.Fatalf("step %d, %s: got %v, want %s", i, s.do, addrs(l.nodes().nodes()), s.want)
				}
				if n, since := l.protected(); n != len(l.nodes())-len(l.listed) || since.IsZero() != (n == 0) {
					t.Fatalf("step %d, %s: got %d kept since %v", i, s.do, n, since)
				}
			}
		})
	}
}

// ports returns nodes of hello by their ports.
func ports(t *testing.T, names string) []Node {
	t.Helper()
	nodes := []Node{}
	for name := range strings.FieldsSeq(names) {
		nodes = append(nodes, node(t, "10.0.0.1:"+name))
	}
	return nodes
}

// What a ledger gave out is a value: later lists do not change it.
func TestLedgerGivesValues(t *testing.T) {
	var l ledger
	now := time.Now()
	l.tell(now, pack(ports(t, "3 1 2")))
	before := l.nodes()
	l.tell(now, pack(ports(t, "9")))
	l.judge(before[0].addr, false, false)
	if got := strings.Join(addrs(before.nodes()), " "); got != "10.0.0.1:1 10.0.0.1:2 10.0.0.1:3" {
		t.Errorf("got %s", got)
	}
}
