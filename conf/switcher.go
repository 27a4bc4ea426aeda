package conf

// Switcher is a named boolean of the sections switcher and switchers.
type Switcher struct {
	Position
	Name string
	On   bool
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
			text, ok := c.scalar(source{section: section, path: section}, Key{Name: s.key, Type: Bool}, s)
			if first, twice := seen[s.key]; twice {
				c.f.warnf(s.at, section+"."+s.key, "switcher %s is already set at %s, which counts", quote(s.key), first)
			} else if ok {
				seen[s.key] = s.at
				c.cfg.Switchers = append(c.cfg.Switchers, Switcher{Position: s.at, Name: s.key, On: text == "true"})
			}
		}
	}
}
