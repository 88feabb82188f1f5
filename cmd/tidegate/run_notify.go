//go:build linux

package main

import (
	"context"
	"log/slog"
	"net"
	"strconv"
	"time"

	"golang.org/x/sys/unix"
)

// A notifier tells the service manager how the gateway is: sd_notify(3), in datagrams to the socket
// that the manager names. Without one it does nothing.
type notifier struct {
	addr     *net.UnixAddr // nil: nobody wants to know
	watchdog time.Duration // what may pass between two signs of life; 0: for ever
	log      *slog.Logger
}

func newNotifier(getenv func(string) string, log *slog.Logger) *notifier {
	n := &notifier{log: log}
	if path := getenv("NOTIFY_SOCKET"); path != "" {
		n.addr = &net.UnixAddr{Name: path, Net: "unixgram"} // a leading @ is an abstract address here too
	}
	if micros, err := strconv.ParseInt(getenv("WATCHDOG_USEC"), 10, 64); err == nil && micros > 0 {
		n.watchdog = time.Duration(micros) * time.Microsecond
	}
	return n
}

func (n *notifier) send(state string) {
	if n.addr == nil {
		return
	}
	c, err := net.DialUnix("unixgram", nil, n.addr)
	if err == nil {
		_, err = c.Write([]byte(state))
		_ = c.Close()
	}
	if err != nil {
		n.log.Warn("the service manager was not told", "state", state, "error", err)
	}
}

// keepAlive gives the watchdog signs of life until ctx ends, as long as alive says so.
func (n *notifier) keepAlive(ctx context.Context, alive func(context.Context) bool) {
	if n.addr == nil || n.watchdog == 0 {
		return
	}
	ticker := time.NewTicker(n.watchdog / 2)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		asked, cancel := context.WithTimeout(ctx, n.watchdog/4)
		if alive(asked) {
			n.send("WATCHDOG=1")
		}
		cancel()
	}
}

// monotonicMicros is the time that goes with RELOADING=1.
func monotonicMicros() int64 {
	var t unix.Timespec
	if unix.ClockGettime(unix.CLOCK_MONOTONIC, &t) != nil {
		return 0
	}
	return t.Nano() / 1000
}
