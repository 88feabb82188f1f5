package lsgtest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/klauspost/compress/zstd"

	"tidegate/codec/dbn"
	"tidegate/market"
)

const dataset = "XNAS.ITCH"

func config(mode Mode) Config { return Config{Mode: mode, Dataset: dataset, Key: Key} }

// open connects a double to a gateway that does what serve says.
func open(t *testing.T, cfg Config, serve func(*Session)) (*Double, error) {
	t.Helper()
	d, err := Open(connect(t, Listen(t, nil, serve)), cfg)
	if err == nil {
		t.Cleanup(func() { d.Close() })
	}
	return d, err
}

func connect(t *testing.T, addr string) net.Conn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// stream is metadata and three records, two of them of the gateway.
func stream(tsOut bool) []byte {
	b := Metadata(dataset, tsOut)
	for i := range 3 {
		start := len(b)
		if i == 1 {
			b = dbn.AppendMBO(b, &market.Event{TsEvent: 1, Action: market.Add, Side: market.Ask})
		} else {
			b = (&dbn.System{Header: dbn.Header{TsEvent: market.Nanos(i)}, Text: "Heartbeat"}).Append(b)
		}
		if tsOut {
			b = dbn.AppendTsOut(b, start, 9)
		}
	}
	return b
}

func wantStream(t *testing.T, d *Double) {
	t.Helper()
	if m, err := d.Start(); err != nil || m.Dataset != dataset {
		t.Fatalf("metadata %+v, %v", m, err)
	}
	for i := range 3 {
		r, err := d.Next()
		if err != nil || r.TsEvent != market.Nanos(i) {
			t.Fatalf("record %d: %s at %d, %v", i, r.RType, r.TsEvent, err)
		}
	}
	if _, err := d.Next(); err != io.EOF {
		t.Fatalf("after the last record: %v, want io.EOF", err)
	}
}

// Every double gets through a session with a gateway that does everything right, whatever the
// network cuts.
func TestDoublesAcceptTheProtocol(t *testing.T) {
	for _, mode := range Modes {
		for _, chunk := range []int{0, 1, 777} {
			for _, tsOut := range []bool{false, true} {
				t.Run(fmt.Sprintf("%s, chunks of %d, ts_out %t", mode, chunk, tsOut), func(t *testing.T) {
					cfg := config(mode)
					cfg.TsOut, cfg.ReadMax = tsOut, chunk
					d, err := open(t, cfg, func(s *Session) {
						if s.Authenticate() == nil {
							t.Error("refused")
						}
						s.Line()
						s.Send(stream(tsOut), chunk)
					})
					if err != nil {
						t.Fatal(err)
					}
					if d.SessionID != "5" {
						t.Errorf("session id %q", d.SessionID)
					}
					wantStream(t, d)
				})
			}
		}
	}
}

func TestDoublesAcceptZstd(t *testing.T) {
	for _, mode := range []Mode{CPP, Python, Rust} {
		for _, frames := range []int{1, 2} {
			cfg := config(mode)
			cfg.Zstd, cfg.ReadMax = true, 1
			d, err := open(t, cfg, func(s *Session) {
				if pairs := s.Authenticate(); pairs["compression"] != "zstd" {
					t.Errorf("authentication line has %v", pairs)
				}
				s.Line()
				b := stream(false)
				for _, part := range [][]byte{b[:200], b[200:]}[2-frames:] {
					if frames == 1 {
						part = b
					}
					s.Send(frame(t, part), 0)
				}
			})
			if err != nil {
				t.Fatal(err)
			}
			if mode != Rust || frames == 1 {
				wantStream(t, d)
				continue
			}
			if _, err = d.Start(); err == nil {
				_, err = d.Next()
			}
			if !errors.Is(err, errSecondFrame) {
				t.Errorf("two frames: %v, want %v", err, errSecondFrame)
			}
		}
	}
	if _, err := Open(nil, Config{Mode: DBNGo, Zstd: true}); err == nil {
		t.Error("dbn-go takes zstd")
	}
}

