// Command tidegate is a market-data gateway: raw exchange feeds in, arbitrated and correct books
// and records out.
//
// This package is wiring: it reads the command line, builds what the packages below it offer, and
// prints. See `tidegate --help`.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"reflect"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes. Scripts may rely on them.
const (
	exitOK          = 0
	exitFailure     = 1   // the command could not do what it was asked
	exitUsage       = 2   // the command line makes no sense
	exitImperfect   = 3   // it was done, but the input had faults that --strict does not accept
	exitInterrupted = 130 // stopped by a signal; what was done until then is reported, and kept where it replaces nothing
)

// errImperfect makes the process exit with exitImperfect.
var errImperfect = errors.New("the input had faults")

// usageError is an error of the command line that only the command itself can see. The process
// exits with exitUsage.
type usageError struct{ error }

// cli is the whole command line, in the order in which its commands are listed: to see it work, to run
// it and look at it, to work on recordings, to try and to measure it.
type cli struct {
	Demo      demoCmd      `cmd:"" help:"See it work, with nothing to configure: live, or with recorded feeds."`
	Run       runCmd       `cmd:"" help:"Run the gateway: live feeds in, subscribers served."`
	Subscribe subscribeCmd `cmd:"" help:"Subscribe to a gateway and show, or keep, what it sends."`
	Order     orderCmd     `cmd:"" help:"Enter orders at a gateway that runs a market, and follow what becomes of them."`
	Stat      statCmd      `cmd:"" help:"Show what a running gateway does."`
	Provider  providerCmd  `cmd:"" help:"Have a say in which provider of a feed a running gateway believes."`
	Replay    replayCmd    `cmd:"" help:"Replay recorded feeds: captures (pcap, pcapng), ITCH files, DBN files."`
	Journal   journalCmd   `cmd:"" help:"Look into a journal: is it whole, and what is in it; and export it."`
	Pg        pgCmd        `cmd:"" name:"pg" help:"Ticks in PostgreSQL: make a server, drain a journal into it, compare."`
	Venue     venueCmd     `cmd:"" help:"Run the simulated venue: a live market on UDP lines, for a gateway to be tried with."`
	Chaos     chaosCmd     `cmd:"" help:"Drill a gateway: stall, delay, kill and lose what it gets, and see what it and its subscribers make of it."`
	Generate  generateCmd  `cmd:"" help:"Make recorded feeds from the simulated venue."`
	Bench     benchCmd     `cmd:"" help:"Measure: decoding and books on a generated day, latency and fan-out of the running gateway."`
	Version   versionCmd   `cmd:"" help:"Print the version."`

	VersionFlag kong.VersionFlag `name:"version" help:"Print the version."`
}

const purpose = `A market-data gateway you run yourself: raw exchange feeds in, arbitrated and correct books out.`

const description = purpose + `

Exit codes: 0 done; 1 could not be done; 2 the command line or the configuration makes no sense; 3 done, but the input had faults (with --strict); 130 interrupted.`

// helpWidth is the most columns that help takes, on however wide a terminal.
const helpWidth = 100

// console is where a command talks: results to Out, progress and remarks to Err.
type console struct {
	Out io.Writer
	Err io.Writer
}

func main() {
	ctx, stop := context.WithCancel(context.Background())
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go heed(signals, stop)
	os.Exit(run(ctx, os.Args[1:], &console{Out: os.Stdout, Err: os.Stderr}))
}

// heed stops the command at the first signal and ends the process at the second, as if nobody had
// heeded it. It ends with the process.
func heed(signals <-chan os.Signal, stop func()) {
	<-signals
	stop()
	second := <-signals
	signal.Reset(second)
	if s, ok := second.(syscall.Signal); ok {
		_ = syscall.Kill(os.Getpid(), s) // our own process: cannot fail
	}
}

