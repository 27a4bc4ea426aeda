package conf

import (
	"bytes"
	"os"
	"slices"

	"gopkg.in/yaml.v3"
)

// Load reads the file or folder of opts.Path. All findings come at once, sorted by place; the Config is nil if and only
// if one of them is an Error.
func Load(opts Options) (*Config, []Diagnostic) {
	path := opts.Path
	switch {
	case path != "":
	case opts.Pool != "":
		path = "./"
	default:
		path = "./motan.yaml"
	}
	f := &findings{}
	stat, err := os.Stat(path)
	if err != nil {
		f.errorf(Position{File: path}, "", "cannot be read: %v; name a file or folder with -c", err)
		return nil, f.sorted()
	}
	if !stat.IsDir() {
		data, err := readFile(path)
		if err != nil {
			f.errorf(Position{File: path}, "", "cannot be read: %v", err)
			return nil, f.sorted()
		}
		return Parse(path, data, opts)
	}
	if opts.Application == "" && opts.Pool == "" {
		f.errorf(Position{File: path}, "", "is a folder; say which application is meant with -application or -pool")
		return nil, f.sorted()
	}
	d := &folder{f: f, root: path, imported: map[string]bool{}}
	d.read(opts.Application, opts.Pool)
	if d.merged == nil && f.errors == 0 {
		f.errorf(Position{File: d.files[0]}, "", emptyAdvice)
	}
	return build(f, d.merged, opts, d.files)
}

// Parse is Load for one file whose content is given; name stands in positions.
func Parse(name string, data []byte, opts Options) (*Config, []Diagnostic) {
	f := &findings{}
	root := parseDocument(f, name, data)
	if root == nil && f.errors == 0 {
		f.errorf(Position{File: name, Line: 1, Column: 1}, "", "the file "+emptyAdvice)
	}
	for _, section := range []string{sectionImportRefer, sectionImportHTTP} {
		if p, ok := root.get(section); ok {
			f.warnf(p.at, section, "%s has no effect in a single file; name the folder with -c instead", section)
		}
	}
	return build(f, root, opts, []string{name})
}

// build makes the Config of a merged tree; root is nil if an error was reported before.
func build(f *findings, root *node, opts Options, files []string) (*Config, []Diagnostic) {
	for _, d := range opts.Over {
		root = mergeNodes(root, parseDocument(f, d.Name, []byte(d.Text)))
		files = append(slices.Clip(files), d.Name)
	}
	if f.errors > 0 {
		return nil, f.sorted()
	}
	if root == nil {
		return nil, f.sorted()
	}
	root = fillPlaceholders(f, root, opts.Pool)
	c := newChecker(f, root, opts)
	c.check()
	if f.errors > 0 {
		return nil, f.sorted()
	}
	text, err := write(root)
	if err != nil {
		f.errorf(Position{File: files[0]}, "", "the merged configuration cannot be written as YAML: %v", err)
		return nil, f.sorted()
	}
	c.cfg.YAML = text
	c.cfg.Files = files
	return c.cfg, f.sorted()
}

// write gives the tree as YAML.
func write(root *node) ([]byte, error) {
	var out bytes.Buffer
	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)
	if err := encoder.Encode(root.yaml()); err != nil {
		return nil, err
	}
	if err := encoder.Close(); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}
