package replay_test

import (
	"context"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/gateway/replay"
)

// formats returns one market in every form that can be replayed.
func formats(t testing.TB) map[string][]byte {
	t.Helper()
	files, _ := captures(t, smallFeed(1))
	a := files[0]
	out := write(t, "out.dbn", nil)
	mustReplay(t, replay.Options{Paths: []string{write(t, "a.pcap", a)}, Out: out, Schema: dbn.SchemaMBO})
	mbo, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	itch := itchOf(t, a)
	return map[string][]byte{
		"pcap":   a,
		"pcapng": pcapngOf(t, false, recordsOf(t, a)...),
		"itch":   itch,
		"dbn":    mbo,
	}
}

// compressed returns every format plain, as gzip and as zstd.
func compressed(t testing.TB) map[string][]byte {
	t.Helper()
	all := make(map[string][]byte)
	for name, b := range formats(t) {
		all[name], all[name+".gz"], all[name+".zst"] = b, gz(t, b), zst(t, b)
	}
	return all
}

// The formats tell the same story, whatever they are wrapped in.
func TestFormatsAgree(t *testing.T) {
	var books, streams []string
	for name, b := range compressed(t) {
		c := replayFiles(t, b).Summary.Channels[0]
		books = append(books, c.Books.Hash)
		if !strings.HasPrefix(name, "itch") && !strings.HasPrefix(name, "dbn") { // another publisher's day
			streams = append(streams, c.StreamHash)
		}
		if c.Books.Quoted != 3 {
			t.Errorf("%s: %d books, want 3", name, c.Books.Quoted)
		}
	}
	slices.Sort(books)
	slices.Sort(streams)
	if len(slices.Compact(books)) != 1 || len(slices.Compact(streams)) != 1 {
		t.Errorf("books %v, streams %v: want one of each", books, streams)
	}
}

// wholePcap returns how many records lie completely in the first n bytes, and whether n ends one.
func wholePcap(b []byte, n int) (records uint64, atEnd bool) {
	at := 24
	for at < n && at+16 <= len(b) {
		size := 16 + int(binary.LittleEndian.Uint32(b[at+8:]))
		if at+size > n {
			return records, false
		}
		at += size
		records++
	}
	return records, at == n
}

// A file without a byte is told from one that is something else, compressed or not.
func TestEmptyInput(t *testing.T) {
	for _, b := range [][]byte{nil, gz(t, nil), zst(t, nil)} {
		if b == nil {
			b = []byte{}
		}
		_, err := replay.Run(context.Background(), replay.Options{Paths: []string{write(t, "empty", b)}})
		if err == nil || !strings.HasSuffix(err.Error(), "empty: file is empty") {
			t.Errorf("%d bytes: %v", len(b), err)
		}
	}
}

