//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"syscall"
	"time"

	"tidegate/gateway/config"
	"tidegate/gateway/lines"
)

type runCmd struct {
	Config string `short:"c" required:"" placeholder:"FILE" help:"Configuration; deploy/tidegate.example.yaml shows every setting."`
	Check  bool   `help:"Only say whether the configuration is right."`
}

// Help is shown below the flags' summary.
func (runCmd) Help() string {
	return `Receives feeds, keeps their books and serves subscribers until SIGTERM or an interrupt: then what was received is published, subscribers are told and closed, the recording is completed, and the exit code is 0. A second signal ends the process at once. SIGHUP takes keys, limits and the TLS certificate from the configuration again.

Times of ITCH messages count from midnight in New York, as of the start: start the gateway anew every day.

A configuration that is not right gives exit code 2.`
}

// stopMax is how long subscribers and requests may take to end. It is more than the time that the
// gateway waits for each.
const stopMax = 15 * time.Second

// Run runs a gateway.
func (c *runCmd) Run(ctx context.Context, con *console) error {
	cfg, err := config.Load(c.Config)
	if e := (*config.Error)(nil); errors.As(err, &e) {
		return usageError{fmt.Errorf("configuration:\n%w", err)}
	}
	if err != nil {
		return err
	}
	if err := errors.Join(checkPostgres(&cfg.Postgres), checkPast(&cfg.Postgres.History)); err != nil {
		return usageError{fmt.Errorf("configuration: %s: %w", c.Config, err)}
	}
	if c.Check {
		return c.check(cfg, con)
	}
	log := newLog(con, cfg.Log)
	g, err := openGateway(cfg, log)
	if err != nil {
		return err
	}
	return c.serve(ctx, g, log)
}

func (c *runCmd) check(cfg *config.Config, con *console) error {
	if _, err := configureOrders(cfg); err != nil {
		return usageError{fmt.Errorf("configuration: orders: %w", err)}
	}
	threads, err := threadsOf(&cfg.Loop)
	if err != nil {
		return err
	}
	if err := lines.CheckSpinners(threads.Spinners()); err != nil {
		return err
	}
	fmt.Fprintf(con.Out, "%s is right: feeds: %d, keys: %d\n", c.Config, len(cfg.Feeds), len(cfg.Subscribers.Keys))
	return nil
}

func newLog(con *console, c config.Log) *slog.Logger {
	opt := &slog.HandlerOptions{Level: c.Level}
	if c.JSON {
		return slog.New(slog.NewJSONHandler(con.Err, opt))
	}
	return slog.New(slog.NewTextHandler(con.Err, opt))
}

// serve runs the gateway until ctx ends or its ingest loop fails.
func (c *runCmd) serve(ctx context.Context, g *liveGateway, log *slog.Logger) error {
	hangup := make(chan os.Signal, 1)
	signal.Notify(hangup, syscall.SIGHUP)
	defer signal.Stop(hangup)
	if err := g.start(); err != nil {
		return errors.Join(err, g.stop("it could not start"))
	}
	notify := newNotifier(os.Getenv, log)
	notify.send("READY=1")
	watching, stopWatching := context.WithCancel(context.Background())
	defer stopWatching()
	go newWatcher(g.monitor, log).run(watching)
	go notify.keepAlive(watching, g.alive)
	log.Info("gateway started")
	for {
		select {
		case <-hangup:
			notify.send(fmt.Sprintf("RELOADING=1\nMONOTONIC_USEC=%d", monotonicMicros()))
			g.reload(c.Config)
			notify.send("READY=1")
			continue
		case <-ctx.Done():
			log.Info("stopping: a signal came")
		case <-g.ended:
			log.Error("stopping: the ingest loop has ended")
		}
		break
	}
	notify.send("STOPPING=1")
	stopWatching()
	err := g.stop("it was asked to")
	if err == nil {
		log.Info("gateway stopped")
	}
	return err
}
