package conf

import (
	"cmp"
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// maxWatched bounds the files of a folder that are looked at; one has some dozens.
const maxWatched = 10_000

// Watch looks at the file or folder that Load reads for opts every so often, and calls changed when it is another one
// than before and nobody writes to it any more: it has been the same for two looks. Replaced files and links that
// point elsewhere count, as tools push them. It returns when ctx ends.
func Watch(ctx context.Context, opts Options, every time.Duration, changed func()) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	used := lookOf(opts)
	before := used
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now := lookOf(opts)
		if now != used && now == before {
			used = now
			changed()
		}
		before = now
	}
}

// lookOf is text that differs when what Load reads was written, replaced, or pointed elsewhere.
func lookOf(opts Options) string {
	path := opts.Path
	if path == "" && opts.Pool == "" {
		path = "./motan.yaml"
	}
	path = cmp.Or(path, "./")
	var b strings.Builder
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		look(&b, path)
		return b.String()
	}
	root, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err.Error()
	}
	n := 0
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error { // what cannot be read is as if not there
		if n++; n > maxWatched {
			return filepath.SkipAll
		}
		if err == nil && !d.IsDir() {
			look(&b, path)
		}
		return nil
	})
	return b.String()
}

// look appends what tells a file from another one at the same path.
func look(b *strings.Builder, path string) {
	target, err := filepath.EvalSymlinks(path)
	if err != nil {
		fmt.Fprintln(b, path, "is not there")
		return
	}
	if info, err := os.Stat(target); err == nil {
		fmt.Fprintln(b, path, target, info.Size(), info.ModTime().UnixNano())
	}
}
