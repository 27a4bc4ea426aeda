package agent

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/motand/motand/conf"
	"github.com/motand/motand/motan"
)

// BenchmarkRoute finds the route of a request that was just read and completes its metadata, among few and many services.
func BenchmarkRoute(b *testing.B) {
	for _, services := range []int{1, 10_000} {
		b.Run(fmt.Sprint(services), func(b *testing.B) {
			r := &routes{byService: make(map[string][]*route)}
			for i := range services {
				path := fmt.Sprintf("com.example.service%d.EchoService", i)
				refer := &conf.Refer{Entry: conf.Entry{Path: path, Group: "bench", Protocol: "motan2", Application: "app"}}
				r.byService[path] = []*route{{refer: refer, handler: motan.HandlerFunc((*motan.Call).End)}}
			}
			o := &outbound{routes: new(atomic.Pointer[routes]), motan: true}
			o.routes.Store(r)
			c := request("com.example.service0.EchoService", "echo", "M_g", "bench", "M_pp", "motan2", "M_s", "bench")
			defer c.Release()
			data := c.Request.AppendTo(nil, 12345, 0)
			c.Remote = "127.0.0.1"
			b.ReportAllocs()
			for b.Loop() {
				if _, err := c.Request.Decode(data, 0); err != nil {
					b.Fatal(err)
				}
				o.Handle(c)
			}
		})
	}
}
