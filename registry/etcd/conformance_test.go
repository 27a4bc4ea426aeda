package etcd

import (
	"testing"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/etcd/etcdtest"
	"github.com/motand/motand/registry/registrytest"
)

func TestConforms(t *testing.T) {
	s := etcdtest.Start(t)
	registrytest.Run(t, registrytest.World{Open: func(t *testing.T) registry.Registry {
		t.Helper()
		return open(t, s, nil)
	}})
}
