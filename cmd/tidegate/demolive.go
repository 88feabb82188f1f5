package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"tidegate/gateway/admin"
	"tidegate/internal/venue"
	"tidegate/internal/venue/livevenue"
	"tidegate/market"
)

type demoLiveCmd struct {
	Dir  string        `default:"out/demo" help:"Directory for the configuration and the logs of what runs."`
	Seed uint64        `default:"1" help:"Another seed makes another market and other losses."`
	For  time.Duration `default:"20s" help:"How long the market runs before everything is compared, 1s to 12h."`
	Stay bool          `help:"Then go on until interrupted, to try other clients."`

	Database bool `default:"true" negatable:"" help:"Put what is published into a private PostgreSQL, if its binaries are installed."`
}

// demoForMax is shorter than the market's day, at whose end all books are empty.
const demoForMax = 12 * time.Hour

// demoKey is the key of the demonstration's only subscriber.
const demoKey = "demo-key-of-nobody-0000000000000"

// Run starts a venue and a gateway as processes, subscribes, cuts one line and then the other, and
// holds the subscriber's books against the venue's.
func (c *demoLiveCmd) Run(ctx context.Context, con *console) error {
	if c.For < time.Second || c.For > demoForMax {
		return usageError{fmt.Errorf("--for %v: want 1s to %v", c.For, demoForMax)}
	}
	d := &liveDemo{con: con, dir: c.Dir}
	if !c.Database {
		d.noDatabase = errNotWanted
	}
	defer d.stop()
	if err := d.start(ctx, c.Seed); err != nil {
		return err
	}
	follower, err := follow(ctx, d.subscribers)
	if err != nil {
		return err
	}
	defer follower.close()
	d.say("\n2. A subscriber took a snapshot of every book and follows. Try one of your own, in another terminal:")
	me := os.Args[0] // as it was called: it may not be on the path
	d.say("   %s subscribe --addr %s --dataset %s --key %s --schema mbp-1", me, d.subscribers, market.Simulated.Dataset, demoKey)
	d.say("   %s stat --url %s", me, d.admin)
	if d.database != nil {
		d.say("   psql \"$(cat %s)\" -c 'SELECT * FROM tidegate.trades ORDER BY index DESC LIMIT 10'", filepath.Join(d.dir, demoDSN))
	}

	d.say("\n3. The market runs; first line A is cut, then line B.")
	if err := d.trade(ctx, c.For, follower); err != nil {
		return err
	}
	d.say("\n4. Is it right? The market pauses.")
	if err := d.compare(ctx, follower); err != nil {
		return err
	}
	if err := d.compareDatabase(ctx); err != nil {
		return err
	}
	if !c.Stay {
		return nil
	}
	d.say("\nThe market goes on until you interrupt it.")
	if err := d.post(ctx, "/resume", nil, nil); err != nil {
		return err
	}
	<-ctx.Done()
	return ctx.Err()
}

// liveDemo is the demonstration's processes.
type liveDemo struct {
	con            *console
	dir            string
	venue, gateway *exec.Cmd
	control        string // URL of the venue's control endpoint
	admin          string // URL of the gateway's
	subscribers    string // address
	database       *demoDatabase
	noDatabase     error // why there is none
}

func (d *liveDemo) say(format string, args ...any) { fmt.Fprintf(d.con.Out, format+"\n", args...) }

