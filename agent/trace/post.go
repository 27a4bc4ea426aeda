package trace

import (
	"bytes"
	"fmt"
	"io"
	"maps"
	"net/http"
	"time"
)

// post sends a batch to the collector. What may pass (OTLP, section Failures) is tried again, with a pause that
// doubles; meanwhile spans wait in the queue.
func (r *Recorder) post(body []byte) error {
	pause := firstBackoff
	for try := 1; ; try++ {
		again, err := r.postOnce(body)
		if err == nil || !again || try == maxTries {
			return err
		}
		select {
		case <-time.After(pause): //nolint:forbidigo // on the goroutine of the recorder, after a failure
		case <-r.closing:
			return err
		}
		pause *= 2
	}
}

func (r *Recorder) postOnce(body []byte) (again bool, err error) {
	// A copy: a collector may answer before it has read everything, and the client goes on reading then.
	req, err := http.NewRequest(http.MethodPost, r.options.URL, bytes.NewReader(bytes.Clone(body))) //nolint:noctx // the client has a time-out
	if err != nil {
		return false, fmt.Errorf("send spans to %s: %w", r.options.URL, err)
	}
	maps.Copy(req.Header, r.options.Headers)
	req.Header.Set("Content-Type", "application/json")
	answer, err := r.client.Do(req)
	if err != nil {
		return true, fmt.Errorf("send spans: %w", err) // which names the URL
	}
	if s := answer.TLS; s != nil && r.options.Seen != nil && len(s.PeerCertificates) > 0 {
		r.options.Seen(req.URL.Host, s.PeerCertificates[0])
	}
	_, _ = io.Copy(io.Discard, io.LimitReader(answer.Body, 64<<10)) // so that the connection is kept
	if err := answer.Body.Close(); err != nil {
		return true, fmt.Errorf("send spans to %s: %w", r.options.URL, err)
	}
	switch code := answer.StatusCode; {
	case code/100 == 2:
		return false, nil
	case code == http.StatusTooManyRequests, code == http.StatusBadGateway, code == http.StatusServiceUnavailable, code == http.StatusGatewayTimeout:
		return true, fmt.Errorf("send spans to %s: answered with %s", r.options.URL, answer.Status)
	default:
		return false, fmt.Errorf("send spans to %s: answered with %s; wanted is a collector's address for OTLP over HTTP, such as http://127.0.0.1:4318/v1/traces", r.options.URL, answer.Status)
	}
}
