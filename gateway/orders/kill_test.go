package orders_test

import (
	"bufio"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"tidegate/book/match"
	"tidegate/book/match/matchtest"
	"tidegate/gateway/orders"
	"tidegate/gateway/orders/orderstest"
	"tidegate/market"
	"tidegate/sinks/journal"
)

var rounds = flag.Int("rounds", 4, "how often TestKill kills a gate")

// killChild is set for a process that is to be killed.
const killChild = "TIDEGATE_ORDERS_CHILD"

// A world is what the parent knows over all rounds.
type world struct {
	cfg   orders.Config
	plain *orderstest.Plain
	next  uint64 // entry
	want  []orders.Report
	by    map[orders.SessionID][]orders.Report // what the twin says that sessions are told
	acked map[orders.SessionID][]orders.Report // what they have read
	// compared is how much of that was compared in earlier rounds.
	compared map[orders.SessionID]int
}

// A gate is killed again and again while sessions trade. After each time, the state is the plain twin's over the
// log; whatever a session has read is what the twin says; a session goes on with exactly what it missed; and
// every trade has two sides and a number that comes once.
func TestKill(t *testing.T) {
	if os.Getenv(killChild) != "" {
		child(t)
		return
	}
	for _, c := range []struct {
		loops   int
		relaxed bool // what sessions have read, a kill may take back; nothing else
	}{{0, false}, {2, false}, {1, true}} {
		loops := c.loops
		t.Run(fmt.Sprintf("%d loops relaxed %t", loops, c.relaxed), func(t *testing.T) {
			cfg := killConfig(t.TempDir(), loops)
			cfg.Relaxed = c.relaxed
			w := &world{
				cfg: cfg, next: 1, by: map[orders.SessionID][]orders.Report{}, acked: map[orders.SessionID][]orders.Report{},
				compared: map[orders.SessionID]int{},
				plain:    orderstest.NewPlain(orders.CoreConfig{Engine: cfg.Engine, Engines: max(1, loops), IDsMax: cfg.IDsMax}),
			}
			for round := range (*rounds + 2) / 3 {
				w.kill(t, loops, round)
				w.check(t)
				if t.Failed() {
					t.Fatalf("in round %d", round)
				}
			}
			conserve(t, w.want)
			read := 0
			for _, all := range w.acked {
				read += len(all)
			}
			g := openGate(t, cfg)
			checkStreams(t, g, w.by, 1<<40)
			closeGate(t, g)
			if read == 0 {
				t.Error("nobody has read anything")
			}
			t.Logf("%d entries, %d reports, %d read before a kill", w.next-1, len(w.want), read)
		})
	}
}

// killConfig is small: the twin looks at all there is for each entry.
func killConfig(dir string, loops int) orders.Config {
	c := testConfig(dir, loops)
	c.IDsMax = 400
	for i := range c.Accounts {
		c.Accounts[i].OrdersMax = 40
	}
	return c
}

// kill runs a gate in a process, and kills it at some time.
func (w *world) kill(t *testing.T, loops, round int) {
	cmd := exec.Command(os.Args[0], "-test.run=^TestKill$")
	args := []string{w.cfg.Dir, strconv.Itoa(loops), strconv.Itoa(round), strconv.FormatBool(w.cfg.Relaxed)}
	for id := range orders.SessionID(4) {
		args = append(args, strconv.Itoa(len(w.acked[id+1])+1))
	}
	cmd.Env = append(os.Environ(), killChild+"="+strings.Join(args, "|"))
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReaderSize(out, 1<<20)
	if line, err := in.ReadString('\n'); line != "ready\n" {
		t.Fatalf("the child says %q, %v", line, err)
	}
	frame := make([]byte, orders.ReportLen)
	for n := 0; ; n++ {
		if n == 1 { // it works
			time.AfterFunc(time.Duration(rand.IntN(150))*time.Millisecond, func() { _ = cmd.Process.Kill() })
		}
		if _, err := io.ReadFull(in, frame); err != nil {
			break // what was cut off, nobody has read
		}
		var r orders.Report
		if err := r.UnmarshalBinary(frame); err != nil {
			t.Fatal(err)
		}
		w.acked[r.To] = append(w.acked[r.To], r)
	}
	_ = cmd.Wait()
}