// A capture cut at any byte gives its whole records, and a fault that says so.
func TestCutCapture(t *testing.T) {
	b := formats(t)["pcap"]
	random := rand.New(rand.NewPCG(1, 2))
	positions := []int{24, 25, 39, 40, 41, len(b) - 1, len(b)}
	for range 60 {
		positions = append(positions, 24+random.IntN(len(b)-24))
	}
	for end, records := 24, 0; records < 20; records++ { // around the ends of records
		end += 16 + int(binary.LittleEndian.Uint32(b[end+8:]))
		positions = append(positions, end-1, end, end+1)
	}
	for _, n := range positions {
		path := write(t, "cut.pcap", b[:n])
		result, err := replay.Run(context.Background(), replay.Options{Paths: []string{path}})
		want, whole := wholePcap(b, n)
		if want == 0 {
			if err == nil || !strings.Contains(err.Error(), "nothing to replay") {
				t.Errorf("cut at %d, no record: %v", n, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("cut at %d: %v", n, err)
		}
		wantBalanced(t, result, false)
		in := &result.Summary.Inputs[0]
		if in.Items != want || (in.Fault == "") != whole {
			t.Errorf("cut at %d: %d datagrams, fault %q; want %d, whole %t", n, in.Items, in.Fault, want, whole)
		}
		if !whole && (!strings.Contains(in.Fault, "is cut") || result.Summary.Imperfect == 0) {
			t.Errorf("cut at %d: fault %q, imperfect %d", n, in.Fault, result.Summary.Imperfect)
		}
	}
	for n := range 24 { // in the file header
		_, err := replay.Run(context.Background(), replay.Options{Paths: []string{write(t, "cut.pcap", b[:n])}})
		if err == nil || !strings.Contains(err.Error(), "cut.pcap") {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
}

// Any format cut anywhere gives an error, or a fault unless the cut falls between two items, and
// never more than the whole file has.
func TestCutAnywhere(t *testing.T) {
	for name, b := range compressed(t) {
		t.Run(name, func(t *testing.T) {
			whole := replayFiles(t, b).Summary.Messages
			random := rand.New(rand.NewPCG(3, uint64(len(b))))
			cuts := []int{1, 2, 3, 4, 8, 10, 18, 32, 100, len(b) - 8, len(b) - 3, len(b) - 1}
			for range 12 {
				cuts = append(cuts, random.IntN(len(b)))
			}
			for _, n := range cuts {
				result, err := replay.Run(context.Background(), replay.Options{Paths: []string{write(t, "cut", b[:n])}})
				if err != nil {
					if !strings.Contains(err.Error(), "cut: ") {
						t.Errorf("cut at %d: %v: want the file's name", n, err)
					}
					continue
				}
				wantBalanced(t, result, false)
				s := &result.Summary
				if s.Messages > whole {
					t.Errorf("cut at %d: %d messages of %d", n, s.Messages, whole)
				}
				// Only an uncompressed capture or DBN file can end between two items and look whole.
				maybeWhole := name == "pcap" || name == "pcapng" || name == "dbn"
				if in := s.Inputs[0]; s.Messages < whole && in.Fault == "" && len(in.Notes) == 0 && !maybeWhole {
					t.Errorf("cut at %d: %d of %d messages and not a word", n, s.Messages, whole)
				}
			}
		})
	}
}

// Damaged bits lead to an error, a fault, or counted verdicts.
func TestFlippedBits(t *testing.T) {
	for name, b := range compressed(t) {
		t.Run(name, func(t *testing.T) {
			for seed := range uint64(30) {
				random := rand.New(rand.NewPCG(seed, 7))
				damaged := slices.Clone(b)
				for range 1 + random.IntN(40) {
					damaged[random.IntN(len(damaged))] ^= 1 << random.IntN(8)
				}
				out := write(t, "out.dbn", nil)
				result, err := replay.Run(context.Background(), replay.Options{
					Paths: []string{write(t, "damaged", damaged)}, Out: out, Schema: dbn.SchemaMBP10,
				})
				if err != nil {
					if !strings.Contains(err.Error(), "damaged") {
						t.Errorf("seed %d: %v: want the file's name", seed, err)
					}
					continue
				}
				wantBalanced(t, result, false)
				mustReplay(t, replay.Options{Paths: []string{out}}) // whatever was written can be read
				if t.Failed() {
					t.Fatalf("repeat: seed %d of %s", seed, name)
				}
			}
		})
	}
}

func TestWrongInputs(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 9))
	noise := make([]byte, 5000)
	for i := range noise {
		noise[i] = byte(random.Uint32())
	}
	noise[0] = 'x' // no magic number of anything
	good := write(t, "good.pcap", formats(t)["pcap"])
	zero := formats(t)["itch"]
	for at := 0; at+2 < len(zero); {
		n := int(binary.BigEndian.Uint16(zero[at:]))
		zero[at], zero[at+1] = 0, 0
		at += 2 + n
	}
	unknown := pcapOf(t, record{noon, groupA, []byte("GET / HTTP/1.1")}, record{noon, groupA, noise[:300]})
	tcp := pcapOf(t, record{noon, groupA, noise[:100]})
	tcp[24+16+14+9] = 6 // the protocol field of the IPv4 header
	for _, c := range []struct {
		name string
		path string
		want []string
	}{
		{"missing", "/nonexistent/x.pcap", []string{"open /nonexistent/x.pcap", "no such file"}},
		{"directory", t.TempDir(), []string{"is a directory"}},
		{"empty", write(t, "empty", nil), []string{"empty", "file is empty"}},
		{"text", write(t, "notes.txt", []byte("To whom it may concern\n")), []string{"notes.txt", "neither a capture", "nor an ITCH 5.0 file", "nor a DBN file"}},
		{"picture", write(t, "x.png", append([]byte("\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"), noise...)), []string{"x.png", "neither a capture"}},
		{"noise", write(t, "noise", noise), []string{"noise", "neither a capture"}},
		{"compressed noise", write(t, "noise.gz", gz(t, noise)), []string{"noise.gz", "neither a capture"}},
		{"compressed nothing", write(t, "nothing.zst", zst(t, nil)), []string{"nothing.zst"}},
		{"gzip magic alone", write(t, "magic.gz", []byte{0x1f, 0x8b}), []string{"magic.gz", "cut"}},
		{"corrupt gzip", write(t, "corrupt.gz", append([]byte{0x1f, 0x8b, 8, 0, 0, 0, 0, 0, 0, 0}, noise...)), []string{"corrupt.gz", "corrupt"}},
		{"DBN of the future", write(t, "new.dbn", append([]byte("DBN\xff"), noise...)), []string{"new.dbn", "version"}},
		{"zero lengths", write(t, "zero.itch", zero), []string{"zero.itch", "length fields are zero"}},
		{"unknown protocol", write(t, "http.pcap", unknown), []string{"http.pcap", "nothing to replay"}},
		{"TCP", write(t, "tcp.pcap", tcp), []string{"tcp.pcap", "nothing to replay"}},
	} {
		for _, paths := range [][]string{{c.path}, {good, c.path}} {
			result, err := replay.Run(context.Background(), replay.Options{Paths: paths})
			if len(paths) == 2 && err == nil && (c.name == "unknown protocol" || c.name == "TCP") {
				wantBalanced(t, result, false) // a foreign capture beside a good one is counted
				if in := result.Summary.Inputs[1]; result.Summary.Unrecognised+in.Frames.NotUDP == 0 {
					t.Errorf("%s: nothing counted", c.name)
				}
				continue
			}
			if err == nil {
				t.Errorf("%s: no error", c.name)
				continue
			}
			for _, want := range c.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%s: %v: want %q in it", c.name, err, want)
				}
			}
		}
	}
	if _, err := replay.Run(context.Background(), replay.Options{}); err == nil {
		t.Error("no input: no error")
	}
}

