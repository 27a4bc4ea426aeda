package agent

import (
	"fmt"
	"io"
	"net"
	"slices"
	"strings"

	"github.com/motand/motand/conf"
)

// greet prints one ready-made command for each way in, for a configuration that has a demo
// provider: who runs that wants to see something.
func greet(w io.Writer, c *conf.Config, a *Agent) error {
	service := demoService(c)
	if service == nil {
		return nil
	}
	var b strings.Builder
	fmt.Fprintf(&b, "motand %s runs the demo service %s. Try it from another terminal:\n\n", Version, service.Path)
	for _, l := range a.listeners.of("http") {
		curl, host := curlTo(l)
		fmt.Fprintf(&b, "  # HTTP and JSON: the arguments are a JSON array\n")
		fmt.Fprintf(&b, "  %s -d '[\"world\"]' http://%s/rpc/%s/hello\n", curl, host, service.Path)
		fmt.Fprintf(&b, "  %s -d '[{\"id\":9007199254740993,\"tags\":[\"a\",null]}]' http://%s/rpc/%s/echo\n", curl, host, service.Path)
		fmt.Fprintf(&b, "  %s -d '[\"no luck\"]' http://%s/rpc/%s/fail\n", curl, host, service.Path)
		if slices.ContainsFunc(c.Refers, func(r *conf.Refer) bool { return r.Path == service.Path && slices.Contains(r.HTTPGet, "add") }) {
			fmt.Fprintf(&b, "  %s 'http://%s/rpc/%s/add?arg=1&arg=2'\n", curl, host, service.Path)
		}
		fmt.Fprintf(&b, "  # the way motan-go's agent has it\n")
		fmt.Fprintf(&b, "  %s 'http://%s/proxy_to_rpc?service=%s&method=hello&group=%s&arg_type=string&arg=world'\n\n", curl, host, service.Path, service.Group)
	}
	for _, l := range a.listeners.of("motan") {
		fmt.Fprintf(&b, "  # Motan\n  bin/motand call --addr %s %s hello '[\"world\"]'\n\n", dialable(l), service.Path)
	}
	curl, host := curlTo(a.listeners.of("management")[0])
	fmt.Fprintf(&b, "  # what it counts\n  %s http://%s/metrics | grep motand_calls\n\n", curl, host)
	_, err := io.WriteString(w, b.String())
	return err
}

// demoService is the demo service that this motand both exports and refers to.
func demoService(c *conf.Config) *conf.Service {
	for _, s := range c.Services {
		for _, r := range c.Refers {
			if s.Provider == "demo" && r.Path == s.Path {
				return s
			}
		}
	}
	return nil
}

// curlTo is the curl command, and the host of the URL, for what l listens on.
func curlTo(l net.Listener) (curl, host string) {
	if l.Addr().Network() == "unix" {
		return "curl -s --unix-socket " + l.Addr().String(), "localhost"
	}
	return "curl -s", l.Addr().String()
}

func dialable(l net.Listener) string {
	if l.Addr().Network() == "unix" {
		return "unix://" + l.Addr().String()
	}
	return l.Addr().String()
}
