package agent

import (
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/motand/motand/filters"
)

// failures answers with the last calls that failed, newest first.
func (m *management) failures(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, append([]filters.Notable{}, m.agent.compiler.notables.Failed()...))
}

// slowest answers with the slowest calls of the last minutes.
func (m *management) slowest(w http.ResponseWriter, _ *http.Request) {
	answer(w, http.StatusOK, append([]filters.Notable{}, m.agent.compiler.notables.Slowest()...))
}

// tailBeat is how often a tail without lines is written to, so that somebody who has gone is noticed.
const tailBeat = 15 * time.Second

// tail answers with the lines of the access log as they are written, until the client goes. service, method, caller,
// failed=1 and slow=ms choose.
func (m *management) tail(w http.ResponseWriter, r *http.Request) {
	o, err := tailOptions(r)
	if err != nil {
		answer(w, http.StatusBadRequest, problem{err.Error()})
		return
	}
	log := m.agent.compiler.accessLog
	if !log.Enabled() {
		answer(w, http.StatusConflict, problem{"there is no access log to look at: it is switched off (accessLog: off, or /logConfig/set?access=false)"})
		return
	}
	t := log.Tail(o)
	if t == nil {
		answer(w, http.StatusServiceUnavailable, problem{"too many look at the access log already"})
		return
	}
	defer log.Untail(t)
	w.Header().Set("Content-Type", textPlain)
	w.Header().Set("X-Content-Type-Options", "nosniff")
	c := http.NewResponseController(w)
	beat := time.NewTicker(tailBeat)
	defer beat.Stop()
	for {
		if err := c.Flush(); err != nil {
			return
		}
		select {
		case <-r.Context().Done():
			return
		case <-beat.C:
			_, err = w.Write([]byte("\n"))
		case line := <-t.Lines():
			_, err = w.Write(line)
			for more := true; more && err == nil; {
				select {
				case line = <-t.Lines():
					_, err = w.Write(line)
				default:
					more = false
				}
			}
			if n := t.Missed(); n > 0 && err == nil {
				_, err = w.Write([]byte("# " + strconv.FormatInt(n, 10) + " lines left out\n"))
			}
		}
		if err != nil {
			return
		}
	}
}

func tailOptions(r *http.Request) (filters.TailOptions, error) {
	q := r.URL.Query()
	o := filters.TailOptions{Service: q.Get("service"), Method: q.Get("method"), Caller: q.Get("caller")}
	var err error
	if text := q.Get("failed"); text != "" {
		if o.Failed, err = strconv.ParseBool(text); err != nil {
			return o, errors.New("failed is 1 or 0")
		}
	}
	if text := q.Get("slow"); text != "" {
		if o.Slow, err = strconv.ParseInt(text, 10, 64); err != nil || o.Slow < 0 {
			return o, errors.New("slow is a number of milliseconds")
		}
	}
	return o, nil
}
