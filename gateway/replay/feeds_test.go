package replay_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"net/netip"
	"os"
	"path/filepath"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/codec/pcap"
	"tidegate/gateway/replay"
	"tidegate/internal/venue"
	"tidegate/market"
)

// smallFeed is a market of three seconds in small packets, on two lines without losses.
func smallFeed(seed uint64) venue.FeedConfig {
	cfg := venue.DefaultFeedConfig(seed)
	cfg.Market.PreOpen, cfg.Market.Trading = market.Second, 2*market.Second
	cfg.Market.Listings, cfg.Market.Halts = venue.Listings(3), nil
	cfg.Market.Rate = 400
	cfg.Sender.MessagesMax = 4
	for i := range cfg.Lines {
		cfg.Lines[i].Impairment = venue.Impairment{}
	}
	return cfg
}

// captures runs a feed into one pcap per line, in memory.
func captures(t testing.TB, cfg venue.FeedConfig) ([][]byte, venue.Truth) {
	t.Helper()
	buffers := make([]bytes.Buffer, len(cfg.Lines))
	writers := make([]venue.CaptureWriter, len(cfg.Lines))
	for i := range buffers {
		w, err := pcap.NewWriter(&buffers[i])
		if err != nil {
			t.Fatal(err)
		}
		writers[i] = w
	}
	truth, err := venue.WriteCaptures(cfg, writers...)
	if err != nil {
		t.Fatal(err)
	}
	files := make([][]byte, len(buffers))
	for i := range buffers {
		files[i] = buffers[i].Bytes()
	}
	return files, truth
}

// A record is one datagram of a capture that a test puts together.
type record struct {
	at      market.Nanos
	to      netip.AddrPort
	payload []byte
}

var (
	sender = netip.MustParseAddrPort("192.0.2.1:26400")
	groupA = netip.MustParseAddrPort("233.252.0.1:26400")
	groupB = netip.MustParseAddrPort("233.252.0.2:26400")
)

// noon is a time of the trading day that tests put messages at.
const noon = 1_767_589_200*market.Second + 12*market.Hour

func pcapOf(t testing.TB, records ...record) []byte {
	t.Helper()
	var b bytes.Buffer
	w, err := pcap.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range records {
		if err := w.Write(r.at, sender, r.to, r.payload); err != nil {
			t.Fatal(err)
		}
	}
	return b.Bytes()
}

// recordsOf takes a capture apart again.
func recordsOf(t testing.TB, file []byte) (records []record) {
	t.Helper()
	r, err := pcap.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	for {
		var d pcap.Datagram
		if err := r.Next(&d); err != nil {
			return records
		}
		records = append(records, record{d.TsRecv, d.Dst, bytes.Clone(d.Payload)})
	}
}

// pcapngOf writes records as pcapng: enhanced packets in nanoseconds, or, untimed, simple packets.
func pcapngOf(t testing.TB, untimed bool, records ...record) []byte {
	t.Helper()
	le := binary.LittleEndian
	block := func(b []byte, kind uint32, body []byte) []byte {
		for len(body)%4 != 0 {
			body = append(body, 0)
		}
		n := uint32(12 + len(body))
		b = le.AppendUint32(le.AppendUint32(b, kind), n)
		return le.AppendUint32(append(b, body...), n)
	}
	b := block(nil, 0x0a0d0d0a, []byte{0x4d, 0x3c, 0x2b, 0x1a, 1, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255})
	b = block(b, 1, []byte{1, 0, 0, 0, 0, 0, 4, 0, 9, 0, 1, 0, 9, 0, 0, 0, 0, 0, 0, 0}) // Ethernet, if_tsresol 9
	const fileHeader, recordHeader = 24, 16
	for _, r := range records {
		frame := pcapOf(t, record{1, r.to, r.payload})[fileHeader+recordHeader:]
		var body []byte
		if !untimed {
			body = le.AppendUint32(body, 0)
			body = le.AppendUint32(body, uint32(r.at>>32))
			body = le.AppendUint32(body, uint32(r.at))
			body = le.AppendUint32(body, uint32(len(frame)))
		}
		body = append(le.AppendUint32(body, uint32(len(frame))), frame...)
		if untimed {
			b = block(b, 3, body)
		} else {
			b = block(b, 6, body)
		}
	}
	return b
}

