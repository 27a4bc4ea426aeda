package conf

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// The limits of a folder.
const (
	maxFiles      = 1000
	maxTotalBytes = 64 << 20
)

// readFile reads a file up to one byte over the limit, so that parseDocument can refuse it.
func readFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // nothing was written
	return io.ReadAll(io.LimitReader(file, maxFileBytes+1))
}

// folder reads the folder form and merges as it reads.
type folder struct {
	f        *findings
	root     string
	merged   *node
	files    []string        // that exist, in the order of merging
	imported map[string]bool // paths inside the folder
	bytes    int
}

// read merges basic, http/service, http/pools, imported services, applications and pools, the later over the earlier.
func (d *folder) read(application, pool string) {
	if application == "" {
		application, _, _ = strings.Cut(pool, "-")
	}
	wanted := []string{"basic.yaml"}
	d.over(d.file("basic.yaml", Position{}))
	for _, path := range []string{"http/service/" + application, "http/pools/" + pool} {
		wanted = append(wanted, path+".yaml")
		n := d.file(path+".yaml", Position{})
		d.locations(n)
		d.over(n)
	}
	wanted = append(wanted, "applications/"+application+".yaml")
	app := d.file("applications/"+application+".yaml", Position{})
	for _, item := range d.imports(app, sectionImportRefer, "services/") {
		n := d.file(item.path, item.at)
		d.locations(n)
		d.over(n)
	}
	d.over(app)
	parts := strings.Split(pool, "-")
	for i := range parts {
		path := "pools/" + strings.Join(parts[:i+1], "-") + ".yaml"
		wanted = append(wanted, path)
		d.over(d.file(path, Position{}))
		if i == maxNesting {
			break
		}
	}
	if len(d.files) == 0 && d.f.errors == 0 {
		d.f.errorf(Position{File: d.root}, "", "the folder has none of the files for application %s and pool %s: %s",
			quote(application), quote(pool), strings.Join(wanted, ", "))
	}
	if len(d.files) == 1 && d.files[0] == filepath.Join(d.root, "basic.yaml") {
		d.f.warnf(Position{File: d.root}, "", "application %s and pool %s have no file of their own, basic.yaml is all; is the name right? Looked for: %s",
			quote(application), quote(pool), strings.Join(wanted[1:], ", "))
	}
}

func (d *folder) over(n *node) {
	d.merged = mergeNodes(d.merged, n)
}

// locations merges the files that import-http-location names.
func (d *folder) locations(n *node) {
	for _, item := range d.imports(n, sectionImportHTTP, "http/location/") {
		d.over(d.file(item.path, item.at))
	}
}

type imported struct {
	path string // inside the folder
	at   Position
}

// imports gives the files that a list names, each once in the whole folder.
func (d *folder) imports(n *node, section, dir string) []imported {
	p, ok := n.get(section)
	if !ok || p.value.null() {
		return nil
	}
	if p.value.kind != listNode {
		d.f.errorf(p.value.at, section, "%s must be a list of names, such as \"- orders\" for %sorders.yaml; got %s", section, dir, p.value.describe())
		return nil
	}
	var out []imported
	for _, item := range p.value.items {
		if item.kind != scalarNode || item.null() {
			d.f.errorf(item.at, section, "%s takes names of files without .yaml; got %s", section, item.describe())
			continue
		}
		if path := dir + item.text + ".yaml"; !d.imported[path] {
			d.imported[path] = true
			out = append(out, imported{path: path, at: item.at})
		}
	}
	return out
}

// file reads a file of the folder; nil if it does not exist, which is reported only where an import at a place names it.
func (d *folder) file(path string, by Position) *node {
	if !filepath.IsLocal(path) {
		d.f.errorf(by, "", "%s leaves the folder %s; name a file inside it", quote(path), quote(d.root))
		return nil
	}
	full := filepath.Join(d.root, path)
	data, err := readFile(full)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if by != (Position{}) {
			d.f.warnf(by, "", "%q does not exist and is left out", full) // its end tells more than its beginning, and no path is long
		}
		return nil
	case err != nil:
		d.f.errorf(Position{File: full}, "", "cannot be read: %v", err)
		return nil
	}
	d.files = append(d.files, full)
	d.bytes += len(data)
	if len(d.files) > maxFiles || d.bytes > maxTotalBytes {
		d.f.errorf(Position{File: full}, "", "the folder has more than %d files or %d bytes for this pool", maxFiles, maxTotalBytes)
		return nil
	}
	return parseDocument(d.f, full, data)
}
