package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"gopkg.in/yaml.v3"
)

// The limits of a file. A configuration of 10,000 services has about 200,000 values.
const (
	maxFileBytes = 4 << 20
	maxNesting   = 64
	maxNodes     = 1_000_000 // after the expansion of aliases
)

const emptyAdvice = "is empty; write at least one section, such as \"motan-agent:\" with \"port: 9981\" indented below it"

// parseDocument makes the tree of one YAML file. It gives nil if the file is unusable, which it has reported then, or
// if it holds nothing, which it has not.
func parseDocument(f *findings, file string, data []byte) *node {
	if len(data) > maxFileBytes {
		f.errorf(Position{File: file}, "", "is larger than %d bytes; split it into a folder of files", maxFileBytes)
		return nil
	}
	if !checkText(f, file, data) {
		return nil
	}
	doc, err := decode(data)
	if err != nil {
		at, message := syntaxError(file, data, err)
		f.errorf(at, "", "%s", message)
		return nil
	}
	if doc == nil || len(doc.Content) == 0 {
		return nil
	}
	r := newReader(f, file)
	if !r.bounded(doc.Content[0]) {
		return nil
	}
	root := r.node(doc.Content[0])
	if root.null() {
		return nil
	}
	if root.kind != mapNode {
		f.errorf(root.at, "", "the file must be a mapping of sections such as \"motan-agent:\"; got %s", root.describe())
		return nil
	}
	return root
}

// decode runs the YAML library, which panics on some broken input.
func decode(data []byte) (doc *yaml.Node, err error) {
	defer func() {
		if r := recover(); r != nil {
			doc, err = nil, fmt.Errorf("cannot be read as YAML: %v", r)
		}
	}()
	decoder := yaml.NewDecoder(bytes.NewReader(data))
	doc = &yaml.Node{}
	if err := decoder.Decode(doc); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, nil
		}
		return nil, err
	}
	var second yaml.Node
	switch err := decoder.Decode(&second); {
	case errors.Is(err, io.EOF):
		return doc, nil
	case err != nil:
		return nil, err
	}
	return nil, &manyError{line: second.Line, column: second.Column}
}

// manyError says that a file holds more than one YAML document, and where the second one begins.
type manyError struct{ line, column int }

func (e *manyError) Error() string {
	return "a second YAML document begins here; a configuration is one document, so remove the line with \"---\" before it"
}

// checkText finds what the YAML library refuses without saying where.
func checkText(f *findings, file string, data []byte) bool {
	line, column := 1, 1
	for i := 0; i < len(data); {
		r, size := utf8.DecodeRune(data[i:])
		switch {
		case r == utf8.RuneError && size == 1:
			f.errorf(Position{file, line, column}, "", "byte 0x%02x is not UTF-8; save the file as UTF-8", data[i])
			return false
		case r < ' ' && r != '\t' && r != '\n' && r != '\r' || r == 0x7f:
			f.errorf(Position{file, line, column}, "", "control character 0x%02x; remove it", r)
			return false
		case r == '\n':
			line, column = line+1, 0
		}
		column++
		i += size
	}
	return true
}

var errorLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// syntaxError turns an error of the YAML library into a place and advice. A tab before a key is by far the most common
// reason and reported elsewhere by the library, so it is looked for first.
func syntaxError(file string, data []byte, err error) (Position, string) {
	if many, ok := errors.AsType[*manyError](err); ok {
		return Position{file, many.line, many.column}, many.Error()
	}
	message := err.Error()
	found := errorLine.FindStringSubmatch(message)
	line, _ := strconv.Atoi(found[1])
	message = "not valid YAML: " + message[len(found[0]):] + syntaxAdvice(message)
	for i, text := range strings.Split(string(data), "\n") {
		indent := text[:len(text)-len(strings.TrimLeft(text, " \t"))]
		tab := strings.IndexByte(indent, '\t')
		if tab >= 0 && len(indent) < len(strings.TrimRight(text, "\r")) && (line == 0 || i+1 <= line+1) {
			return Position{file, i + 1, tab + 1}, "a tab indents this line; YAML is indented with spaces only"
		}
	}
	if exact := brokenLine(data); exact > 0 {
		line = exact
	}
	return Position{file, max(1, line), 1}, message
}

// syntaxAdvice adds to the words of the library what its reason usually is.
func syntaxAdvice(message string) string {
	switch {
	case strings.Contains(message, "mapping values are not allowed"):
		return "; look at the indentation of this line, and quote a value that has a colon and a blank"
	case strings.Contains(message, "could not find expected ':'"):
		return "; a key is followed by a colon and a blank"
	case strings.Contains(message, "did not find expected ',' or"):
		return "; close the bracket that is open here"
	case strings.Contains(message, "did not find expected key"), strings.Contains(message, "found unexpected end of stream"):
		return "; look for a quote that is not closed and for indentation that fits no line above"
	}
	return ""
}

// brokenLine finds the line that makes a file invalid, because the library often names the one where the surrounding
// value begins: the lines before it are valid YAML, and with it no more lines make them valid again. It gives 0 for
// files too large to be read so often.
func brokenLine(data []byte) int {
	const largest, ahead = 128 << 10, 40 // bytes; lines that a value in braces or quotes may have
	if len(data) > largest {
		return 0
	}
	ends := []int{0} // ends[k] is the length of the first k lines
	for i, b := range data {
		if b == '\n' || i == len(data)-1 {
			ends = append(ends, i+1)
		}
	}
	valid := func(k int) bool {
		_, err := decode(data[:ends[k]])
		_, many := errors.AsType[*manyError](err)
		return err == nil || many
	}
	good, bad := 0, len(ends)-1
	for good+1 < bad {
		middle := (good + bad) / 2
		k := middle
		for k < bad && k < middle+ahead && !valid(k) {
			k++
		}
		if k < bad && k < middle+ahead {
			good = k
		} else {
			bad = middle
		}
	}
	return bad
}
