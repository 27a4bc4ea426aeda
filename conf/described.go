package conf

import (
	"encoding/json"
	"slices"
	"strings"
)

// DescribedMethod is what the keys name(types).description and name(types).example of a refer say.
type DescribedMethod struct {
	Name        string
	Types       string // of the parameters, as in M_md; "" where none are written
	Description string
	Example     string // arguments as a JSON array; "" where it is not written
}

// described finds the methods of an entry that have a description or an example, sorted by name and types.
func (c *checker) described(v values, path string) []DescribedMethod {
	var out []DescribedMethod
	for full, x := range v.set {
		key := baseKey(full)
		if key != "description" && key != "example" || key == full && key == "description" {
			continue
		}
		method := strings.TrimSuffix(strings.TrimSuffix(full, key), ".")
		name, types, ok := strings.Cut(strings.TrimSuffix(method, ")"), "(")
		if !ok {
			c.f.errorf(x.at, path+"."+full, "example is of a method: write it as name(types).example, such as hello(java.lang.String).example")
			continue
		}
		if key == "example" && (!json.Valid([]byte(x.text)) || !strings.HasPrefix(strings.TrimSpace(x.text), "[")) {
			c.f.errorf(x.at, path+"."+full, `the example must be the arguments as a JSON array in quotes, such as '["world"]'; got %s`, quote(x.text))
			continue
		}
		i := slices.IndexFunc(out, func(m DescribedMethod) bool { return m.Name == name && m.Types == types })
		if i < 0 {
			i, out = len(out), append(out, DescribedMethod{Name: name, Types: types})
		}
		if key == "example" {
			out[i].Example = x.text
		} else {
			out[i].Description = x.text
		}
	}
	slices.SortFunc(out, func(a, b DescribedMethod) int { return strings.Compare(a.Name+"("+a.Types, b.Name+"("+b.Types) })
	return out
}
