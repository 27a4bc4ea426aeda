package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"
)

// profileTime is how long CPU profiles take at least.
const profileTime = 5 * time.Second

// profile puts each contender that has CPU profiles, which are those that are motand, under load once more and fetches the
// profiles of its processes: ID.pprof, and the 25 functions that cost most as text, by themselves (ID.flat.txt) and with
// what they call (ID.cum.txt). Where there are several, their numbers are added: ID-2.pprof. It does nothing when no
// folder was given.
func (r *race) profile(ctx context.Context, field []*runner) error {
	dir := r.bench.o.profiles
	if dir == "" {
		return nil
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("folder of profiles: %w", err)
	}
	n := 0
	for _, x := range field {
		if x.report.Failed != "" {
			continue
		}
		var names []string
		for range x.management {
			n++
			name := r.scenario.id
			if n > 1 {
				name = fmt.Sprintf("%s-%d", name, n)
			}
			names = append(names, filepath.Join(dir, name))
		}
		if err := r.profileOne(ctx, x, names); err != nil {
			return err
		}
	}
	return nil
}

// profileOne is profile for one contender, with the names of its processes' profiles.
func (r *race) profileOne(ctx context.Context, x *runner, names []string) error {
	if len(names) == 0 {
		return nil
	}
	d := max(profileTime, r.bench.o.duration)
	errs := make([]error, len(names))
	var wait sync.WaitGroup
	for i, addr := range x.management {
		wait.Go(func() { // ends with the answer, or a little after its time
			errs[i] = fetchProfile(ctx, addr, names[i], d)
		})
	}
	_, err := r.scenario.load(ctx, r.site, x.subject, d+d/10)
	wait.Wait()
	for _, e := range append(errs, err) {
		if e != nil {
			r.bench.say("%s profile: %v", r.scenario.id, e)
		}
	}
	return interrupted(ctx)
}

// fetchProfile writes base.pprof and the texts.
func fetchProfile(ctx context.Context, addr, base string, d time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, d+10*time.Second)
	defer cancel()
	url := fmt.Sprintf("http://%s/debug/pprof/profile?seconds=%d", addr, int(d.Seconds()))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	data, err := io.ReadAll(io.LimitReader(response.Body, 64<<20))
	if err != nil {
		return fmt.Errorf("read %s: %w", url, err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s: %.200s", url, response.Status, strings.TrimSpace(string(data)))
	}
	if err := os.WriteFile(base+".pprof", data, 0o644); err != nil {
		return err
	}
	for name, sort := range map[string]string{".flat.txt": "-flat", ".cum.txt": "-cum"} {
		out, err := exec.CommandContext(ctx, "go", "tool", "pprof", "-top", "-nodecount=25", sort, base+".pprof").Output()
		if err != nil {
			return fmt.Errorf("go tool pprof: %w", err)
		}
		if err := os.WriteFile(base+name, out, 0o644); err != nil {
			return err
		}
	}
	return nil
}
