// Package replay drives recorded feeds through the gateway's pipelines.
//
// Inputs are captures (pcap, pcapng) of ITCH over MoldUDP64 and of IEX DEEP and TOPS, ITCH files,
// and DBN files, each plain, gzip or zstd; and captures in segments (package capture). Run opens them,
// finds the channels and lines in them, merges everything by time, and writes what the pipelines publish to
// a DBN file if asked to:
//
//	result, err := replay.Run(ctx, replay.Options{Paths: paths, Out: "x.dbn.zst", Schema: dbn.SchemaMBO})
//	...
//	result.Summary.WriteText(os.Stdout)
//
// Lines that carry the same session of the same feed are lines of one channel, whether they come
// from one file (an A and a B group) or from several (a file for each); nothing has to be
// configured. The same inputs give the same output bytes every time.
//
// A damaged input is used up to the damage, which the summary then names.
package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"slices"
	"strings"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/gateway/recorded"
	"tidegate/market"
)

// Options says what to replay, and how.
type Options struct {
	Paths []string
	// Publisher overrides what the feed is taken to be of. Zero: the feed's own.
	Publisher market.Publisher
	// Midnight is the start of the trading day in ITCH files. Zero: told by the file's name, else
	// the Unix epoch. Captures have their own date, but for those without capture times.
	Midnight market.Nanos
	// TypedLengths reads ITCH files whose length fields are zero by the length of each message's type.
	TypedLengths bool
	// Speed is the pace: 1 replays in the time it took, 10 ten times as fast, 0 as fast as possible.
	Speed float64
	// Out is the DBN file to write, of the given Schema; "" for none. The name's suffix (.zst, .gz)
	// says how it is compressed. A replay that is stopped leaves a file of that name as it was, and
	// what it has in one with ".partial" after the name.
	Out    string
	Schema dbn.Schema
	// To, if set, takes the output instead of a file, uncompressed, once the replay has come to its
	// end. Out is then what errors and the summary call it.
	To io.Writer
	// Arbiter holds the limits of every channel's arbiter. Zero: arbiter.DefaultConfig.
	Arbiter arbiter.Config
	// Retransmit tells answers to requests for retransmission from other datagrams.
	Retransmit Retransmit
	// AsFound has channels and lines found in a recording too, instead of taken as it describes them. What it
	// holds beside the datagrams is then counted and not applied.
	AsFound bool
	// Feed is the one feed of a recording whose records are written. "": all.
	Feed string
	// Epoch is the recording of a directory of segments that is replayed: one for each start of the gateway. 0:
	// the last.
	Epoch uint64
	// Progress, if set, is called a few times per second of work, and once at the end.
	Progress func(Progress)
}

// Progress says how far a replay is.
type Progress struct {
	Read, Size int64        // compressed bytes of all inputs
	Messages   uint64       // decoded so far
	At         market.Nanos // time of the recording
	Done       bool         // this is the last call
}

// Result is what a replay leaves behind.
type Result struct {
	Summary  Summary
	Channels []*Channel
}

// ErrNothing is returned (wrapped) when no input has anything of a feed that is known.
var ErrNothing = errors.New("nothing to replay: the inputs hold no datagram of ITCH over MoldUDP64, IEX DEEP or IEX TOPS")

// timeMax is the latest time of a recording that is believed. It leaves room for intervals and days
// after it.
const timeMax = math.MaxInt64 - 2*market.Day

// checkEvery is how many datagrams or records pass between looks at the context and the progress.
// There is a look before every block of an ITCH file: it has thousands of messages.
const checkEvery = 64

// tickEvery is how much recorded time passes between ticks of all channels. The live process ticks as
// often. The channel of a datagram gets one with the datagram's time besides, as it does live.
const tickEvery = market.Millisecond

// Run replays. When ctx ends it stops, keeps what was done until then, and returns the result with
// ctx's error. Any other error means that there is no output; a result that came with one says what
// was read.
func Run(ctx context.Context, opt Options) (*Result, error) {
	if len(opt.Paths) == 0 {
		return nil, errors.New("replay: no input")
	}
	r := &run{opt: opt, started: time.Now()}
	if err := r.open(); err != nil {
		return nil, err
	}
	defer r.close()
	err := r.loop(ctx)
	interrupted := errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
	if err != nil && !interrupted {
		r.progress(r.last, true)
		return nil, err
	}
	result, ferr := r.finish(interrupted)
	if ferr == nil && len(r.channels.list) == 0 && !interrupted {
		ferr = fmt.Errorf("replay %s: %w", strings.Join(r.opt.Paths, ", "), ErrNothing)
	}
	if ferr != nil {
		return result, ferr
	}
	return result, err
}

// run is one replay under way.
type run struct {
	opt      Options
	started  time.Time
	sources  []source
	channels channels
	out      *output // nil: none
	first    market.Nanos
	last     market.Nanos
	lastTick market.Nanos
	any      bool
	items    uint64
	shown    time.Time
}

func (r *run) open() error {
	if r.opt.Out != "" {
		if err := refuseOverwrite(&r.opt); err != nil {
			return err
		}
		out, err := newOutput(&r.opt)
		if err != nil {
			return err
		}
		r.out = out
	}
	r.channels = channels{run: r, lines: make(map[lineKey]lineRef)}
	for i, path := range r.opt.Paths {
		src, err := openSource(r, i, path)
		if err != nil {
			r.close()
			return err
		}
		r.sources = append(r.sources, src)
	}
	if r.opt.Epoch != 0 && !slices.ContainsFunc(r.sources, fromSegments) {
		r.close()
		return fmt.Errorf("epoch %d: no input is a directory of segments", r.opt.Epoch)
	}
	if r.opt.Feed != "" && r.channels.described == nil {
		r.close()
		return fmt.Errorf("feed %q: no input is a recording that describes its feeds", r.opt.Feed)
	}
	return nil
}