// check opens what was left, and compares.
func (w *world) check(t *testing.T) {
	cfg := w.cfg
	cfg.Notify = func(text string, alarm bool) {
		if alarm {
			t.Errorf("alarm: %s", text)
		}
	}
	g, err := orders.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	r, err := journal.OpenReader(w.cfg.LogDir())
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := r.SeekIndex(w.next); err != nil {
		t.Fatal(err)
	}
	var hash, index uint64
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		w.follow(t, r)
		var ok bool
		if hash, index, ok = g.Hash(); ok && index == w.next-1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the replica is at %d, the log at %d", index, w.next-1)
		}
	}
	if want := hashOf(w.plain.Words()); hash != want {
		t.Fatalf("state hash %x as of entry %d, the twin's is %x", hash, index, want)
	}
	for id, got := range w.acked {
		if w.cfg.Relaxed {
			w.acked[id] = slices.Clone(w.by[id])
			continue
		}
		from := min(w.compared[id], len(got)) // what was right before is right
		w.compared[id] = len(got)
		if all := w.by[id]; len(got) > len(all) || !slices.Equal(got[from:], all[from:len(got)]) {
			t.Fatalf("session %d has read %d reports; the twin makes %d, and they differ", id, len(got), len(all))
		}
	}
	checkStreams(t, g, w.by, 3000)
	closeGate(t, g)
	if live, replica, at, follows := g.Hashes(); live != replica {
		t.Fatalf("state hash %x as of entry %d, the replica's is %x as of %d", live, at, replica, follows)
	}
	w.follow(t, r)
}

// follow lets the twin do what the log has meanwhile.
func (w *world) follow(t *testing.T, r *journal.Reader) {
	var je journal.Entry
	var e orders.Entry
	for {
		out, err := r.Next(&je)
		if err != nil || out != journal.Ready && out != journal.Empty {
			t.Fatalf("log: outcome %d, %v", out, err)
		}
		if out == journal.Empty {
			return
		}
		if err := e.Parse(&je); err != nil {
			t.Fatal(err)
		}
		had := len(w.want)
		w.want = w.plain.Apply(&e, w.want)
		for _, r := range w.want[had:] {
			if r.Number != 0 {
				w.by[r.To] = append(w.by[r.To], r)
			}
		}
		w.next++
	}
}

// child runs a gate, trades without end, and says what its sessions read.
func child(t *testing.T) {
	args := strings.Split(os.Getenv(killChild), "|")
	loops, _ := strconv.Atoi(args[1])
	round, _ := strconv.Atoi(args[2])
	cfg := killConfig(args[0], loops)
	cfg.Relaxed = args[3] == "true"
	g := openGate(t, cfg)
	var mu sync.Mutex
	out := bufio.NewWriter(os.Stdout)
	fmt.Fprintln(out, "ready")
	out.Flush()
	for i := range 4 {
		c := attach(t, g, fmt.Sprint("S", i+1))
		next, _ := strconv.Atoi(args[4+i])
		c.next = uint64(next)
		go func() {
			for {
				all := c.read(1)
				mu.Lock()
				for i := range all {
					b, _ := all[i].AppendBinary(nil)
					_, _ = out.Write(b)
				}
				out.Flush()
				mu.Unlock()
			}
		}()
		go func() {
			dice := matchtest.Seeded(uint64(round*4 + i))
			base := uint64(round+1) << 32
			for n := base + 10; ; n++ {
				r := c.order(n, []market.Side{market.Bid, market.Ask}[dice(2)], market.Size(1+dice(20)), int(95+dice(10)))
				r.Order.Instrument = market.InstrumentID(1 + dice(3))
				r.Order.CancelOnDisconnect = dice(4) == 0
				switch k := dice(20); {
				case k < 9:
				case k < 17:
					r = orders.Request{Kind: orders.Cancel, Target: idOf(n - dice(6))}
				case k < 19:
					r.Kind, r.Target = orders.Replace, idOf(n-dice(6))
				default:
					r = orders.Request{Kind: orders.MassCancel}
				}
				for {
					if _, v := c.link.Submit(&r); v == orders.Taken {
						break
					}
					time.Sleep(100 * time.Microsecond)
				}
				if dice(50) == 0 {
					g.Reference(market.InstrumentID(1+dice(3)), market.Price(98+dice(3))*market.PriceScale, 102*market.PriceScale, dice(4) > 0, 0)
				}
				if dice(2000) == 0 {
					_ = g.SetState(t.Context(), market.InstrumentID(1+dice(3)), []match.State{match.PreOpen, match.Open, match.Halted}[dice(3)])
				}
			}
		}()
	}
	select {}
}
