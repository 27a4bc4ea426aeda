package agent

import (
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
	t, secure, err := tlsOf(r)
	if err != nil {
		return nil, err
	}
	if secure {
		o.TLS = &etcd.TLS{CA: t.ca, Cert: t.cert, Key: t.key, ServerName: t.serverName, Seen: e.Seen}
	}
	return etcd.New(o)
}