// start runs the gateway and the venue.
func (d *liveDemo) start(ctx context.Context, seed uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if err := os.MkdirAll(d.dir, 0o777); err != nil {
		return err
	}
	lineA, lineB, control := free("udp", 26400), free("udp", 26401), free("tcp", 26480)
	adminAddr := free("tcp", 8080)
	d.subscribers = free("tcp", 13000)
	d.control, d.admin = "http://"+control, "http://"+adminAddr
	kept, err := d.keep(ctx)
	if err != nil {
		return err
	}
	config := filepath.Join(d.dir, "tidegate.yaml")
	text := fmt.Sprintf(`# The demonstration's gateway. deploy/tidegate.example.yaml shows every setting.
feeds:
  - name: demo
    protocol: itch
    dataset: %s
    lines:
      - {name: A, address: %q}
      - {name: B, address: %q}
subscribers:
  listen: %q
  keys:
    - {name: demo, key: %q}
admin:
  listen: %q
%s`, market.Simulated.Dataset, lineA, lineB, d.subscribers, demoKey, adminAddr, kept)
	if err := os.WriteFile(config, []byte(text), 0o600); err != nil {
		return err
	}
	if d.gateway, err = d.spawn(ctx, "gateway.log", "run", "-c", config); err != nil {
		return err
	}
	if err := d.wait(ctx, "the gateway", func() error { return get(ctx, d.admin+"/health", nil) }); err != nil {
		return err
	}
	if d.venue, err = d.spawn(ctx, "venue.log", "venue", "-q", "--imperfect", "--protected", "--seed", fmt.Sprint(seed),
		"--a", lineA, "--b", lineB, "--control", control, "--retransmit", free("udp", 26402)); err != nil {
		return err
	}
	if err := d.wait(ctx, "the feed", func() error { return get(ctx, d.admin+"/ready", nil) }); err != nil {
		return err
	}
	d.say("1. A simulated venue sends ITCH over MoldUDP64 on two imperfect lines, %s and %s;", lineA, lineB)
	d.say("   tidegate run -c %s receives them and serves subscribers at %s.", config, d.subscribers)
	d.sayDatabase()
	return nil
}

// free returns a loopback address with the port if nobody has it, else with one that nobody has.
func free(network string, port int) string {
	for _, p := range []int{port, 0} {
		addr := fmt.Sprintf("127.0.0.1:%d", p)
		if network == "udp" {
			if l, err := net.ListenPacket("udp", addr); err == nil {
				defer l.Close()
				return l.LocalAddr().String()
			}
		} else if l, err := net.Listen("tcp", addr); err == nil {
			defer l.Close()
			return l.Addr().String()
		}
	}
	return fmt.Sprintf("127.0.0.1:%d", port) // whoever opens it says what is wrong
}

// spawn starts this program again as one of its commands, with its output in a log.
func (d *liveDemo) spawn(ctx context.Context, log string, args ...string) (*exec.Cmd, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	f, err := os.Create(filepath.Join(d.dir, log))
	if err != nil {
		return nil, err
	}
	defer f.Close()
	cmd := exec.Command(self, args...)
	cmd.Stdout, cmd.Stderr = f, f
	// An interrupt at the terminal is for the demonstration, which then stops its processes in order.
	cmd.SysProcAttr = childAttributes()
	if err := cmd.Start(); err != nil {
		return nil, err
	}
	return cmd, nil
}

// stop ends the processes, the venue first and the database last.
func (d *liveDemo) stop() {
	for _, cmd := range []*exec.Cmd{d.venue, d.gateway} {
		if cmd == nil {
			continue
		}
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended by itself
		done := make(chan struct{})
		go func() { _ = cmd.Wait(); close(done) }()
		select {
		case <-done:
		case <-time.After(10 * time.Second):
			_ = cmd.Process.Kill()
			<-done
		}
	}
	if err := d.database.close(); err != nil {
		fmt.Fprintln(d.con.Err, "tidegate: the demonstration's database:", err)
	}
}

// wait tries until try succeeds.
func (d *liveDemo) wait(ctx context.Context, what string, try func() error) error {
	deadline := time.Now().Add(20 * time.Second)
	for {
		err := try()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("demo: waiting for %s: %w (see the logs in %s)", what, err, d.dir)
		}
		if err := pause(ctx, 50*time.Millisecond); err != nil {
			return err
		}
	}
}

