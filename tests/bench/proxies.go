package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/motand/motand/tests/bench/load"
)

// lookUp finds a program in PATH, or where Debian keeps those of administrators.
func lookUp(name string) (string, error) {
	if path, err := exec.LookPath(name); err == nil {
		return path, nil
	}
	return exec.LookPath("/usr/sbin/" + name)
}

// haproxyOf is HAProxy with one thread, which copies bytes without looking at them.
func haproxyOf(exe string) contender {
	return contender{name: haproxy, start: func(ctx context.Context, w *site) (*subject, error) {
		port, err := w.ports.next()
		if err != nil {
			return nil, err
		}
		return startProxy(ctx, w, haproxy, load.Target{Network: "tcp", Address: local(port)}, proxyForms(), func(dir string) (*exec.Cmd, error) {
			config := fmt.Sprintf(`global
  nbthread 1
  maxconn %d
defaults
  mode tcp
  timeout connect 5s
  timeout client 1h
  timeout server 1h
listen bench
  bind 127.0.0.1:%d
  server provider %s
`, min((descriptors()-100)/2, 20_000), port, w.motan)
			path := filepath.Join(dir, "haproxy.cfg")
			return exec.Command(exe, "-db", "-f", path), os.WriteFile(path, []byte(config), 0o644)
		})
	}}
}

// nginxOf is nginx with one worker, HTTP -> HTTP with connections kept to what is behind it, without an access log.
func nginxOf(exe string) contender {
	return contender{name: nginx, start: func(ctx context.Context, w *site) (*subject, error) {
		port, err := w.ports.next()
		if err != nil {
			return nil, err
		}
		target := load.Target{Network: "tcp", Address: local(port)}
		listen := local(port)
		if w.shape == httpUnix {
			target = load.Target{Network: "unix", Address: filepath.Join(w.dir, "nginx.sock")}
			listen = "unix:" + target.Address
		}
		if w.shape != twoHops {
			return startProxy(ctx, w, nginx, target, proxyForms(), nginxCommand(exe, listen, w.http))
		}
		if port, err = w.ports.next(); err != nil {
			return nil, err
		}
		back, err := startProxy(ctx, w, nginx+"-back", load.Target{Network: "tcp", Address: local(port)}, proxyForms(), nginxCommand(exe, local(port), w.http))
		if err != nil {
			return nil, err
		}
		front, err := startProxy(ctx, w, nginx, target, proxyForms(), nginxCommand(exe, listen, local(port)))
		if err != nil {
			back.stop()
			return nil, err
		}
		front.processes = append(front.processes, back.processes...)
		return front, nil
	}}
}

// nginxCommand writes a configuration and returns how nginx is started with it.
func nginxCommand(exe, listen, upstream string) func(dir string) (*exec.Cmd, error) {
	return func(dir string) (*exec.Cmd, error) {
		user := ""
		if os.Geteuid() == 0 {
			user = "user root;" // the folder is ours alone
		}
		config := fmt.Sprintf(`daemon off;
worker_processes 1;
%[4]s
pid %[1]s/nginx.pid;
error_log %[1]s/error.log;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path %[1]s/body;
  proxy_temp_path %[1]s/proxy;
  fastcgi_temp_path %[1]s/fastcgi;
  uwsgi_temp_path %[1]s/uwsgi;
  scgi_temp_path %[1]s/scgi;
  keepalive_requests 1000000000;
  upstream provider {
    server %[3]s;
    keepalive 128;
    keepalive_requests 1000000000;
  }
  server {
    listen %[2]s;
    location / {
      proxy_pass http://provider;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`, dir, listen, upstream, user)
		path := filepath.Join(dir, "nginx.conf")
		return exec.Command(exe, "-p", dir, "-e", filepath.Join(dir, "error.log"), "-c", path), os.WriteFile(path, []byte(config), 0o644)
	}
}

// startProxy runs what command returns and waits until a call is answered.
func startProxy(ctx context.Context, w *site, name string, target load.Target, forms []load.HTTPRequest, command func(dir string) (*exec.Cmd, error)) (*subject, error) {
	dir := filepath.Join(w.dir, name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("folder of %s: %w", name, err)
	}
	cmd, err := command(dir)
	if err != nil {
		return nil, fmt.Errorf("configuration of %s: %w", name, err)
	}
	p, err := startProcess(name, dir, cmd)
	if err != nil {
		return nil, err
	}
	s := &subject{name: name, target: target, processes: []*process{p}, sockets: 2}
	if err := s.ready(ctx, w, forms); err != nil {
		s.stop()
		return nil, err
	}
	return s, nil
}

// version is the first line that a program says of itself.
func version(exe string, args ...string) string {
	out, err := exec.Command(exe, args...).CombinedOutput()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		return "unknown"
	}
	for i, b := range out {
		if b == '\n' {
			return string(out[:i])
		}
	}
	return string(out[:min(len(out), 200)])
}
