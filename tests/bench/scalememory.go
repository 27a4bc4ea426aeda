package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime/debug"

	"github.com/motand/motand/motan"
	"github.com/motand/motand/tests/bench/memconn"
	"github.com/motand/motand/tests/bench/proc"
)

// measureMemory is G7b: motan.Server with connections that have no descriptor, of which there can be as many as there is
// memory. Each makes a call. What is measured is this process, with both ends.
func measureMemory(ctx context.Context, s *scale) error {
	fifth, err := inMemory(ctx, max(s.o.memory/5, 1))
	if err != nil {
		return err
	}
	all, err := inMemory(ctx, s.o.memory)
	if err != nil {
		return err
	}
	n := float64(s.o.memory)
	s.add("G7b", fmt.Sprintf("resident with %d connections in memory", s.o.memory), all/mebi, 600*n/100_000, "MiB")
	s.add("G7b", "a connection", all/n/1024, 0, "KiB")
	s.add("G7b", "of that of a fifth as many", all/5/fifth, 1.1, "times")
	return nil
}

// inMemory is how many bytes more this process takes with n connections.
func inMemory(ctx context.Context, n int) (float64, error) {
	before, err := ownRSS()
	if err != nil {
		return 0, err
	}
	server := &motan.Server{
		Handler:  motan.HandlerFunc(func(c *motan.Call) { c.Reply.SetBody(c.Request.Body()); c.End() }),
		MaxConns: n, Logger: slog.New(slog.DiscardHandler),
	}
	l := memconn.Listen()
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }() // ends with Close
	defer func() {
		_ = server.Close() // it has no error to return
		if err := <-done; !errors.Is(err, motan.ErrServerClosed) {
			slog.Error("bench: server in memory", "err", err)
		}
	}()
	request := new(motan.Frame)
	request.Set("M_p", benchService)
	request.Set("M_m", benchMethod)
	request.SetBody(make([]byte, 128))
	frame := request.AppendTo(nil, 1, 0)
	conns := make([]*memconn.Conn, n)
	for i := range conns {
		if conns[i], err = l.Dial(ctx); err != nil {
			return 0, err
		}
		if err := conns[i].Exchange(ctx, frame); err != nil {
			return 0, fmt.Errorf("call on connection %d in memory: %w", i, err)
		}
	}
	debug.FreeOSMemory()
	debug.FreeOSMemory() // stacks shrink when they are looked at
	after, err := ownRSS()
	if open := server.Stats.Open.Load(); err == nil && open != int64(n) {
		err = errors.New("connections are missing")
	}
	return float64(after - before), err
}

// ownRSS is the resident memory of this process when it holds nothing that it does not need.
func ownRSS() (int64, error) {
	debug.FreeOSMemory()
	return proc.FS{}.RSS(os.Getpid())
}