// frame packs b as one frame of two flushed blocks.
func frame(t *testing.T, b []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	z, err := zstd.NewWriter(&packed, zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range [][]byte{b[:len(b)/2], b[len(b)/2:]} {
		if _, err := z.Write(part); err != nil {
			t.Fatal(err)
		}
		if err := z.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return packed.Bytes()
}

func TestOneFrame(t *testing.T) {
	noise := make([]byte, 300<<10) // several blocks, stored as they are
	for i, x := 0, uint32(1); i < len(noise); i++ {
		x = x*1664525 + 1013904223
		noise[i] = byte(x >> 24)
	}
	for name, content := range map[string][]byte{
		"little": []byte("ab"), "noise": noise, "zeros": make([]byte, 300<<10),
	} {
		for _, option := range []zstd.EOption{
			zstd.WithEncoderCRC(true), zstd.WithEncoderCRC(false), zstd.WithSingleSegment(true),
		} {
			z, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), option)
			if err != nil {
				t.Fatal(err)
			}
			for _, one := range [][]byte{z.EncodeAll(content, nil), frame(t, content)} {
				for _, size := range []int{1, 777, 1 << 20} {
					f := &oneFrame{}
					for chunk := range slices.Chunk(one, size) {
						if err := f.follow(chunk); err != nil {
							t.Fatalf("%s in pieces of %d: %v", name, size, err)
						}
					}
					if err := f.follow([]byte{0}); !errors.Is(err, errSecondFrame) {
						t.Errorf("%s in pieces of %d, one byte more: %v, want %v", name, size, err, errSecondFrame)
					}
				}
				for end := range min(len(one), 100) {
					if err := (&oneFrame{}).follow(one[:end]); err != nil {
						t.Errorf("%s, first %d bytes: %v", name, end, err)
					}
				}
			}
		}
	}
	if err := (&oneFrame{}).follow([]byte("DBN\x03\x00")); err == nil {
		t.Error("plain DBN is taken for a frame")
	}
}

// What breaks which client: the traps of the protocol, one row each.
func TestDoublesRefuse(t *testing.T) {
	answer := func(lines ...string) func(*Session) {
		return func(s *Session) { s.Hello(); s.Line(); s.Say(lines...) }
	}
	challenge := "cram=" + Challenge + "\n"
	for _, c := range []struct {
		name  string
		serve func(*Session)
		by    []Mode // the others get through
	}{
		{"greeting in pieces", func(s *Session) {
			s.Say("lsg_version=0.1") // no newline: the rest follows when the client had time to fail
			s.Conn.Read(make([]byte, 1))
		}, []Mode{CPP}},
		{"greeting of another key", func(s *Session) { s.Say("version=1\n" + challenge); s.Line(); s.Say("success=1|session_id=5\n") }, []Mode{Python, DBNGo}},
		{"greeting with a key more", func(s *Session) {
			s.Say("lsg_version=1|zone=a\n" + challenge)
			s.Line()
			s.Say("success=1|session_id=5\n")
		}, []Mode{Python}},
		{"carriage return", func(s *Session) {
			s.Say("lsg_version=1\r\n" + challenge)
			s.Line()
			s.Say("success=1|session_id=5\n")
		}, []Mode{Python}},
		{"challenge not first", func(s *Session) {
			s.Say("lsg_version=1\nzone=a|" + challenge)
			s.Line()
			s.Say("success=1|session_id=5\n")
		}, []Mode{CPP, Python, Rust}},
		{"trailing pipe", answer("success=1|session_id=5|\n"), []Mode{Python}},
		{"a key more", answer("success=1|session_id=1|zone=a\n"), []Mode{Python}},
		{"a word more", answer("success=1|session_id=1|fine\n"), []Mode{CPP, Python}},
		{"session id in words", answer("success=1|session_id=five\n"), []Mode{CPP}},
		{"no success", answer("session_id=5\n"), Modes},
		{"success in words", answer("success=yes|session_id=5\n"), []Mode{CPP, Rust}},
		{"records with the response", answer("success=1|session_id=5\nDBN"), []Mode{Python}},
		{"refusal", answer("success=0|error=unknown key, a=b\n"), Modes},
		{"closed", func(*Session) {}, Modes},
		{"closed in the response", answer("success=1|session"), Modes},
	} {
		for _, mode := range Modes {
			if c.name == "greeting in pieces" && mode != CPP {
				continue // they wait
			}
			_, err := open(t, config(mode), c.serve)
			if refused := err != nil; refused != slices.Contains(c.by, mode) {
				t.Errorf("%s: the %s double got %v", c.name, mode, err)
			}
			var reason RefusedError
			if c.name == "refusal" && (!errors.As(err, &reason) || reason != "unknown key, a=b") {
				t.Errorf("refusal: the %s double shows %v", mode, err)
			}
		}
	}
}

