package main

import (
	"fmt"
	"io"
)

// printer writes for people. What cannot be written is lost: there is nobody to tell.
type printer struct{ w io.Writer }

func (p printer) printf(format string, args ...any) { _, _ = fmt.Fprintf(p.w, format, args...) }
