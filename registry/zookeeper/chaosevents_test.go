package zookeeper

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-zookeeper/zk"

	"github.com/motand/motand/registry"
)

// announce says that a node is served, or says it otherwise than before.
func (x *chaos) announce() {
	n := registry.Node{
		Service: registry.Service{Group: testGroup, Path: x.service(), Protocol: "motan2"},
		Host:    "10.0.0.1", Port: 8001 + x.random.IntN(4), Available: x.random.IntN(3) > 0,
		Params: map[string]string{"weight": fmt.Sprint(x.random.IntN(3))},
	}
	ctx, cancel := context.WithCancel(x.t.Context())
	if err := x.r.Announce(ctx, n); err != nil {
		x.t.Fatal(err)
	}
	if old := x.cancel[n.Key()]; old != nil {
		old() // it was replaced, so that this does nothing
	}
	x.wanted[n.Key()], x.cancel[n.Key()] = n.Available, cancel
}

func (x *chaos) withdraw() {
	if key, ok := x.own(); ok {
		x.cancel[key]()
		delete(x.wanted, key)
		delete(x.cancel, key)
	}
}

// write has another program make a node below a service; that its folder is deleted at the same moment is no fault.
func (x *chaos) write(service, name, text string) {
	eventually(x.t, func() string {
		dir := root + "/" + testGroup + "/" + service + "/" + dirServer
		for _, p := range parents(dir + "/x") {
			if _, err := x.c.Create(p, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
				return err.Error()
			}
		}
		if _, err := x.c.Create(dir+"/"+name, []byte(text), 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return err.Error()
		}
		return ""
	})
}

func (x *chaos) come() {
	service := x.service()
	x.others++
	if x.random.IntN(5) == 0 {
		x.write(service, fmt.Sprint("junk", x.others), "no URL")
		return
	}
	addr := fmt.Sprintf("10.1.%d.%d:8001", x.others/250, x.others%250)
	x.write(service, addr, "motan2://"+addr+"/"+service+"?group="+testGroup)
}

// another returns a node that another program made, and its service; empty when there is none.
func (x *chaos) another() (service, name string) {
	service = x.service()
	names, _ := x.names(service, dirServer)
	for _, i := range x.random.Perm(len(names)) {
		if !strings.HasPrefix(names[i], "10.0.0.1:") {
			return service, names[i]
		}
	}
	return service, ""
}

// drop deletes a node below a service; that it is gone is as good.
func (x *chaos) drop(path string) {
	eventually(x.t, func() string {
		if err := x.c.Delete(path, -1); err != nil && !errors.Is(err, zk.ErrNoNode) {
			return err.Error()
		}
		return ""
	})
}

func (x *chaos) goAway() {
	if service, name := x.another(); name != "" {
		x.drop(root + "/" + testGroup + "/" + service + "/" + dirServer + "/" + name)
	}
}

func (x *chaos) rewrite() {
	service, name := x.another()
	if name == "" {
		return
	}
	path := root + "/" + testGroup + "/" + service + "/" + dirServer + "/" + name
	_, err := x.c.Multi(&zk.DeleteRequest{Path: path, Version: -1}, &zk.CreateRequest{
		Path: path, Acl: zk.WorldACL(zk.PermAll), Data: []byte("motan2://" + name + "/" + service + "?group=" + testGroup + "&x=1"),
	})
	if err != nil && !errors.Is(err, zk.ErrNoNode) {
		x.t.Logf("chaos: rewrite: %v", err)
	}
}

// burst changes a list faster than anybody reads it.
func (x *chaos) burst() {
	for range 500 {
		x.come()
	}
	for range 500 {
		x.goAway()
	}
}

func (x *chaos) deleteOwn() {
	if key, ok := x.own(); ok {
		x.drop(x.path(key, x.wanted[key]))
	}
}

func (x *chaos) spoilOwn() {
	key, ok := x.own()
	if !ok {
		return
	}
	path := x.path(key, x.wanted[key])
	if _, err := x.c.Set(path, []byte("spoiled"), -1); err != nil {
		x.t.Logf("chaos: spoil %s: %v", path, err)
	}
	eventually(x.t, func() string { // the list would tell the node's address all the same
		if data, _, err := x.c.Get(path); err != nil || string(data) == "spoiled" {
			return fmt.Sprintf("%s was not mended: %q, %v", path, data, err)
		}
		return ""
	})
}

// remove deletes a tree while the registry makes parts of it again.
func (x *chaos) remove(path string) bool {
	names, _, err := x.c.Children(path)
	for _, name := range names {
		x.remove(path + "/" + name)
	}
	if err == nil {
		err = x.c.Delete(path, -1)
	}
	return err == nil || errors.Is(err, zk.ErrNoNode)
}

func (x *chaos) deleteService() { x.remove(root + "/" + testGroup + "/" + x.service()) }

func (x *chaos) deleteAll() { x.remove(root) }

func (x *chaos) order() {
	text := fmt.Sprintf(`{"clientCommandList":[%d]}`, x.random.IntN(1000))
	eventually(x.t, func() string {
		if _, err := x.c.Set(groupCommand, []byte(text), -1); err == nil {
			return ""
		}
		for _, p := range parents(groupCommand) {
			if _, err := x.c.Create(p, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
				return err.Error()
			}
		}
		if _, err := x.c.Create(groupCommand, []byte(text), 0, zk.WorldACL(zk.PermAll)); err != nil {
			return err.Error()
		}
		return ""
	})
}

func (x *chaos) countermand() { x.drop(groupCommand) }

// cutOff has things happen while nothing comes through.
func (x *chaos) cutOff() {
	x.p.closed.Store(true)
	x.p.cut()
	for _, event := range []func(*chaos){
		(*chaos).announce, (*chaos).come, (*chaos).goAway, (*chaos).withdraw, (*chaos).order, (*chaos).deleteService,
	} {
		if x.random.IntN(2) == 0 {
			event(x)
		}
	}
	x.p.closed.Store(false)
}

// expire keeps the connection cut until the server has given up the session.
func (x *chaos) expire() {
	var id string
	eventually(x.t, func() string { // the event before may have ended one, and a busy machine takes a while for the next
		session := uint64(x.r.ownSession())
		if id = fmt.Sprintf("%x", session); session == 0 {
			return "there is no session"
		}
		return ""
	})
	x.p.closed.Store(true)
	x.p.cut()
	x.come()
	eventually(x.t, func() string {
		if dump := x.s.Ask("dump"); dump == "" || strings.Contains(dump, id) {
			return "the session does not expire"
		}
		return ""
	})
	x.p.closed.Store(false)
}

// wipe loses all data. A client that has seen it is refused for ever, so that the other program begins anew too.
func (x *chaos) wipe() {
	x.c.Close()
	x.s.Wipe()
	x.s.Restart()
	x.c = x.s.Client()
}