// With the typed lengths asked for, the file without lengths is the file with them. Nothing else is
// read differently.
func TestTypedLengths(t *testing.T) {
	all := formats(t)
	want := replayFiles(t, all["itch"]).Summary.Channels[0].StreamHash
	zero := slices.Clone(all["itch"])
	for at := 0; at+2 < len(zero); {
		n := int(binary.BigEndian.Uint16(zero[at:]))
		zero[at], zero[at+1] = 0, 0
		at += 2 + n
	}
	for name, b := range map[string][]byte{"zero lengths": zero[:len(zero)-2], "lengths": all["itch"][:len(zero)-2]} {
		result := mustReplay(t, replay.Options{Paths: []string{write(t, "x.itch", b)}, TypedLengths: true})
		if got := result.Summary.Channels[0].StreamHash; got != want || result.Summary.Inputs[0].Fault != "" {
			t.Errorf("%s: stream %s, fault %q; want %s", name, got, result.Summary.Inputs[0].Fault, want)
		}
	}
	result := mustReplay(t, replay.Options{Paths: []string{write(t, "a.pcap", all["pcap"])}, TypedLengths: true})
	if kind := result.Summary.Inputs[0].Kind; kind != "capture" {
		t.Errorf("a capture is read as %s", kind)
	}
}
