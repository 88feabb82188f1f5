//go:build linux

package main

import (
	"fmt"
	"io"
	"net/netip"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/moldudp64"
	"tidegate/gateway/admin"
	"tidegate/internal/netloop"
	"tidegate/market"
)

var groupA, groupB = netip.MustParseAddrPort("239.255.7.1:26400"), netip.MustParseAddrPort("239.255.7.2:26401")

// A witness listens to the groups beside the gateway, and knows which messages neither brought.
type witness struct {
	seen    []bool // by sequence
	dropped uint32 // by the kernel: then it knows nothing
	stop    chan struct{}
	stopped chan error
}

func startWitness(t *testing.T) *witness {
	t.Helper()
	w := &witness{stop: make(chan struct{}), stopped: make(chan error, 1)}
	poller, err := netloop.NewPoller(netloop.Park, 10*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(poller.Close)
	var sockets []*netloop.Socket
	for _, g := range []netip.AddrPort{groupA, groupB} {
		s, err := netloop.Listen(netloop.Config{Addr: g, Interface: "lo", ReceiveBuffer: 8 << 20})
		if err == nil {
			err = poller.Add(s)
		}
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		sockets = append(sockets, s)
	}
	go func() { w.stopped <- w.listen(poller, sockets) }()
	return w
}

func (w *witness) listen(poller *netloop.Poller, sockets []*netloop.Socket) error {
	batch := netloop.NewBatch(netloop.BatchDatagrams, netloop.DatagramBytes)
	for {
		busy := false
		for _, s := range sockets {
			n, err := s.Receive(batch)
			if err != nil {
				return err
			}
			w.dropped += batch.Dropped()
			for i := range n {
				p, err := moldudp64.Parse(batch.Payload(i))
				if err != nil {
					return err
				}
				w.see(&p)
			}
			busy = busy || n > 0
		}
		select {
		case <-w.stop:
			if !busy {
				return nil
			}
		default:
		}
		if err := poller.Idle(market.Nanos(time.Now().UnixNano()), busy); err != nil {
			return err
		}
	}
}

func (w *witness) see(p *moldudp64.Packet) {
	end := p.Seq + uint64(p.Count) // no more than Seq for packets without messages
	for p.Count > 0 && uint64(len(w.seen)) < end {
		w.seen = append(w.seen, false)
	}
	for seq := p.Seq; seq < end; seq++ {
		w.seen[seq] = true
	}
}

// lost ends the witness and returns what neither group brought of the messages 1 to sent.
func (w *witness) lost(t *testing.T, sent uint64) (ranges []lostRange, is func(uint64) bool) {
	t.Helper()
	close(w.stop)
	if err := <-w.stopped; err != nil || w.dropped != 0 {
		t.Fatalf("the witness: %v; the kernel dropped %d datagrams", err, w.dropped)
	}
	is = func(seq uint64) bool { return seq >= uint64(len(w.seen)) || !w.seen[seq] }
	for seq := uint64(1); seq <= sent; seq++ {
		if is(seq) {
			ranges = extend(ranges, lostRange{seq, seq + 1})
		}
	}
	return ranges, is
}

// A lostRange is a range [from, to) of sequences.
type lostRange struct{ from, to uint64 }

// extend adds a range behind others, and joins it with the last where they touch.
func extend(ranges []lostRange, r lostRange) []lostRange {
	if n := len(ranges); n > 0 && ranges[n-1].to == r.from {
		ranges[n-1].to = r.to
		return ranges
	}
	return append(ranges, r)
}

// Two groups, each of which loses, repeats and reorders packets: what reaches subscribers lacks what both
// lost and nothing else, and the recording gives the same records again, of every schema.
func TestE2EMulticast(t *testing.T) {
	binary := inNamespace(t)
	if binary == "" {
		return
	}
	t.Run("one line has it", func(t *testing.T) { multicast(t, binary, true) })
	t.Run("both lose some", func(t *testing.T) { multicast(t, binary, false) })
}

func multicast(t *testing.T, binary string, protected bool) {
	dir := t.TempDir()
	g := startAt(t, binary, writeConfig(t, dir,
		fmt.Sprintf("{name: A, address: %q, interface: lo}, {name: B, address: %q, interface: lo}", groupA, groupB),
		`listen: "127.0.0.1:0", slow_after: 1m, limits: {connections_per_second: 100, sessions_per_key: 100}, keys: [{name: one, key: `+keyOne+`}]`,
		"ring: {chunks: 256}\ncapture: {file: lines.pcap}\n"))
	w := startWitness(t)
	begin := watch(t, g.addr, keyOne, false)
	schemas := []dbn.Schema{
		dbn.SchemaMBO, dbn.SchemaMBP1, dbn.SchemaMBP10, dbn.SchemaTrades, dbn.SchemaTBBO, dbn.SchemaBBO1s, dbn.SchemaOHLCV1s,
		dbn.SchemaDefinition, dbn.SchemaStatus, dbn.SchemaImbalance, dbn.SchemaStatistics,
	}
	var stored []<-chan subscriber
	for _, schema := range schemas {
		stored = append(stored, subscribe(t, g.addr, keyOne, schema))
	}
	flags := []string{}
	if protected {
		flags = append(flags, "--protected")
	}
	v := startVenue(t, binary, venueCmd{Seed: 9, Rate: 1600, Speed: "2x", A: groupA, B: groupB, Interface: "lo"}, flags...)
	v.misbehaves()
	v.passes(2000)
	middle := watch(t, g.addr, keyOne, true)
	v.loses()
	if !protected { // what chance may not do
		v.post("/lines/a", map[string]any{"down": true})
		v.post("/lines/b", map[string]any{"down": true})
		v.passes(v.truth().Sent + 100)
		v.post("/lines/a", map[string]any{"down": false})
		v.post("/lines/b", map[string]any{"down": false})
	}
	v.passes(v.truth().Sent + 3000)
	v.trades(50)
	truth := v.pause()
	f := reaches(t, g.url, truth.Sent)
	lost, isLost := w.lost(t, truth.Sent)
	wantGaps(t, f, lost, truth.Sent)
	if protected != (len(lost) == 0) {
		t.Errorf("protected %t, and %v were lost", protected, lost)
	}

	account := v.accountOf(truth.Sent, isLost)
	begin.has(t, "subscriber from the start", account.truth(v.market))
	middle.has(t, "subscriber with a snapshot", account.truth(v.market))
	var whole []int
	for i := range truth.Books {
		if !account.touched[truth.Books[i].Instrument] {
			whole = append(whole, i)
		}
	}
	for _, i := range whole { // what the venue itself says of books that lost nothing
		if _, err := begin.compare(truth.Books[i : i+1]); err != nil {
			t.Error(err)
		}
	}
	if protected && len(whole) != len(truth.Books) {
		t.Errorf("%d of %d books lost nothing, want all", len(whole), len(truth.Books))
	}
	firstLost := uint64(0)
	if len(lost) > 0 {
		firstLost = lost[0].from
	}
	account.wantRecords(t, begin.all(), firstLost)

	events := begin.all()
	awaitIntervalEnd(t, g.addr, "XSIM.ITCH", events[len(events)-1].TsRecv, dbn.SchemaBBO1s, dbn.SchemaOHLCV1s)
	g.signal(syscall.SIGTERM)
	for i, schema := range schemas {
		select {
		case got := <-stored[i]:
			if got.err != io.EOF {
				t.Errorf("%s: the session ended with %v", schema, got.err)
			}
			wantReplay(t, filepath.Join(dir, "lines.pcap"), schema, got.records, "--publisher", "XSIM.ITCH", "--gap-deadline", "1s")
		case <-time.After(patience):
			t.Fatalf("%s: the session goes on", schema)
		}
	}
	if code, rest := g.exit(); code != exitOK || rest != "" {
		t.Errorf("exit %d: %s", code, rest)
	}
}

// wantGaps holds the gateway's account against what was lost.
func wantGaps(t *testing.T, f *admin.FeedReport, lost []lostRange, sent uint64) {
	t.Helper()
	var announced []lostRange
	for _, g := range f.Gaps {
		announced = extend(announced, lostRange{g.From, g.To})
	}
	if !slices.Equal(announced, lost) {
		t.Errorf("announced as lost %v, neither line had %v", announced, lost)
	}
	missing := uint64(0)
	for _, r := range lost {
		missing += r.to - r.from
	}
	if l := &f.Ledger; !f.Balanced || f.Messages+missing != sent || l.GapsAnnounced().Messages != missing || l.GapsDeadline.Messages != missing {
		t.Errorf("of %d messages %d were lost, and %d published; %+v", sent, missing, f.Messages, f.Ledger)
	}
	for _, l := range f.Lines {
		if l.Ledger.Published.Messages == 0 {
			t.Errorf("line %s was never first", l.Name)
		}
		if l.KernelDrops != 0 || l.Truncated != 0 || l.Errors != 0 {
			t.Errorf("line %s: %+v", l.Name, l)
		}
	}
}
