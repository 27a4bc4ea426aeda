package agent

import (
	"github.com/motand/motand/agent/metrics"
	"github.com/motand/motand/httpbridge"
)

// httpFigures are those of the HTTP port.
func (a *Agent) httpFigures() []metrics.Figure {
	s := &a.httpIn.Stats
	return []metrics.Figure{
		counter("motand_http_requests_total", "HTTP requests read from programs on this host.", func() float64 { return float64(s.Requests.Load()) }),
		counter("motand_http_calls_total", "Calls made of HTTP requests.", func() float64 { return float64(s.Calls.Load()) }),
		gauge("motand_http_calls_in_flight", "Calls made of HTTP requests that have not ended.", func() float64 { return float64(s.InFlight.Load()) }),
		gauge("motand_http_bytes_held", "Bytes of large bodies that are held, of httpMaxBytesInFlight.", func() float64 { return float64(a.httpIn.BytesHeld()) }),
		counter("motand_http_forwarded_total", "HTTP requests passed on to other hosts.", func() float64 { return float64(a.httpIn.Forward.Passed.Load()) }),
		counter("motand_http_forward_refused_total", "HTTP requests for hosts that they may not be passed on to.", func() float64 { return float64(a.httpIn.Forward.Refused.Load()) }),
		counter("motand_http_forward_failed_total", "HTTP requests whose host did not answer.", func() float64 { return float64(a.httpIn.Forward.Failed.Load()) }),
		gauge("motand_http_tunnels", "Tunnels that CONNECT has made and that are open.", func() float64 { return float64(a.httpIn.Forward.TunnelStats().Open) }),
		counter("motand_http_tunnels_total", "Tunnels that CONNECT has made.", func() float64 { return float64(a.httpIn.Forward.TunnelStats().Opened) }),
		{
			Name: "motand_http_tunnel_bytes_total", Help: "Bytes that have passed in tunnels, to the hosts (sent) and from them (received).", Labels: []string{"direction"}, Counter: true,
			Read: func(emit func(float64, ...string)) {
				t := a.httpIn.Forward.TunnelStats()
				emit(float64(t.Sent), "sent")
				emit(float64(t.Received), "received")
			},
		},
		counter("motand_http_connections_refused_total", "HTTP connections beyond maxConnections.", func() float64 { return float64(s.Refused.Load()) }),
		{
			Name: "motand_http_refused_total", Help: "HTTP requests refused before they were looked at, by what was wrong with them.", Labels: []string{"reason"}, Counter: true,
			Read: func(emit func(float64, ...string)) {
				for _, reason := range httpbridge.Reasons() {
					emit(float64(s.Invalid[reason].Load()), reason.String())
				}
			},
		},
	}
}
