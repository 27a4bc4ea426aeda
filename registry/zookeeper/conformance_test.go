package zookeeper

import (
	"testing"

	"github.com/motand/motand/registry"
	"github.com/motand/motand/registry/registrytest"
	"github.com/motand/motand/registry/zookeeper/zktest"
)

func TestConforms(t *testing.T) {
	t.Parallel()
	s := zktest.Start(t)
	registrytest.Run(t, registrytest.World{Open: func(t *testing.T) registry.Registry {
		t.Helper()
		return open(t, s, nil)
	}})
}
