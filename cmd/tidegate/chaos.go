//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tidegate/bench/chaos"
	"tidegate/gateway/config"
)

type chaosCmd struct {
	Drill  string `placeholder:"NAME" help:"The drill to take, or all. See --list."`
	Plan   string `placeholder:"FILE" help:"A plan in JSON: drills, how often, or drills of your own. See docs/chaos.md."`
	Repeat int    `default:"1" placeholder:"N" help:"How often the drill is repeated."`
	Self   bool   `help:"Start a gateway for the drills, too: nothing is to be configured."`
	Config string `short:"c" placeholder:"FILE" help:"The configuration of the gateway that runs: deploy/providers.example.yaml fits."`
	Dir    string `default:"out/chaos" help:"With --self, directory of the gateway's configuration and log."`
	Seed   uint64 `default:"1" help:"Another seed makes another market and other losses."`
	List   bool   `help:"List the drills."`
	JSON   bool   `name:"json" help:"Print the report as JSON, with every repetition."`
	Save   string `placeholder:"FILE" help:"Also write the report there, as JSON."`
	Quiet  bool   `short:"q" help:"Do not say what goes on."`
}

// Help is shown below the flags' summary.
func (chaosCmd) Help() string {
	return `Plays the venue for a gateway, does to its lines and servers what goes wrong with real ones, and reports what was injected and when, when the gateway saw it and switched, what subscribers noticed, and what was lost. At the end of each repetition the subscriber's books are compared with the venue's own.

  tidegate chaos --self --drill all
  tidegate chaos --self --drill stall --repeat 100

On a gateway that runs already:

  tidegate run -c deploy/providers.example.yaml
  tidegate chaos -c deploy/providers.example.yaml --drill all

The exit code is 1 if a promise of correctness was broken. Times are reported as met or not met: the machine may be busy with others. docs/chaos.md explains drills, plans and figures.`
}

// Run takes the drills.
func (c *chaosCmd) Run(ctx context.Context, con *console) error {
	if c.List {
		for _, d := range chaos.Drills() {
			fmt.Fprintf(con.Out, "%-16s %s\n", d.Name, d.Says)
		}
		return nil
	}
	o, err := c.options(con)
	if err != nil {
		return err
	}
	report, err := chaos.Run(ctx, o)
	if report != nil {
		err = errors.Join(err, c.show(con, report))
	}
	if err != nil {
		return err
	}
	if broken := report.Broken(); len(broken) > 0 {
		return fmt.Errorf("chaos: %d promises were broken", len(broken))
	}
	if names := report.Undecided(); len(names) > 0 {
		return fmt.Errorf("chaos: this machine was too late to decide %s", strings.Join(names, ", "))
	}
	return nil
}

// options puts together what is to be done.
func (c *chaosCmd) options(con *console) (o chaos.Options, err error) {
	o = chaos.Options{Dir: c.Dir, Seed: c.Seed}
	if !c.Quiet {
		o.Say = func(what string) { fmt.Fprintln(con.Err, what) }
	}
	switch {
	case (c.Drill == "") == (c.Plan == ""):
		return o, usageError{fmt.Errorf("want either --drill or --plan; the drills are %s, or all", strings.Join(chaos.Names(), ", "))}
	case c.Self == (c.Config != ""):
		return o, usageError{errors.New("want either --self or --config")}
	case c.Repeat < 1:
		return o, usageError{fmt.Errorf("--repeat %d: want at least 1", c.Repeat)}
	}
	if o.Plan, err = c.plan(); err != nil {
		return o, usageError{err}
	}
	path := c.Config
	if c.Self {
		if path, err = c.ownGateway(); err != nil {
			return o, err
		}
		self, err := os.Executable()
		if err != nil {
			return o, err
		}
		o.Command = []string{self, "run", "-c", path}
	}
	if o.Gateway, err = config.Load(path); err != nil {
		return o, usageError{fmt.Errorf("configuration:\n%w", err)}
	}
	return o, nil
}

func (c *chaosCmd) plan() (chaos.Plan, error) {
	if c.Plan == "" {
		return chaos.Built(c.Drill, c.Repeat)
	}
	b, err := os.ReadFile(c.Plan)
	if err != nil {
		return chaos.Plan{}, err
	}
	return chaos.ParsePlan(b)
}

// show prints the report and keeps it.
func (c *chaosCmd) show(con *console, report *chaos.Report) error {
	if c.Save != "" {
		f, err := os.Create(c.Save)
		if err != nil {
			return err
		}
		if err := errors.Join(report.WriteJSON(f), f.Close()); err != nil {
			return err
		}
	}
	if c.JSON {
		return report.WriteJSON(con.Out)
	}
	return report.WriteText(con.Out)
}

// chaosKey is the key of the drills' only subscriber.
const chaosKey = "chaos-key-of-nobody-000000000000"

// ownGateway writes the configuration of a gateway as deploy/providers.example.yaml has it, on ports that are free,
// and returns its path.
func (c *chaosCmd) ownGateway() (path string, err error) {
	if err := os.MkdirAll(c.Dir, 0o777); err != nil {
		return "", err
	}
	path = filepath.Join(c.Dir, "tidegate.yaml")
	retransmit, snapshots := free("udp", 0), free("tcp", 0)
	text := fmt.Sprintf(`# The gateway of the drills. deploy/providers.example.yaml explains it.
feeds:
  - name: chaos
    protocol: itch
    dataset: XSIM.ITCH
    gap_deadline: 30ms
    stale_after: 50ms
    silence: 1s
    fail_back: 1s
    providers:
      - name: north
        lines:
          - {name: A, address: %q}
          - {name: B, address: %q}
        retransmit: {servers: [%q], rest_max: 100ms}
        snapshots: {servers: [{address: %q}]}
      - name: south
        lines:
          - {name: A, address: %q}
          - {name: B, address: %q}
        retransmit: {servers: [%q], rest_max: 100ms}
        snapshots: {servers: [{address: %q}]}
consolidated:
  dataset: TIDE.CONS
subscribers:
  listen: %q
  keys:
    - {name: chaos, key: %q}
admin:
  listen: %q
`, free("udp", 0), free("udp", 0), retransmit, snapshots, free("udp", 0), free("udp", 0), retransmit, snapshots,
		free("tcp", 0), chaosKey, free("tcp", 0))
	return path, os.WriteFile(path, []byte(text), 0o600)
}
