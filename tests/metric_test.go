package tests

import (
	"net/http"
	"os"
	"strconv"
	"strings"
)

// metric returns the sum of a figure's samples on /metrics whose labels include the pairs name, value,
// name, value …. It is 0 where there is no such sample.
func (d *daemon) metric(name string, labels ...string) float64 {
	d.t.Helper()
	status, text := d.get("mgmt", "/metrics")
	if status != http.StatusOK {
		d.t.Fatalf("/metrics: got status %d", status)
	}
	sum := 0.0
	for line := range strings.Lines(text) {
		sample, number, ok := strings.Cut(strings.TrimSpace(line), " ")
		if !ok || !hasLabels(sample, name, labels) {
			continue
		}
		value, err := strconv.ParseFloat(number, 64)
		if err != nil {
			d.t.Fatalf("/metrics: %q: %v", line, err)
		}
		sum += value
	}
	return sum
}

func hasLabels(sample, name string, labels []string) bool {
	found, rest, _ := strings.Cut(sample, "{")
	if found != name {
		return false
	}
	for i := 0; i+1 < len(labels); i += 2 {
		if !strings.Contains(rest, labels[i]+`="`+labels[i+1]+`"`) {
			return false
		}
	}
	return true
}

// rss is motand's resident memory in bytes; 0 where the system does not tell.
func (d *daemon) rss() int64 { return d.memory("VmRSS:") }

// peakRSS is the most that rss has ever been.
func (d *daemon) peakRSS() int64 { return d.memory("VmHWM:") }

func (d *daemon) memory(key string) int64 {
	text, err := os.ReadFile("/proc/" + strconv.Itoa(d.pid()) + "/status")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == key {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
