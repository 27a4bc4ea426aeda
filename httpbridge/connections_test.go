package httpbridge

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/motand/motand/motan"
)

// countingSite is a site that counts the connections that are made to it, and those of them that have ended.
func countingSite(t *testing.T) (host string, made, ended *atomic.Int64) {
	t.Helper()
	made, ended = new(atomic.Int64), new(atomic.Int64)
	site := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	site.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		switch state {
		case http.StateNew:
			made.Add(1)
		case http.StateClosed:
			ended.Add(1)
		}
	}
	site.Start()
	t.Cleanup(site.Close)
	return strings.TrimPrefix(site.URL, "http://"), made, ended
}

// TestProviderConnections checks how long connections to a web service are used: keepaliveTimeout and idleConnectionTimeout.
func TestProviderConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		settings ProviderSettings
		ends     bool // each connection, by itself, before the next call
		want     int64
	}{
		"kept":                        {ProviderSettings{IdleConnectionTimeout: time.Hour}, false, 1},
		"used for less than a moment": {ProviderSettings{IdleConnectionTimeout: time.Hour, KeepaliveTimeout: time.Nanosecond}, false, 3},
		"idle for a moment":           {ProviderSettings{IdleConnectionTimeout: time.Millisecond}, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			host, made, ended := countingSite(t)
			tt.settings.Domain, tt.settings.ProxyAddress, tt.settings.RequestTimeout = "d", host, time.Minute
			p := newProvider(t, tt.settings)
			for i := range int64(3) {
				c := newCall(t, nil, "M_m", "/")
				motan.Do(p, c)
				if c.Err != nil {
					t.Fatal(c.Err)
				}
				if tt.ends {
					await(t, func() bool { return ended.Load() > i })
				}
			}
			if n := made.Load(); n != tt.want {
				t.Errorf("got %d connections for 3 calls, want %d", n, tt.want)
			}
		})
	}
}

// TestForwardConnections checks how long connections to other hosts are used: httpProxyKeepalive and httpProxyKeepaliveTimeout.
func TestForwardConnections(t *testing.T) {
	for name, tt := range map[string]struct {
		settings ForwardSettings
		ends     bool
		want     int64
	}{
		"kept":              {ForwardSettings{IdleTimeout: time.Hour}, false, 1},
		"not kept":          {ForwardSettings{CloseEach: true}, false, 3},
		"idle for a moment": {ForwardSettings{IdleTimeout: time.Millisecond}, true, 3},
	} {
		t.Run(name, func(t *testing.T) {
			host, made, ended := countingSite(t)
			tt.settings.Timeout = time.Minute
			addr, _ := proxy(t, tt.settings, "127.0.0.1")
			for i := range int64(3) {
				if got := ask(t, dialer(addr), "GET http://"+host+"/ HTTP/1.1\r\nHost: "+host+"\r\n\r\n"); got.status != 200 {
					t.Fatalf("got %d %q", got.status, got.body)
				}
				if tt.ends {
					await(t, func() bool { return ended.Load() > i })
				}
			}
			if n := made.Load(); n != tt.want {
				t.Errorf("got %d connections for 3 requests, want %d", n, tt.want)
			}
		})
	}
}
