package agent

import (
	"fmt"
	"strings"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/etcd"
)

func newEtcd(r *conf.Registry, e RegistryEnv) (registry.Registry, error) {
	o := etcd.Options{
		Address:        strings.Join(r.Address, ","),
		Prefix:         r.Params["chroot"],
		SessionTimeout: r.SessionTimeout,
		ConnectTimeout: r.ConnectTimeout,
		CallTimeout:    r.RequestTimeout,
		Form:           registry.TextForm(r.Params["nodeForm"]),
		Log:            e.Log,
	}
	var err error
	if o.Auth, err = password(r); err != nil {
		return nil, err
	}
	t := etcd.TLS{CA: r.Params["tlsCA"], Cert: r.Params["tlsCert"], Key: r.Params["tlsKey"], ServerName: r.Params["tlsServerName"]}
	switch {
	case isTrue(r.Params["tls"]):
		o.TLS = &t
	case t != etcd.TLS{}:
		return nil, fmt.Errorf("%s: keys of TLS without tls: true; connections would not be encrypted", r.Position)
	}
	return etcd.New(o)
}
