package arbiter

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidegate/market"
)

var updateFlag = flag.Bool("update", false, "rewrite the outcomes in testdata")

// TestScenarios plays the stories in testdata. A line is a step, with its outcome after the arrow:
//
//	A 10 x3                 line A delivers messages 10 to 12
//	A hb 13                 a heartbeat: 13 comes next        (A end 13: end of session)
//	A 10 x3 sent=5ms        with a send time other than now   (sent=- for none)
//	A 10 x3 session=S2      of another session than S1
//	A 10 x3 run=1           with the messages that the publisher sent in its first run
//	run 2                   the publisher runs for the second time: its messages have other bytes from now on
//	@7ms A 10 x3            at this time; later steps too, until told otherwise
//	tick                    time passes
//	flush                   the input ends
//	malformed A 40          a packet of 40 bytes that could not be framed
//	gaps                    what Gaps says
//	ledger                  what Ledger says where it is not zero: packets/messages, ranges/messages
//	health A                what Health says
//	config window=2 ...     limits, before the first packet; "untimed": no send times unless told
//
// An outcome is the verdict, then what was published: "A10-12" are messages 10 to 12 as line A brought
// them. Every step checks the ledger.
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) { playScenario(t, file) })
	}
}

func playScenario(t *testing.T, file string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	s := scenario{cfg: DefaultConfig(), now: worldStart, timed: true, run: 1}
	var got strings.Builder
	for n, line := range strings.Split(strings.TrimSuffix(string(text), "\n"), "\n") {
		step, _, _ := strings.Cut(line, "->")
		step = strings.TrimSpace(step)
		if strings.HasPrefix(step, "|") {
			continue // of the outcome
		}
		if step == "" || step[0] == '#' {
			fmt.Fprintln(&got, line)
			continue
		}
		outcome, err := s.step(step)
		if err != nil {
			t.Fatalf("%s:%d: %v", file, n+1, err)
		}
		if s.a != nil {
			checkInvariants(t, s.a)
		}
		switch {
		case outcome == "":
			fmt.Fprintln(&got, step)
		case outcome[0] == '|':
			fmt.Fprintf(&got, "%s\n  %s", step, outcome)
		default:
			fmt.Fprintf(&got, "%-27s -> %s\n", step, outcome)
		}
	}
	if *updateFlag {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want := strings.Split(string(text), "\n")
	for i, line := range strings.Split(got.String(), "\n") {
		if i >= len(want) || line != want[i] {
			t.Errorf("%s:%d: got\n\t%s\nwant\n\t%s", file, i+1, line, want[min(i, len(want)-1)])
		}
	}
}

// scenario is the state of a story. It is the Handler too, and writes down what it is told.
type scenario struct {
	cfg   Config
	a     *Arbiter
	now   market.Nanos
	timed bool
	run   byte // of the publisher: its messages consist of it
	told  []string

	requests RequestConfig // without servers: nothing is asked for
	r        *Requester
}

func (s *scenario) tell(format string, args ...any) {
	s.told = append(s.told, fmt.Sprintf(format, args...))
}

func seqRange(from, to uint64) string {
	if to-from == 1 {
		return strconv.FormatUint(from, 10)
	}
	return fmt.Sprintf("%d-%d", from, to-1)
}

func (s *scenario) OnMessages(p *Packet, skip uint32) {
	s.tell("%v%s", p.Line, seqRange(p.Seq+uint64(skip), p.end()))
}
func (s *scenario) OnGap(g Gap) { s.tell("[lost %s: %v]", seqRange(g.From, g.To), g.Reason) }
func (s *scenario) OnEpoch(e Epoch) {
	s.tell("[epoch %d %v on %v from %d]", e.Number, e.Reason, e.Line, e.From)
}
func (s *scenario) OnEnd(session Session, next uint64) { s.tell("[%v ended at %d]", session, next) }

func (s *scenario) step(text string) (string, error) {
	s.told = nil
	words := strings.Fields(text)
	if at, ok := strings.CutPrefix(words[0], "@"); ok {
		d, err := time.ParseDuration(at)
		if err != nil {
			return "", err
		}
		s.now = worldStart + market.Nanos(d)
		words = words[1:]
	}
	if len(words) == 0 {
		return "", fmt.Errorf("want a step after the time")
	}
	if words[0] == "config" {
		return "", s.config(words[1:])
	}
	if s.a == nil {
		var err error
		if s.a, err = New(s.cfg, s); err != nil {
			return "", err
		}
		if s.requests.Servers > 0 {
			if s.r, err = NewRequester(s.requests, s.a); err != nil {
				return "", err
			}
		}
	}
	switch words[0] {
	case "tick":
		if s.r != nil {
			tickBoth(s.a, s.r, s.now, s.ask)
		} else {
			s.a.OnTick(s.now)
		}
	case "requests":
		ledger := s.r.Ledger()
		return tabulateRequests(&ledger), nil
	case "run":
		n, err := strconv.Atoi(words[1])
		s.run = byte(n)
		return "", err
	case "flush":
		s.a.Flush()
	case "gaps":
		for _, g := range s.a.Gaps(nil) {
			s.tell("%s seen %v by %v", seqRange(g.From, g.To), time.Duration(g.Seen-worldStart), g.Line)
		}
	case "ledger":
		ledger := s.a.Ledger()
		return tabulate(&ledger), nil
	case "health":
		h := s.a.Health(lineOf(words[1]))
		s.tell("epoch %d, at %d", h.Epoch, h.HighWater)
		if h.Behind > 0 {
			s.tell("%d behind since %v", h.Behind, time.Duration(h.BehindSince-worldStart))
		}
		return strings.Join(s.told, ", "), nil
	case "malformed":
		n, err := strconv.Atoi(words[2])
		if err != nil {
			return "", err
		}
		s.a.OnMalformed(lineOf(words[1]), n)
	default:
		return s.packet(words)
	}
	return strings.Join(s.told, " "), nil
}

// ask writes down what is asked for.
func (s *scenario) ask(at market.Nanos) {
	for q, ok := s.r.Next(at); ok; q, ok = s.r.Next(at) {
		text := fmt.Sprintf("[ask %d for %s", q.Server, seqRange(q.Seq, q.Seq+uint64(q.Count)))
		if at != s.now {
			text += " at " + time.Duration(at-worldStart).String()
		}
		s.told = append(s.told, text+"]")
	}
}

func lineOf(word string) LineID {
	return LineID(strings.Index("ABCDEFGR", word))
}

func (s *scenario) config(words []string) error {
	for _, word := range words {
		name, value, _ := strings.Cut(word, "=")
		n, _ := strconv.ParseUint(value, 10, 64)
		switch name {
		case "untimed":
			s.timed = false
		case "session":
			s.cfg.Session = SessionOf([]byte(value))
		case "deadline":
			d, err := time.ParseDuration(value)
			if err != nil {
				return err
			}
			s.cfg.GapDeadline = market.Nanos(d)
		case "window":
			s.cfg.WindowPacketsMax = int(n)
		case "bytes":
			s.cfg.PacketBytesMax = int(n)
		case "join":
			s.cfg.JoinGapMax = n
		case "jump":
			s.cfg.JumpMax = n
		case "fallback":
			s.cfg.FallBackMax = n
		default:
			if err := s.requestConfig(name, value, n); err != nil {
				return err
			}
		}
	}
	return nil
}

// requestConfig sets a limit of a Requester. The servers come first.
func (s *scenario) requestConfig(name, value string, n uint64) (err error) {
	c := &s.requests
	var d time.Duration
	switch name {
	case "after", "timeout", "rest", "restmax":
		if d, err = time.ParseDuration(value); err != nil {
			return err
		}
	}
	switch name {
	case "servers":
		*c = DefaultRequestConfig(int(n))
	case "after":
		c.RequestAfter = market.Nanos(d)
	case "timeout":
		c.Timeout = market.Nanos(d)
	case "rest":
		c.RestMin = market.Nanos(d)
	case "restmax":
		c.RestMax = market.Nanos(d)
	case "messages":
		c.MessagesMax = uint32(n)
	case "inflight":
		c.InFlightMax = int(n)
	case "gap":
		c.GapMax = n
	case "rps":
		c.RequestsPerSecond = int(n)
	case "mps":
		c.MessagesPerSecond = int(n)
	case "failures":
		c.FailuresMax = int(n)
	default:
		return fmt.Errorf("config %q: no such limit", name)
	}
	return nil
}

// packet hands in a packet. Every message is one byte.
func (s *scenario) packet(words []string) (string, error) {
	p := Packet{Line: lineOf(words[0]), TsRecv: s.now, TsSend: market.UndefTime, Session: SessionOf([]byte("S1"))}
	if s.timed {
		p.TsSend = s.now
	}
	run := s.run
	for _, word := range words[1:] {
		name, value, option := strings.Cut(word, "=")
		switch {
		case option && name == "run":
			n, err := strconv.Atoi(value)
			if err != nil {
				return "", err
			}
			run = byte(n)
		case word == "hb":
			p.Kind = Heartbeat
		case word == "end":
			p.Kind = End
		case option && name == "session":
			p.Session = SessionOf([]byte(value))
		case option && name == "sent" && value == "-":
			p.TsSend = market.UndefTime
		case option && name == "sent":
			d, err := time.ParseDuration(value)
			if err != nil {
				return "", err
			}
			p.TsSend = worldStart + market.Nanos(d)
		case word[0] == 'x':
			n, err := strconv.ParseUint(word[1:], 10, 32)
			if err != nil {
				return "", err
			}
			p.Count, p.Messages = uint32(n), make([]byte, n)
		default:
			seq, err := strconv.ParseUint(word, 10, 64)
			if err != nil {
				return "", fmt.Errorf("step %q: %w", strings.Join(words, " "), err)
			}
			p.Seq = seq
		}
	}
	for i := range p.Messages {
		p.Messages[i] = run
	}
	var verdict string
	switch {
	case s.r == nil:
		verdict = s.a.OnPacket(&p).String()
	case p.Line == LineR:
		verdict = s.r.OnPacket(&p).String()
		s.ask(s.now)
	default:
		verdict = s.a.OnPacket(&p).String()
		s.ask(s.now)
	}
	if len(s.told) > 0 {
		verdict += ": " + strings.Join(s.told, " ")
	}
	return verdict, nil
}