// trade lets the market run, cuts the lines in turn, and says how it goes.
func (d *liveDemo) trade(ctx context.Context, total time.Duration, f *follower) error {
	acts := []struct {
		at   time.Duration
		said string
		line string
		down bool
	}{
		{total / 5, "line A is cut", "a", true},
		{total * 2 / 5, "line A is back", "a", false},
		{total * 3 / 5, "line B is cut", "b", true},
		{total * 4 / 5, "line B is back", "b", false},
	}
	begin := time.Now()
	const steps = 10
	for step := 1; step <= steps; step++ {
		if err := pause(ctx, time.Until(begin.Add(total*time.Duration(step)/steps))); err != nil {
			return err
		}
		for len(acts) > 0 && time.Since(begin) >= acts[0].at {
			a := acts[0]
			acts = acts[1:]
			if err := d.post(ctx, "/lines/"+a.line, map[string]bool{"down": a.down}, nil); err != nil {
				return err
			}
			d.say("   -- %s", a.said)
		}
		report, latency, err := d.look(ctx)
		if err != nil {
			return err
		}
		l := &report.Ledger
		d.say("   %6d messages, %6d records to the subscriber; gaps: %d opened, %d filled, %d lost; wire to publish p50 %s, p99 %s",
			report.Messages, f.records.Load(), l.GapsOpened.Ranges, l.GapsFilled.Ranges, l.GapsAnnounced().Ranges,
			latency.p50, latency.p99)
	}
	return nil
}

type demoLatency struct{ p50, p99 time.Duration }

// look asks the gateway how it is.
func (d *liveDemo) look(ctx context.Context) (*admin.FeedReport, demoLatency, error) {
	var feeds admin.FeedsReport
	if err := get(ctx, d.admin+"/feeds", &feeds); err != nil {
		return nil, demoLatency{}, err
	}
	if len(feeds.Feeds) != 1 {
		return nil, demoLatency{}, fmt.Errorf("demo: the gateway has %d feeds, want 1", len(feeds.Feeds))
	}
	var latency admin.LatencyReport
	if err := get(ctx, d.admin+"/latency", &latency); err != nil {
		return nil, demoLatency{}, err
	}
	return &feeds.Feeds[0], demoLatency{
		time.Duration(latency.WireToPublish.Total.P50).Round(time.Microsecond),
		time.Duration(latency.WireToPublish.Total.P99).Round(time.Microsecond),
	}, nil
}

// compare pauses the market and holds the gateway's account and the subscriber's books against it.
func (d *liveDemo) compare(ctx context.Context, f *follower) error {
	var at venue.LivePosition
	if err := d.post(ctx, "/pause", nil, &at); err != nil {
		return err
	}
	var report *admin.FeedReport
	err := d.wait(ctx, "the last message", func() (err error) {
		if report, _, err = d.look(ctx); err == nil && report.Messages < at.Sent {
			err = fmt.Errorf("%d of %d messages", report.Messages, at.Sent)
		}
		return err
	})
	if err != nil {
		return err
	}
	if err := f.quiet(ctx); err != nil {
		return err
	}
	var truth livevenue.Truth
	if err := get(ctx, d.control+"/truth", &truth); err != nil {
		return err
	}
	levels, err := f.compare(truth.Books)
	if err != nil {
		return err
	}
	var received, published uint64
	for i := range report.Lines {
		received += report.Lines[i].Ledger.Received.Messages
		published += report.Lines[i].Ledger.Published.Messages
	}
	if !report.Balanced {
		return errors.New("demo: the ledger does not balance")
	}
	if n := report.Ledger.GapsAnnounced().Messages; n > 0 {
		return fmt.Errorf("demo: %d messages were lost", n)
	}
	d.say("   venue       sent %d messages; the gateway published every one, and lost none", at.Sent)
	d.say("   ledger      %d messages received on both lines = %d published + %d dropped, each with its reason",
		received, published, received-published)
	d.say("   subscriber  has the venue's own books: %d instruments, %d levels, price, size and orders", len(truth.Books), levels)
	return nil
}

// post sends body to the venue's control endpoint and decodes the answer into v, if v is not nil.
func (d *liveDemo) post(ctx context.Context, path string, body, v any) error {
	b, err := json.Marshal(body)
	if err != nil {
		return err
	}
	if body == nil {
		b = nil
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, d.control+path, bytes.NewReader(b))
	if err != nil {
		return err
	}
	return answer(req, v)
}

func get(ctx context.Context, url string, v any) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return err
	}
	return answer(req, v)
}

func answer(req *http.Request, v any) error {
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s %s: %s", req.Method, req.URL, resp.Status)
	}
	if v == nil {
		return nil
	}
	return json.NewDecoder(resp.Body).Decode(v)
}

// pause waits for a while, or until ctx ends.
func pause(ctx context.Context, t time.Duration) error {
	if t <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(t)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
