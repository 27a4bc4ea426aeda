package agent

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/zookeeper"
)

func newZooKeeper(r *conf.Registry, e RegistryEnv) (registry.Registry, error) {
	o := zookeeper.Options{
		Address:        strings.Join(r.Address, ",") + r.Params["chroot"],
		SessionTimeout: r.SessionTimeout,
		ConnectTimeout: r.ConnectTimeout,
		CallTimeout:    max(r.RequestTimeout, r.SessionTimeout/2), // a server that is slow but there is better than none
		Access:         zookeeper.Access(r.Params["access"]),
		Form:           registry.TextForm(r.Params["nodeForm"]),
		LocalIP:        e.LocalIP,
		ClientParams:   map[string]string{"application": e.Application},
		IPv6:           isTrue(r.Params["ipv6"]),
		Log:            e.Log,
	}
	o.ReadRate, _ = strconv.Atoi(r.Params["readRate"]) // conf has checked it; 0 is the default
	var err error
	if o.Auth, err = password(r); err != nil {
		return nil, err
	}
	t, secure, err := tlsOf(r)
	if err != nil {
		return nil, err
	}
	if secure {
		o.TLS = &zookeeper.TLS{CA: t.ca, Cert: t.cert, Key: t.key, ServerName: t.serverName, Seen: e.Seen}
	}
	return zookeeper.New(o)
}

// tlsKeys are what a registry's entry says of TLS.
type tlsKeys struct{ ca, cert, key, serverName string }

// tlsOf reads them, and whether connections are to be encrypted.
func tlsOf(r *conf.Registry) (t tlsKeys, secure bool, err error) {
	t = tlsKeys{r.Params["tlsCA"], r.Params["tlsCert"], r.Params["tlsKey"], r.Params["tlsServerName"]}
	if secure = isTrue(r.Params["tls"]); !secure && t != (tlsKeys{}) {
		err = fmt.Errorf("%s: keys of TLS without tls: true; connections would not be encrypted", r.Position)
	}
	return t, secure, err
}

func isTrue(text string) bool {
	yes, err := strconv.ParseBool(text)
	return err == nil && yes
}

// password returns user:password from the one place that names it. No error tells what it is.
func password(r *conf.Registry) (string, error) {
	direct, file, variable := r.Params["auth"], r.Params["authFile"], r.Params["authEnv"]
	switch {
	case direct != "" && (file != "" || variable != "") || file != "" && variable != "":
		return "", fmt.Errorf("%s: auth, authFile and authEnv: write one of them", r.At("auth"))
	case file != "":
		text, err := zookeeper.ReadSecret(file)
		if err != nil {
			return "", fmt.Errorf("%s: authFile: %w", r.At("authFile"), err)
		}
		if direct = strings.TrimRight(string(text), "\r\n"); direct == "" {
			return "", fmt.Errorf("%s: authFile: %s is empty; write user:password into it", r.At("authFile"), file)
		}
	case variable != "":
		if direct = os.Getenv(variable); direct == "" {
			return "", fmt.Errorf("%s: authEnv: the environment has no %s", r.At("authEnv"), variable)
		}
	}
	return direct, nil
}