func TestDoublesRefuseStreams(t *testing.T) {
	unknown := dbn.AppendMBO(nil, &market.Event{})
	unknown[1] = 0x77
	version4 := Metadata(dataset, false)
	version4[3] = 4
	whole := stream(false)
	for _, c := range []struct {
		name string
		sent []byte
		by   []Mode
	}{
		{"unknown record type", slices.Concat(Metadata(dataset, false), unknown), []Mode{Python}},
		{"version 4", version4, Modes},
		{"ts_out that nobody asked for", stream(true), Modes},
		{"record without ts_out", slices.Concat(stream(false), stream(true)[128:]), Modes},
		{"half a record", whole[:len(whole)-4], Modes},
		{"nothing", nil, Modes},
	} {
		for _, mode := range Modes {
			d, err := open(t, config(mode), func(s *Session) { s.Authenticate(); s.Line(); s.Send(c.sent, 0) })
			if err != nil {
				t.Fatal(err)
			}
			if _, err = d.Start(); err == nil {
				for err == nil {
					_, err = d.Next()
				}
			}
			if refused := err != io.EOF; refused != slices.Contains(c.by, mode) {
				t.Errorf("%s: the %s double got %v", c.name, mode, err)
			}
		}
	}
}

// The lines that each client sends, in full.
func TestLinesOfDoubles(t *testing.T) {
	all := Config{Dataset: dataset, Key: Key, TsOut: true, HeartbeatSeconds: 10, SlowReader: "warn"}
	for _, c := range []struct {
		mode                   Mode
		plain, full, sub, next string
	}{
		{
			CPP, "encoding=dbn|ts_out=0|compression=none|client=C++ double",
			"encoding=dbn|ts_out=1|compression=none|client=C++ double|heartbeat_interval_s=10|slow_reader_behavior=warn",
			"schema=mbo|stype_in=raw_symbol|id=1|start=5|symbols=A,B|snapshot=0|is_last=1",
			"schema=mbo|stype_in=raw_symbol|id=2|symbols=C|snapshot=1|is_last=1",
		},
		{
			Python, "encoding=dbn|ts_out=0|compression=none|heartbeat_interval_s=30|client=Python double (a=b; c)",
			"encoding=dbn|ts_out=1|compression=none|heartbeat_interval_s=10|slow_reader_behavior=warn|client=Python double (a=b; c)",
			"schema=mbo|stype_in=raw_symbol|symbols=A,B|start=5|snapshot=0|id=0|is_last=1",
			"schema=mbo|stype_in=raw_symbol|symbols=C|snapshot=1|id=1|is_last=1",
		},
		{
			Rust, "encoding=dbn|compression=none|ts_out=0|client=Rust double",
			"encoding=dbn|compression=none|ts_out=1|client=Rust double|heartbeat_interval_s=10|slow_reader_behavior=warn",
			"schema=mbo|stype_in=raw_symbol|symbols=A,B|snapshot=0|is_last=1|start=5|id=1",
			"schema=mbo|stype_in=raw_symbol|symbols=C|snapshot=1|is_last=1|id=2",
		},
		{
			DBNGo, "client=dbn-go double",
			"client=dbn-go double|ts_out=1|heartbeat_interval_s=10",
			"schema=mbo|stype_in=raw_symbol|start=5|symbols=A,B",
			"schema=mbo|stype_in=raw_symbol|snapshot=1|symbols=C",
		},
	} {
		full := all
		full.Mode = c.mode
		for _, auth := range []struct {
			cfg  Config
			want string
		}{{config(c.mode), c.plain}, {full, c.full}} {
			d, err := open(t, auth.cfg, func(s *Session) {
				s.Hello()
				s.Expect("auth=" + Reply + "|dataset=" + dataset + "|" + auth.want)
				s.Say("success=1|session_id=5\n")
				s.Expect(c.sub)
				s.Expect(c.next)
				s.Expect(map[Mode]string{CPP: "start_session", Python: "start_session=0", Rust: "start_session", DBNGo: "start_session="}[c.mode])
				s.Send(stream(auth.cfg.TsOut), 0)
			})
			if err != nil {
				t.Fatal(err)
			}
			err = errors.Join(
				d.Subscribe(Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: []string{"A", "B"}, Start: "5"}),
				d.Subscribe(Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: []string{"C"}, Snapshot: true}),
			)
			if err != nil {
				t.Fatal(err)
			}
			wantStream(t, d)
		}
	}
}

