package conf

// Switcher is a named switch of the sections switcher and switchers.
type Switcher struct {
	Position
	Name  string
	Value string // true, false, or a text that says for which calls it is on
}

// readSwitchers reads both sections; switchers wins, as in motan-go.
func (c *checker) readSwitchers() {
	seen := map[string]Position{}
	for _, section := range []string{sectionSwitchers, sectionSwitcher} {
		p, ok := c.section(section)
		if !ok {
			continue
		}
		for _, s := range p.value.pairs {
			if s.value.null() {
				continue
			}
			text, ok := c.scalar(source{section: section, path: section}, Key{Name: s.key, Type: String}, s)
			if b, is := parseBool(text); is {
				text = b
			}
			if first, twice := seen[s.key]; twice {
				c.f.warnf(s.at, section+"."+s.key, "switcher %s is already set at %s, which counts", quote(s.key), first)
			} else if ok && text != "" {
				seen[s.key] = s.at
				c.cfg.Switchers = append(c.cfg.Switchers, Switcher{Position: s.at, Name: s.key, Value: text})
			}
		}
	}
}
