package main

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	motan "github.com/weibocom/motan-go"
	"github.com/weibocom/motan-go/cluster"
	"github.com/weibocom/motan-go/core"
)

// clientConfig is what the flags of "motango client" say.
type clientConfig struct {
	addr, registry string // one of them
	path, group    string
	method         string
	version        string
	serialization  string
	application    string
	timeout        time.Duration
	retries        int
	gzipBytes      int
	metadata       metadata
}

// metadata collects -meta key=value flags.
type metadata map[string]string

// String lists the pairs; it is there for flag.Value.
func (m metadata) String() string { return fmt.Sprint(map[string]string(m)) }

// Set adds one "key=value".
func (m metadata) Set(s string) error {
	k, v, ok := strings.Cut(s, "=")
	if !ok || k == "" {
		return fmt.Errorf("metadata %q: want key=value", s)
	}
	m[k] = v
	return nil
}

// answer is the line that the client prints.
type answer struct {
	Value     any               `json:"value"`
	Type      string            `json:"type,omitempty"` // Go type that motan-go decoded; "" for nil
	Exception *core.Exception   `json:"exception,omitempty"`
	Metadata  map[string]string `json:"metadata,omitempty"` // of the reply
}

// clientMain makes one call and prints its answer. The exit code tells a value from an exception.
func clientMain(args []string, stdout, stderr io.Writer) int {
	c := clientConfig{metadata: metadata{}}
	flags := flag.NewFlagSet("motango client", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.StringVar(&c.addr, "addr", "", "host:port of a server or an agent, or unix:///path")
	flags.StringVar(&c.registry, "registry", "", "zookeeper://host:port to find the service in, instead of -addr")
	flags.StringVar(&c.path, "path", "com.example.Echo", "name of the service")
	flags.StringVar(&c.group, "group", "demo", "group of the service")
	flags.StringVar(&c.method, "method", "echo", "method to call")
	flags.StringVar(&c.version, "version", "", "version of the service")
	flags.StringVar(&c.serialization, "serialization", "simple", "simple or breeze")
	flags.StringVar(&c.application, "application", "motango-client", "who calls (metadata M_s)")
	flags.DurationVar(&c.timeout, "timeout", 3*time.Second, "how long motan-go waits for the answer")
	flags.IntVar(&c.retries, "retries", 0, "how often motan-go tries again")
	flags.IntVar(&c.gzipBytes, "gzip", 0, "gzip requests larger than this many bytes; 0 never")
	flags.Var(c.metadata, "meta", "key=value to send as metadata; may be repeated")
	flags.Usage = func() {
		fmt.Fprint(stderr, "usage: motango client -addr host:port [flags] [argument ...]\n\n", argumentHelp, "\nFlags:\n")
		flags.PrintDefaults()
	}
	if exit, done := parse(flags, args); done {
		return exit
	}
	values, err := parseArguments(flags.Args())
	if err != nil {
		fmt.Fprintln(stderr, "motango client:", err)
		return exitUsage
	}
	a, err := c.call(values)
	if err != nil {
		fmt.Fprintln(stderr, "motango client:", err)
		return exitUsage
	}
	out := json.NewEncoder(stdout)
	out.SetEscapeHTML(false)
	if err := out.Encode(a); err != nil {
		fmt.Fprintln(stderr, "motango client: print the answer:", err)
		return exitUsage
	}
	if a.Exception != nil {
		return exitException
	}
	return exitOK
}

// call makes the call. The error is about the flags; what the peer or motan-go answered is in the answer.
func (c *clientConfig) call(values []any) (*answer, error) {
	registry, err := c.registryURL()
	if err != nil {
		return nil, err
	}
	ext := motan.GetDefaultExtFactory()
	refer := c.referURL()
	calls := cluster.NewCluster(&core.Context{
		RegistryURLs: map[string]*core.URL{registryID: registry},
		ClientURL:    &core.URL{Parameters: map[string]string{core.ApplicationKey: c.application}},
	}, ext, refer, false)

	req := motan.NewClient(refer, calls, ext).BuildRequest(c.method, values)
	for k, v := range c.metadata {
		req.SetAttachment(k, v)
	}
	req.GetRPCContext(true).ExtFactory = ext
	// Client.BaseCall keeps only the text of an exception; the cluster's response has all of it.
	res := calls.Call(req)
	a := &answer{Exception: res.GetException(), Metadata: res.GetAttachments().RawMap()}
	if a.Exception == nil {
		if v := res.GetValue(); v != nil {
			a.Value, a.Type = printable(v), fmt.Sprintf("%T", v)
		}
	}
	return a, nil
}

// registryURL is where the client finds the service: the one address given, or a real registry.
func (c *clientConfig) registryURL() (*core.URL, error) {
	switch {
	case (c.addr == "") == (c.registry == ""):
		return nil, errors.New("want either -addr or -registry")
	case c.registry != "":
		return parseRegistry(c.registry)
	case strings.HasPrefix(c.addr, core.UnixSockProtocolFlag):
		return &core.URL{Protocol: "direct", Parameters: map[string]string{core.AddressKey: c.addr}}, nil
	default:
		return parseRegistry("direct://" + c.addr)
	}
}

// referURL is the service as motan-go's client describes it. The connection is made at once, so that the
// first call finds it; its number is one.
func (c *clientConfig) referURL() *core.URL {
	u := &core.URL{
		Protocol: "motan2", Path: c.path, Group: c.group,
		Parameters: map[string]string{
			core.RegistryKey:         registryID,
			core.SerializationKey:    c.serialization,
			core.ApplicationKey:      c.application,
			core.TimeOutKey:          strconv.FormatInt(c.timeout.Milliseconds(), 10),
			core.RetriesKey:          strconv.Itoa(c.retries),
			core.GzipSizeKey:         strconv.Itoa(c.gzipBytes),
			core.AsyncInitConnection: "false",
			core.ClientConnectionKey: "1",
		},
	}
	if c.version != "" {
		u.PutParam(core.VersionKey, c.version)
	}
	return u
}
