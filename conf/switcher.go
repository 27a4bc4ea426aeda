package conf

// Switcher is a named boolean of the sections switcher and switchers.
type Switcher struct {
	Position
	Name string
	On   bool
}