// After a reconnect each client subscribes again in its own way; 1,001 symbols are on three lines.
func TestReconnect(t *testing.T) {
	many := slices.Repeat([]string{"A"}, 1001)
	list := func(n int) string { return strings.TrimSuffix(strings.Repeat("A,", n), ",") }
	// What stands for a line: id, number of symbols, is_last, and a + if it has a start.
	short := func(line string) string {
		p := pairsOf(line)
		plus := ""
		if p["start"] == "0" {
			plus = "+"
		}
		n := strings.Count(p["symbols"], ",") + 1
		if p["symbols"] != list(n) && p["symbols"] != "B" {
			return "symbols " + p["symbols"]
		}
		return fmt.Sprintf("%s:%d:%s%s", p["id"], n, p["is_last"], plus)
	}
	for _, c := range []struct {
		mode          Mode
		before, after string
	}{
		{CPP, "1:500:0+ 1:500:0+ 1:1:1+ 2:1:1", "2:500:0 2:500:0 2:1:1 2:1:1"},
		{Python, "0:500:0+ 0:500:0+ 0:1:1+ 1:1:1", "0:500:1 0:500:1 0:1:1 1:1:1"},
		{Rust, "1:500:0+ 1:500:0+ 1:1:1+ 2:1:1", "1:500:0 1:500:0 1:1:1 2:1:1"},
		{DBNGo, ":1001:+ :1:", ":1001: :1:"},
	} {
		var sessions atomic.Int32 // of this gateway, so far; they are one after the other
		serve := func(s *Session) {
			session := sessions.Add(1)
			want := []string{c.before, c.after, c.after}[session-1]
			s.Authenticate()
			var got []string
			for range strings.Fields(want) {
				got = append(got, short(s.Line()))
			}
			if strings.Join(got, " ") != want {
				t.Errorf("%s sent %q, want %q", c.mode, got, want)
			}
			s.Line()
			b := stream(false)
			b[26]++ // another start: no client minds
			if session == 3 {
				b[42]++ // another limit: one does
			}
			s.Send(b, 0)
		}
		addr := Listen(t, nil, serve)
		d, err := Open(connect(t, addr), config(c.mode))
		if err != nil {
			t.Fatal(err)
		}
		err = errors.Join(
			d.Subscribe(Subscription{Schema: "mbo", STypeIn: "raw_symbol", Symbols: many, Start: "0"}),
			d.Subscribe(Subscription{Schema: "trades", STypeIn: "raw_symbol", Symbols: []string{"B"}}),
		)
		if err != nil {
			t.Fatal(err)
		}
		wantStream(t, d)
		if err := d.Reconnect(connect(t, addr)); err != nil {
			t.Fatal(err)
		}
		wantStream(t, d)
		if err := d.Reconnect(connect(t, addr)); err != nil {
			t.Fatal(err)
		}
		if _, err := d.Start(); (err != nil) != (c.mode == Python) {
			t.Errorf("%s after the metadata changed: %v", c.mode, err)
		}
		d.Close()
	}
}
