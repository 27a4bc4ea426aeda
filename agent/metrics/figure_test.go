package metrics

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

func TestFigures(t *testing.T) {
	r := New(Options{})
	open := 3.0
	for _, err := range []error{
		r.Add(Figure{Name: "motand_connections_open", Help: "Connections.", Read: single(func() float64 { return open })}),
		r.Add(Figure{
			Name: "motand_reloads_total", Help: "Reloads.", Counter: true,
			Read: func(emit func(float64, ...string)) { emit(7) },
		}),
		r.Add(Figure{
			Name: "motand_registry_connected", Help: "Registries.", Labels: []string{"registry"},
			Read: func(emit func(float64, ...string)) {
				emit(1, "zk")
				emit(0, "b\xffd")
			},
		}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	families := scrape(t, r)
	if got := families["motand_connections_open"].GetMetric()[0].GetGauge().GetValue(); got != 3 {
		t.Errorf("got gauge %v, want 3", got)
	}
	open = 4
	if got := scrape(t, r)["motand_connections_open"].GetMetric()[0].GetGauge().GetValue(); got != 4 {
		t.Errorf("got gauge %v, want the present value 4", got)
	}
	if got := families["motand_reloads_total"].GetMetric()[0].GetCounter().GetValue(); got != 7 {
		t.Errorf("got counter %v, want 7", got)
	}
	registries := map[string]float64{}
	for _, m := range families["motand_registry_connected"].GetMetric() {
		registries[labels(m)] = m.GetGauge().GetValue()
	}
	if registries["registry=zk"] != 1 || len(registries) != 2 {
		t.Errorf("got %v, want zk 1 and another", registries)
	}
}

func TestFiguresThatAreRefused(t *testing.T) {
	read := func(emit func(float64, ...string)) { emit(1) }
	tests := []struct {
		name   string
		figure Figure
		want   string // part of the error
	}{
		{"no prefix", Figure{Name: "connections", Read: read}, "must begin with motand_"},
		{"capitals", Figure{Name: "motand_Open", Read: read}, "lower case"},
		{"two underscores", Figure{Name: "motand__open", Read: read}, "single underscores"},
		{"counter", Figure{Name: "motand_reloads", Counter: true, Read: read}, "ends with _total"},
		{"gauge", Figure{Name: "motand_open_total", Read: read}, "ends with _total"},
		{"no read", Figure{Name: "motand_open"}, "no Read"},
		{"label", Figure{Name: "motand_open", Labels: []string{"a", "a"}, Read: read}, "motand_open"},
		{"twice", Figure{Name: "motand_build_info", Read: read}, "motand_build_info"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			err := New(Options{}).Add(tt.figure)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want an error with %q", err, tt.want)
			}
		})
	}
}

// TestWrongFigureHidesNoOther has a figure that emits another number of labels than it has.
func TestWrongFigureHidesNoOther(t *testing.T) {
	r := New(Options{})
	err := r.Add(Figure{Name: "motand_wrong", Labels: []string{"a"}, Read: func(emit func(float64, ...string)) { emit(1) }})
	if err != nil {
		t.Fatal(err)
	}
	r.Service(echo).Method([]byte("m")).Count(0, OK)
	answer := httptest.NewRecorder()
	r.Handler().ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/metrics", nil))
	if answer.Code != http.StatusOK || !strings.Contains(answer.Body.String(), "motand_calls_total{") {
		t.Errorf("got status %d without motand_calls_total, want all other metrics", answer.Code)
	}
}
