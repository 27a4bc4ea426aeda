package conf

import "strconv"

// Position is where something stands in the files. The zero value means that it stands in none: it comes from a
// default, a flag or the environment.
type Position struct {
	File   string // as given to Load, joined with the path inside the folder
	Line   int    // from 1
	Column int    // from 1, in characters
}

// String gives file:line:column, or the file alone where the line is unknown, or "-" for the zero value.
func (p Position) String() string {
	switch {
	case p.File == "":
		return "-"
	case p.Line == 0:
		return p.File
	}
	return p.File + ":" + strconv.Itoa(p.Line) + ":" + strconv.Itoa(p.Column)
}
