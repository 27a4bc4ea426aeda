package proc

import "testing"

func TestProbe(t *testing.T) {
	f := fake(t, map[string]string{
		"cpuinfo":              "processor\t: 0\nmodel name\t: Abacus 3000\n\nmodel name\t: other\n",
		"loadavg":              "0.50 0.40 0.30 1/100 4242\n",
		"sys/kernel/osrelease": "6.1.0\n",
	})
	m, err := f.Probe()
	if err != nil {
		t.Fatal(err)
	}
	if m.CPU != "Abacus 3000" || m.Kernel != "6.1.0" || m.Load != "0.50 0.40 0.30" {
		t.Errorf("got %+v, want the CPU Abacus 3000, the kernel 6.1.0 and the load 0.50 0.40 0.30", m)
	}
	if m.Getppid <= 0 || m.Loopback <= 0 || m.CPUs < 1 || m.Go == "" {
		t.Errorf("got %+v, want positive times, CPUs and Go's version", m)
	}
}

func TestProbeWithoutFiles(t *testing.T) {
	m, err := fake(t, nil).Probe()
	if err != nil || m.CPU == "" || m.Kernel != "" || m.Load != "" {
		t.Errorf("got %+v, %v, want only what needs no file", m, err)
	}
}