// itchOf returns the messages of a capture as an ITCH file.
func itchOf(t testing.TB, file []byte) (b []byte) {
	t.Helper()
	for _, r := range recordsOf(t, file) {
		p, err := moldudp64.Parse(r.payload)
		if err != nil {
			t.Fatal(err)
		}
		b = append(b, p.Messages...)
	}
	return itch50.AppendEnd(b)
}

// mold returns a MoldUDP64 packet of one session with the messages as they are.
func mold(session string, seq uint64, messages ...[]byte) []byte {
	b := append([]byte(nil), (session + "          ")[:10]...)
	b = binary.BigEndian.AppendUint64(b, seq)
	b = binary.BigEndian.AppendUint16(b, uint16(len(messages)))
	for _, m := range messages {
		b = binary.BigEndian.AppendUint16(b, uint16(len(m)))
		b = append(b, m...)
	}
	return b
}

func gz(t testing.TB, b []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	w := gzip.NewWriter(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func zst(t testing.TB, b []byte) []byte {
	t.Helper()
	w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll(b, nil)
}

// write puts a file into a directory of the test.
func write(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// replayFiles replays files with these contents and checks the books.
func replayFiles(t testing.TB, files ...[]byte) *replay.Result {
	t.Helper()
	var opt replay.Options
	for _, f := range files {
		opt.Paths = append(opt.Paths, write(t, "input", f))
	}
	result, err := replay.Run(context.Background(), opt)
	if err != nil {
		t.Fatal(err)
	}
	wantBalanced(t, result, false)
	return result
}

// wantBalanced checks that nothing got lost on the way: each frame, datagram, packet and message is
// in one account.
func wantBalanced(t testing.TB, result *replay.Result, stopped bool) {
	t.Helper()
	s := &result.Summary
	var datagrams, packets uint64
	for _, in := range s.Inputs {
		if in.Kind != "capture" {
			continue
		}
		datagrams += in.Items
		if in.Frames.Frames != in.Frames.Datagrams+in.Frames.Skipped() {
			t.Errorf("%s: frames %+v: do not add up", in.Path, in.Frames)
		}
		// A replay that was stopped may have one in hand.
		if in.Items != in.Frames.Datagrams && (!stopped || in.Items+1 != in.Frames.Datagrams) {
			t.Errorf("%s: %d of %d datagrams were used", in.Path, in.Items, in.Frames.Datagrams)
		}
	}
	for i := range s.Channels {
		c := &s.Channels[i]
		if err := result.Channels[i].Pipeline.Balanced(); err != nil || !c.Balanced {
			t.Errorf("channel %s: %v", c.Name, err)
		}
		var verdicts uint64
		for _, n := range c.Verdicts {
			verdicts += n
		}
		if verdicts != c.Messages {
			t.Errorf("channel %s: %d verdicts on %d messages", c.Name, verdicts, c.Messages)
		}
		if c.Ledger == nil {
			continue
		}
		sum := c.Ledger.Channel()
		packets += sum.Received.Packets
		if sum.Held.Packets+sum.Suspect.Packets != 0 {
			t.Errorf("channel %s: %d packets are still held", c.Name, sum.Held.Packets+sum.Suspect.Packets)
		}
	}
	if s.Recorded != nil {
		packets += s.Recorded.Total()
	}
	if datagrams != packets+s.Unrecognised {
		t.Errorf("%d datagrams were read; %d went to channels, %d were unrecognised", datagrams, packets, s.Unrecognised)
	}
}
