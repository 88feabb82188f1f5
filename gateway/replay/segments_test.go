package replay_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/codec/pcap"
	"tidegate/gateway/recorded"
	"tidegate/gateway/replay"
	"tidegate/market"
	recorder "tidegate/sinks/capture"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// segment records what a pcap file has to a directory of segments, as a gateway does.
func segment(t testing.TB, dir string, file []byte) {
	t.Helper()
	r, err := recorder.Create(recorder.Config{Dir: dir, QueueBytes: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	in, err := pcap.NewReader(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	var d pcap.Datagram
	for err = in.Next(&d); err == nil; err = in.Next(&d) {
		r.Tap(d.Dst, d.Src, d.TsRecv, d.Payload)
	}
	if err != io.EOF {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := r.Run(ctx); err != nil {
		t.Fatal(err)
	}
}

// session is a recording of some messages about one order each.
func session(t *testing.T, from, messages int) []byte {
	t.Helper()
	var records []record
	for i := range messages {
		records = append(records, record{
			noon + market.Nanos(i+1)*market.Millisecond, groupA,
			mold("ONE", uint64(i+1), itchAdd(uint64(from+i), 100, 10_0000)),
		})
	}
	return pcapOf(t, recordingOf(t, layoutOf("a"), records...)...)
}

// mboOf returns the records of a replay.
func mboOf(t *testing.T, o replay.Options) ([]byte, *replay.Result) {
	t.Helper()
	var out bytes.Buffer
	o.Out, o.To, o.Schema = "out", &out, dbn.SchemaMBO
	result := mustReplay(t, o)
	return outputOf(t, out.Bytes()), result
}

// Each start of the gateway is a recording of its own, and gives what a file of it gives.
func TestSegmentsOfSeveralStarts(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "capture")
	for n := range 3 {
		segment(t, dir, session(t, 1+100*n, 20+n))
	}
	for _, epoch := range []uint64{0, 1, 2, 3} {
		n := int(epoch+2) % 3
		want, _ := mboOf(t, replay.Options{Paths: []string{write(t, "one.pcap", session(t, 1+100*n, 20+n))}})
		got, result := mboOf(t, replay.Options{Paths: []string{dir}, Epoch: epoch})
		if !bytes.Equal(got, want) || len(want) != 56*(20+n) {
			t.Errorf("epoch %d: %d bytes, want %d", epoch, len(got), len(want))
		}
		in := result.Summary.Inputs[0]
		if in.Compression != "segments" || in.Bytes == 0 || in.Items != uint64(21+n) || len(in.Notes) != 1 || !strings.HasSuffix(in.Notes[0], " of 1 to 3") {
			t.Errorf("epoch %d: %+v", epoch, in)
		}
	}
	if _, err := replay.Run(t.Context(), replay.Options{Paths: []string{dir}, Epoch: 4}); !errors.Is(err, replay.ErrNoEpoch) || !strings.Contains(err.Error(), "there are 1 to 3") {
		t.Errorf("epoch 4: %v", err)
	}
	if _, err := replay.Run(t.Context(), replay.Options{Paths: []string{write(t, "x.pcap", session(t, 1, 1))}, Epoch: 1}); err == nil || !strings.Contains(err.Error(), "no input is a directory of segments") {
		t.Errorf("an epoch of a file: %v", err)
	}
}

// Where retention has removed the beginning, the replay begins at the first head.
func TestSegmentsWithoutBeginning(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "capture")
	layout, err := recorded.Append(layoutOf("a"))
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(journal.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	put := func(kind uint8, r record) {
		d := entry.Datagram{Src: r.to, Dst: r.to, Payload: r.payload}
		j.Append(journal.Header{At: r.at, Kind: kind}, d.Append(nil))
	}
	message := func(i int) record {
		return record{noon + market.Nanos(i)*market.Millisecond, groupA, mold("ONE", uint64(i), itchAdd(uint64(i), 100, 10_0000))}
	}
	put(entry.KindDatagram, message(1)) // nobody knows what came before
	put(entry.KindHead, input(layout[0]))
	put(entry.KindDatagram, message(2))
	put(entry.KindHead, input(layout[0])) // says nothing new
	put(entry.KindDatagram, message(3))
	j.Append(journal.Header{At: noon}, make([]byte, journal.PayloadMax+1))
	if err := j.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	got, result := mboOf(t, replay.Options{Paths: []string{dir}})
	in := result.Summary.Inputs[0]
	if len(got) != 2*56 || in.Items != 3 || len(in.Notes) != 1 || !strings.Contains(in.Notes[0], "1 datagrams later") || in.Dropped != 1 {
		t.Errorf("%d bytes, %+v", len(got), in)
	}
	if faults := result.Summary.FaultList(); !strings.Contains(strings.Join(faults, ", "), "inputs that were not recorded") {
		t.Errorf("faults %v", faults)
	}
}

// What is no capture says what it is.
func TestDirectoriesThatAreNoCapture(t *testing.T) {
	empty, published, newer := t.TempDir(), t.TempDir(), t.TempDir()
	for dir, e := range map[string]journal.Header{published: {At: 1, Kind: entry.KindRecord}, newer: {At: 1, Kind: entry.KindStart}} {
		j, err := journal.Open(journal.Config{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		j.Append(e, []byte{9})
		if err := j.Close(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	for dir, want := range map[string]string{empty: "is a directory, but not one of the segments", published: replay.ErrNotCapture.Error(), newer: "version 09, and this program knows 1"} {
		if _, err := replay.Run(t.Context(), replay.Options{Paths: []string{dir}}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A segment that is damaged costs what was in it, and nothing else.
func TestDamagedSegment(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "capture")
	segment(t, dir, session(t, 1, 5))
	all, err := filepath.Glob(filepath.Join(dir, "*.tgj"))
	if err != nil || len(all) != 1 {
		t.Fatal(all, err)
	}
	b, err := os.ReadFile(all[0])
	if err != nil {
		t.Fatal(err)
	}
	b[700] ^= 1
	if err := os.WriteFile(all[0], b, 0o600); err != nil {
		t.Fatal(err)
	}
	_, err = replay.Run(t.Context(), replay.Options{Paths: []string{dir}})
	if !errors.Is(err, replay.ErrNothing) {
		t.Errorf("got %v: the only batch is damaged", err)
	}
}