// run executes one command line and returns the exit code.
func run(ctx context.Context, args []string, con *console) int {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("tidegate"),
		kong.Description(description),
		kong.ConfigureHelp(kong.HelpOptions{WrapUpperBound: helpWidth}),
		kong.Writers(con.Out, con.Err),
		kong.Exit(func(code int) { exited = code; panic(exitCalled{}) }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(con),
		kong.TypeMapper(reflect.TypeFor[netip.AddrPort](), kong.MapperFunc(decodeAddress)),
		kong.Vars(replayVars()),
		kong.Vars(benchVars()),
		kong.Vars(exportVars()),
		kong.Vars{"version": versionText()},
	)
	if err != nil {
		panic(fmt.Sprintf("tidegate: command line definition: %v", err))
	}
	if len(args) > 0 && args[0] == "help" {
		args = append(slices.Clone(args[1:]), "--help")
	}
	kctx, err := parse(parser, args)
	if exited >= 0 { // --help or --version was printed
		return exited
	}
	if err != nil {
		if overview(err, con.Err) {
			return exitUsage
		}
		fmt.Fprintf(con.Err, "tidegate: %v\nSee \"%s --help\".\n", err, commandOf(err))
		return exitUsage
	}
	switch err := kctx.Run(); {
	case err == nil:
		return exitOK
	case errors.Is(err, context.Canceled):
		fmt.Fprintln(con.Err, "tidegate: interrupted")
		return exitInterrupted
	case errors.As(err, new(usageError)):
		fmt.Fprintf(con.Err, "tidegate: %v\n", err)
		return exitUsage
	case errors.Is(err, errImperfect):
		fmt.Fprintf(con.Err, "tidegate: %v\n", err)
		return exitImperfect
	default:
		fmt.Fprintf(con.Err, "tidegate: %v\n", err)
		return exitFailure
	}
}

// overview prints the commands that there are to choose from, if nothing is wrong with a command line
// but that it stops before one of them. It reports whether it did.
func overview(err error, w io.Writer) bool {
	p := (*kong.ParseError)(nil)
	if !errors.As(err, &p) || !strings.HasPrefix(p.Error(), "expected one of ") {
		return false
	}
	node := p.Context.Model.Node
	if group := p.Context.Selected(); group != nil {
		node = group
	}
	if len(node.Children) == 0 {
		return false
	}
	p.Context.Model.Help = purpose
	p.Context.Stdout = w
	_ = kong.DefaultHelpPrinter(kong.HelpOptions{ // w is where an error would be shown
		Compact: true, NoExpandSubcommands: true, WrapUpperBound: helpWidth, ValueFormatter: kong.DefaultHelpValueFormatter,
	}, p.Context)
	return true
}

// commandOf returns the command, as far as it was understood, in which the command line went wrong.
func commandOf(err error) string {
	if p := (*kong.ParseError)(nil); errors.As(err, &p) && p.Context.Selected() != nil {
		return p.Context.Selected().FullPath()
	}
	return "tidegate"
}

// decodeAddress reads an address and a port, and says what they are where it is given something else.
func decodeAddress(ctx *kong.DecodeContext, target reflect.Value) error {
	var text string
	if err := ctx.Scan.PopValueInto("address", &text); err != nil {
		return err
	}
	addr, err := netip.ParseAddrPort(text)
	if err != nil {
		return fmt.Errorf("found %q, want an address and a port, such as 127.0.0.1:26400 or [::1]:26400", text)
	}
	target.Set(reflect.ValueOf(addr))
	return nil
}

// exitCalled unwinds from kong's exit hook, which it calls after printing help or the version.
type exitCalled struct{}

func parse(parser *kong.Kong, args []string) (kctx *kong.Context, err error) {
	defer func() {
		if r := recover(); r != nil {
			if _, ok := r.(exitCalled); !ok {
				panic(r)
			}
		}
	}()
	return parser.Parse(args)
}

type versionCmd struct{}

// Run prints what this binary was built from.
func (versionCmd) Run(con *console) error {
	_, err := fmt.Fprintln(con.Out, versionText())
	return err
}

func versionText() string {
	revision := "unknown revision"
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = s.Value
			}
		}
	}
	return fmt.Sprintf("tidegate %s (%s, %s)", version(), revision, runtime.Version())
}

// version returns the version of this binary, "devel" where it was built without one.
func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