// refuseOverwrite returns an error if the output, or what an interrupt would leave of it, would
// replace one of the inputs.
func refuseOverwrite(opt *Options) error {
	if opt.To != nil {
		return nil
	}
	for _, out := range []string{opt.Out, opt.Out + partialSuffix} {
		to, err := os.Stat(out)
		if err != nil {
			continue // it does not exist yet; what else is wrong, creating it will tell
		}
		for _, path := range opt.Paths {
			if from, err := os.Stat(path); err == nil && os.SameFile(from, to) {
				return fmt.Errorf("create %s: it is an input, and would be replaced", out)
			}
		}
	}
	return nil
}

// close frees files. An output that finish has not kept is removed.
func (r *run) close() {
	for _, s := range r.sources {
		s.input().file.Close()
	}
	if r.out != nil {
		r.out.abort()
	}
}

// loop hands out items in order of time, those of equal time in order of the inputs.
func (r *run) loop(ctx context.Context) error {
	var live []source
	for _, s := range r.sources {
		if !s.input().next(s) {
			continue
		}
		live = append(live, s)
		// Lines have their letters in the order of the inputs, whichever is ahead.
		if c, ok := s.(*captureSource); ok && !recorded.IsInput(c.datagram.Dst, c.datagram.Payload) {
			if _, err := r.channels.line(c.number, c.in.at, &c.datagram); err != nil {
				return err
			}
		}
	}
	pace := newPace(r.opt.Speed)
	for len(live) > 0 {
		best := 0
		for i := 1; i < len(live); i++ {
			if live[i].input().at < live[best].input().at {
				best = i
			}
		}
		s := live[best]
		at := s.input().at
		if _, block := s.(*itchSource); block || pace != nil || r.items%checkEvery == 0 {
			if err := ctx.Err(); err != nil {
				return err
			}
			r.progress(at, false)
		}
		r.items++
		if err := pace.wait(ctx, at); err != nil {
			return err
		}
		r.advance(at)
		if err := s.deliver(); err != nil {
			return err
		}
		s.input().items++
		if r.out != nil && r.out.err != nil {
			return r.out.err
		}
		if !s.input().next(s) {
			live = append(live[:best], live[best+1:]...)
		}
	}
	return nil
}

// advance makes recorded time pass. Recorded time never goes back: an input whose times do is
// taken as it comes.
func (r *run) advance(at market.Nanos) {
	if !r.any {
		r.any, r.first, r.last, r.lastTick = true, at, at, at
		return
	}
	r.last = max(r.last, at)
	if r.last-r.lastTick >= tickEvery {
		r.lastTick = r.last
		for _, c := range r.channels.list {
			c.Pipeline.OnTick(r.last)
		}
	}
}

func (r *run) progress(at market.Nanos, final bool) {
	if r.opt.Progress == nil {
		return
	}
	now := time.Now()
	if !final && now.Sub(r.shown) < 200*time.Millisecond {
		return
	}
	r.shown = now
	p := Progress{At: at, Done: final}
	for _, s := range r.sources {
		in := s.input()
		p.Read += in.file.Consumed()
		p.Size += in.file.Size()
	}
	for _, c := range r.channels.list {
		p.Messages += c.Pipeline.Counts().Messages
	}
	r.opt.Progress(p)
}

// finish settles every channel, writes the rest of the output, and sums up.
func (r *run) finish(interrupted bool) (*Result, error) {
	for _, c := range r.channels.list {
		c.Pipeline.Flush()
	}
	for _, s := range r.channels.sinks {
		s.finish()
	}
	elapsed := time.Since(r.started)
	r.progress(r.last, true)
	result := &Result{Channels: r.channels.list}
	var err error
	if r.out != nil && !interrupted {
		err = r.channels.suited()
	}
	if r.out != nil && len(r.channels.list) > 0 && err == nil {
		err = r.out.finish(r.channels.metadata(r.opt.Schema, r.first, r.last), interrupted)
	}
	result.Summary = r.summarise(elapsed)
	if err != nil {
		return result, err
	}
	for _, c := range r.channels.list {
		if berr := c.Pipeline.Balanced(); berr != nil {
			return result, fmt.Errorf("channel %s: the ledger does not balance: %w", c.Name, berr)
		}
	}
	return result, nil
}

// A source is one input.
type source interface {
	input() *input
	// read positions the source on its next item and sets input().at. It returns io.EOF at the end.
	read() error
	// deliver hands the item to its channel.
	deliver() error
}

// passTo notes when the current item was recorded. An item without a time that can be believed was
// recorded when the one before was.
func (in *input) passTo(at market.Nanos) {
	if at >= 0 && at <= timeMax {
		in.at = at
	}
}

// next reads the next item of s, whose input it is. It reports false at the end, and notes why the
// input ended if it should not have.
func (in *input) next(s source) bool {
	err := s.read()
	switch {
	case err == nil:
		return true
	case errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF):
		return false
	default:
		in.fault = err
		return false
	}
}
