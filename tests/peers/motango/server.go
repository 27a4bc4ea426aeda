package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	motan "github.com/weibocom/motan-go"
	"github.com/weibocom/motan-go/core"
	"github.com/weibocom/motan-go/provider"
	mserver "github.com/weibocom/motan-go/server"
)

// serverConfig is what the flags of "motango server" say.
type serverConfig struct {
	port          int    // 0: a free one
	host          string // the address announced in the registry; motan-go listens on all
	path, group   string
	version       string
	serialization string
	name          string
	registry      string // "zookeeper://host:port"; "" announces nowhere
	gzipBytes     int    // replies larger than this are sent gzipped; 0 never
	heartbeat     bool
}

// serverMain serves until SIGINT or SIGTERM. It prints "listening 127.0.0.1:PORT" once it answers.
func serverMain(args []string, stdout, stderr io.Writer) int {
	var c serverConfig
	flags := flag.NewFlagSet("motango server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.IntVar(&c.port, "port", 0, "port to listen on; 0 takes a free one")
	flags.StringVar(&c.host, "host", "127.0.0.1", "address announced in the registry")
	flags.StringVar(&c.path, "path", "com.example.Echo", "name of the service")
	flags.StringVar(&c.group, "group", "demo", "group of the service")
	flags.StringVar(&c.version, "version", "", "version of the service; empty leaves it out")
	flags.StringVar(&c.serialization, "serialization", "simple", "serialization announced: simple or breeze")
	flags.StringVar(&c.name, "name", "motango", "what the method name answers")
	flags.StringVar(&c.registry, "registry", "", "zookeeper://host:port to announce the service in")
	flags.IntVar(&c.gzipBytes, "gzip", 0, "gzip replies larger than this many bytes; 0 never")
	flags.BoolVar(&c.heartbeat, "heartbeat", true, "answer heartbeats; false closes a connection that sends one")
	if exit, done := parse(flags, args); done {
		return exit
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, os.Interrupt, syscall.SIGTERM)
	end, addr, err := c.start()
	if err != nil {
		fmt.Fprintln(stderr, "motango server:", err)
		return exitUsage
	}
	fmt.Fprintln(stdout, "listening", addr)
	<-stop
	end()
	return exitOK
}

// start opens the server and announces it. The caller ends it with end, which withdraws it first.
func (c *serverConfig) start() (end func(), addr string, err error) {
	if c.port == 0 {
		if c.port, err = freePort(); err != nil {
			return nil, "", err
		}
	}
	ext := motan.GetDefaultExtFactory()
	service := c.url()
	server := ext.GetServer(service)
	handler := ext.GetMessageHandler(mserver.Default)

	p := &exporter{DefaultProvider: &provider.DefaultProvider{}, name: c.name}
	p.SetURL(service)
	p.SetService(&Service{})
	p.Initialize()
	if err := handler.AddProvider(p); err != nil {
		return nil, "", fmt.Errorf("add %s: %w", c.path, err)
	}
	if err := server.Open(false, false, handler, ext); err != nil {
		return nil, "", fmt.Errorf("listen on port %d: %w", c.port, err)
	}
	server.SetHeartbeat(c.heartbeat)
	end = server.Destroy
	if c.registry != "" {
		withdraw, err := c.announce(ext, service)
		if err != nil {
			server.Destroy()
			return nil, "", err
		}
		end = func() { withdraw(); server.Destroy() }
	}
	return end, net.JoinHostPort("127.0.0.1", strconv.Itoa(c.port)), nil
}

// url is the service as motan-go describes it.
func (c *serverConfig) url() *core.URL {
	u := &core.URL{
		Protocol: mserver.Motan2, Host: c.host, Port: c.port, Path: c.path, Group: c.group,
		Parameters: map[string]string{
			core.NodeTypeKey:      core.NodeTypeService,
			core.SerializationKey: c.serialization,
			core.GzipSizeKey:      strconv.Itoa(c.gzipBytes),
		},
	}
	if c.version != "" {
		u.PutParam(core.VersionKey, c.version)
	}
	return u
}

// announce puts the service into the registry as available and returns what withdraws it. When the registry
// cannot be reached, motan-go logs it, serves unannounced and tries again every second.
func (c *serverConfig) announce(ext core.ExtensionFactory, service *core.URL) (withdraw func(), err error) {
	u, err := parseRegistry(c.registry)
	if err != nil {
		return nil, err
	}
	registry := ext.GetRegistry(u)
	if registry == nil {
		return nil, errors.New("motan-go has no registry " + u.Protocol)
	}
	registry.Register(service)
	registry.Available(service)
	return func() { registry.UnRegister(service) }, nil
}

// freePort asks the system for a port. motan-go does not tell which port it got for 0, so that it is
// given one; another process may take it in between, and then Open says so.
func freePort() (int, error) {
	l, err := net.Listen("tcp", ":0")
	if err != nil {
		return 0, fmt.Errorf("find a free port: %w", err)
	}
	port := l.Addr().(*net.TCPAddr).Port
	if err := l.Close(); err != nil {
		return 0, fmt.Errorf("release port %d: %w", port, err)
	}
	return port, nil
}
