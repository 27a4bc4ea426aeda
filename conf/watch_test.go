package conf_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/motand/motand/conf"
)

// Each kind of change is told once, after the last write; nothing else is.
func TestWatch(t *testing.T) {
	write := func(path, text string) error {
		return errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(text), 0o600))
	}
	link := func(target, path string) error {
		return errors.Join(os.Symlink(target, path+".new"), os.Rename(path+".new", path))
	}
	tests := []struct {
		name   string
		folder bool
		change func(dir string) error
		want   int
	}{
		{"nothing", false, func(string) error { return nil }, 0},
		{"written", false, func(dir string) error { return write(dir+"/a", "other") }, 1},
		{"replaced", false, func(dir string) error {
			return errors.Join(write(dir+"/b", "other text"), os.Rename(dir+"/b", dir+"/a"))
		}, 1},
		{"link", false, func(dir string) error {
			return errors.Join(write(dir+"/v2/a", "text"), link(dir+"/v2/a", dir+"/a"))
		}, 1},
		{"removed", false, func(dir string) error { return os.Remove(dir + "/a") }, 1},
		{"a neighbour", false, func(dir string) error { return write(dir+"/b", "x") }, 0},
		{"folder, nothing", true, func(string) error { return nil }, 0},
		{"folder, a new file", true, func(dir string) error { return write(dir+"/services/b.yaml", "x") }, 1},
		{"folder, written", true, func(dir string) error { return write(dir+"/a", "other") }, 1},
		{"folder, removed", true, func(dir string) error { return os.Remove(dir + "/a") }, 1},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := write(dir+"/a", "text"); err != nil {
				t.Fatal(err)
			}
			opts := conf.Options{Path: dir + "/a"}
			if tt.folder {
				opts.Path = dir
			}
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				var told atomic.Int64
				done := make(chan struct{})
				go func() { // ends with ctx
					conf.Watch(ctx, opts, time.Second, func() { told.Add(1) })
					close(done)
				}()
				synctest.Wait()
				if err := tt.change(dir); err != nil {
					t.Fatal(err)
				}
				time.Sleep(1500 * time.Millisecond)
				early := told.Load()
				time.Sleep(10 * time.Second)
				cancel()
				<-done
				if early != 0 || told.Load() != int64(tt.want) {
					t.Errorf("told %d times, %d before it was quiet; want %d after it", told.Load(), early, tt.want)
				}
			})
		})
	}
}

// While somebody writes nothing is told.
func TestWatchWaitsForTheEnd(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		var told atomic.Int64
		done := make(chan struct{})
		go func() { // ends with ctx
			conf.Watch(ctx, conf.Options{Path: path}, time.Second, func() { told.Add(1) })
			close(done)
		}()
		text := ""
		for range 20 {
			text += "more"
			if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			time.Sleep(500 * time.Millisecond)
		}
		synctest.Wait()
		early := told.Load()
		time.Sleep(5 * time.Second)
		cancel()
		<-done
		if early != 0 || told.Load() != 1 {
			t.Errorf("told %d times, %d while it was written; want 1 after it", told.Load(), early)
		}
	})
}
