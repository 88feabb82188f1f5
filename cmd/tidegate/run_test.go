//go:build linux

package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway/admin"
	"tidegate/internal/lsgclient"
	"tidegate/internal/venue"
	"tidegate/market"
)

const (
	keyOne = "db-ExampleKeyForTests0000000abcd"
	keyTwo = "db-ExampleKeyForTests0000000efgh"
	// patience bounds every wait for another process.
	patience = 30 * time.Second
)

// freePort returns the number of a UDP port that nobody has.
func freePort(t *testing.T) uint16 {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	return c.LocalAddr().(*net.UDPAddr).AddrPort().Port()
}

// A running gateway is a process, and what it logs.
type running struct {
	t   *testing.T
	cmd *exec.Cmd

	mu   sync.Mutex
	log  []logLine
	rest bytes.Buffer  // what is no log line
	more chan struct{} // closed, and made anew, with each line
	over chan struct{} // closed when the log has ended
}

type logLine map[string]any

func startGateway(t *testing.T, binary, configPath string, env ...string) *running {
	t.Helper()
	g := &running{t: t, more: make(chan struct{}), over: make(chan struct{})}
	g.cmd = exec.Command(binary, "run", "-c", configPath)
	g.cmd.Env = append(os.Environ(), env...)
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.cmd.Process.Kill() })
	go g.read(stderr)
	return g
}

func (g *running) read(r io.Reader) {
	lines := bufio.NewScanner(r)
	for lines.Scan() {
		g.mu.Lock()
		var l logLine
		if json.Unmarshal(lines.Bytes(), &l) == nil {
			g.log = append(g.log, l)
		} else {
			g.rest.WriteString(lines.Text() + "\n")
		}
		close(g.more)
		g.more = make(chan struct{})
		g.mu.Unlock()
	}
	close(g.over)
}

// logged waits for a line with a message and attributes, and returns it.
func (g *running) logged(msg string, attributes ...string) logLine {
	g.t.Helper()
	timeout := time.After(patience)
	for {
		g.mu.Lock()
		for _, l := range g.log {
			if l["msg"] == msg && l.has(attributes) {
				g.mu.Unlock()
				return l
			}
		}
		more := g.more
		g.mu.Unlock()
		select {
		case <-more:
		case <-g.over:
			g.t.Fatalf("log ended without %q %q:\n%v\n%s", msg, attributes, g.log, g.rest.String())
		case <-timeout:
			g.t.Fatalf("%q %q was not logged:\n%v", msg, attributes, g.log)
		}
	}
}

func (l logLine) has(attributes []string) bool {
	for i := 0; i < len(attributes); i += 2 {
		if fmt.Sprint(l[attributes[i]]) != attributes[i+1] {
			return false
		}
	}
	return true
}

func (g *running) signal(s os.Signal) {
	g.t.Helper()
	if err := g.cmd.Process.Signal(s); err != nil {
		g.t.Fatal(err)
	}
}

// exit waits for the end of the process and returns its exit code, -1 for a signal, and what it wrote
// beside the log.
func (g *running) exit() (int, string) {
	g.t.Helper()
	hung := time.AfterFunc(patience, func() { g.cmd.Process.Kill() })
	<-g.over
	err := g.cmd.Wait()
	if !hung.Stop() {
		g.t.Fatalf("the gateway did not end:\n%v", g.log)
	}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		g.t.Fatal(err)
	}
	return g.cmd.ProcessState.ExitCode(), g.rest.String()
}

// A site is the directory and the ports of a gateway.
type site struct {
	dir, config string
	a, b        uint16
}

func newSite(t *testing.T) *site {
	s := &site{dir: t.TempDir(), a: freePort(t), b: freePort(t)}
	s.config = filepath.Join(s.dir, "tidegate.yaml")
	s.write(t, "", "")
	return s
}

// write writes the configuration, with more keys and more of everything at its end.
func (s *site) write(t *testing.T, keys, more string) {
	t.Helper()
	text := fmt.Sprintf(`feeds:
- name: sim
  protocol: itch
  dataset: XSIM.ITCH
  gap_deadline: 1m
  lines:
  - {name: A, address: "127.0.0.1:%d", receive_buffer: 4 MiB}
  - {name: B, address: "127.0.0.1:%d", receive_buffer: 4 MiB}
loop: {idle: park}
admin: {listen: "127.0.0.1:0"}
log: {format: json}
%ssubscribers:
  listen: 127.0.0.1:0
  limits: {connections_per_second: 100}
  keys:
  - {name: one, key: %s}
%s`, s.a, s.b, more, keyOne, keys)
	if err := os.WriteFile(s.config, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// smallMarket is a short feed whose lines lose packets, but never the same.
func smallMarket() venue.FeedConfig {
	cfg := venue.DefaultFeedConfig(3)
	cfg.Market.PreOpen, cfg.Market.Trading, cfg.Market.Rate = market.Second, 2*market.Second, 800
	cfg.Market.Halts = nil
	for i := range cfg.Lines {
		cfg.Lines[i].Loss = 0.02
		cfg.Lines[i].Down, cfg.Lines[i].Clogged = nil, nil
	}
	return cfg
}

// send sends a feed to the lines of a site, and returns the truth about it.
func (s *site) send(t *testing.T) venue.Truth {
	t.Helper()
	feed, err := venue.NewFeed(smallMarket())
	if err != nil {
		t.Fatal(err)
	}
	var lines [2]net.Conn
	for i, port := range []uint16{s.a, s.b} {
		addr := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
		if lines[i], err = net.Dial("udp4", addr.String()); err != nil {
			t.Fatal(err)
		}
		defer lines[i].Close()
	}
	sent := 0
	for d, ok := feed.Next(); ok; d, ok = feed.Next() {
		if _, err := lines[d.Line].Write(d.Payload); err != nil {
			t.Fatal(err)
		}
		if sent++; sent%50 == 0 {
			time.Sleep(time.Millisecond) // less than the receive buffer holds
		}
	}
	return feed.Truth()
}

// A subscriber collects what it gets until the gateway closes.
type subscriber struct {
	records [][]byte // data records
	system  []string
	err     error
}

func subscribe(t *testing.T, addr, key string, schema dbn.Schema) <-chan subscriber {
	t.Helper()
	c, err := dial(t, addr, key)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Subscribe(schema, dbn.STypeRawSymbol, []string{lsg.AllSymbols}, false, market.UndefTime); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	wanted, _ := schema.RType()
	acknowledged, result := make(chan struct{}), make(chan subscriber, 1)
	go func() {
		defer c.Close()
		var s subscriber
		for {
			r, err := c.Next()
			if err != nil {
				s.err = err
				result <- s
				return
			}
			switch r.RType {
			case wanted:
				s.records = append(s.records, bytes.Clone(r.Raw()))
			case dbn.RTypeSystem:
				var m dbn.System
				if err := m.Parse(r); err != nil {
					t.Error(err)
				}
				if s.system = append(s.system, m.Text); len(s.system) == 1 {
					close(acknowledged)
				}
			}
		}
	}()
	select {
	case <-acknowledged:
	case <-time.After(patience):
		t.Fatal("the subscription was not acknowledged")
	}
	return result
}

func dial(t *testing.T, addr, key string) (*lsgclient.Client, error) {
	t.Helper()
	k, err := lsg.ParseKey(key)
	if err != nil {
		t.Fatal(err)
	}
	return lsgclient.Dial(t.Context(), lsgclient.Config{Addr: addr, Dataset: market.Simulated.Dataset, Key: k})
}

func getJSON(t *testing.T, url string, to any) int {
	t.Helper()
	r, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	if err := json.NewDecoder(r.Body).Decode(to); err != nil {
		t.Fatal(err)
	}
	return r.StatusCode
}

// A day in the life of a gateway: it serves, reloads, is looked at, and ends; what it recorded gives
// the records that subscribers got.
func TestRun(t *testing.T) {
	binary := buildTidegate(t)
	s := newSite(t)
	const recording = "capture: {file: 'rec/{start}.pcap'}\n"
	if err := os.Mkdir(filepath.Join(s.dir, "rec"), 0o700); err != nil {
		t.Fatal(err)
	}
	s.write(t, "", recording)
	manager, socket := serviceManager(t)
	g := startGateway(t, binary, s.config, "NOTIFY_SOCKET="+socket, "WATCHDOG_USEC=200000")
	g.logged("line opened", "feed", "sim", "line", "B", "address", fmt.Sprintf("127.0.0.1:%d", s.b), "asked", "4 MiB")
	addr := g.logged("subscribers")["address"].(string)
	url := strings.TrimSuffix(g.logged("admin")["url"].(string), "/")
	g.logged("gateway started")
	manager.wants("READY=1")
	manager.wants("WATCHDOG=1")

	var status admin.StatusReport
	if code := getJSON(t, url+"/ready", &status); code != http.StatusServiceUnavailable || status.OK {
		t.Errorf("ready before the first datagram: %d %+v", code, status)
	}
	orders := subscribe(t, addr, keyOne, dbn.SchemaMBO)
	trades := subscribe(t, addr, keyOne, dbn.SchemaTrades)
	truth := s.send(t)

	var feeds admin.FeedsReport
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		if getJSON(t, url+"/feeds", &feeds); feeds.Feeds[0].Messages == truth.Messages {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("got %d of %d messages", feeds.Feeds[0].Messages, truth.Messages)
		}
	}
	if f := &feeds.Feeds[0]; !f.Balanced || f.Ledger.GapsFilled.Ranges == 0 || f.Ledger.GapsAnnounced().Ranges != 0 || f.Faults != 0 {
		t.Errorf("feed: %+v", f)
	}
	if code := getJSON(t, url+"/health", &status); code != http.StatusOK || status.Capture != "recording" {
		t.Errorf("health: %d %+v", code, status)
	}
	wantBooks(t, url, truth)
	wantSnapshot(t, addr, truth.Books[0])

	code, stdout, stderr := tidegate(t, "stat", "--url", url)
	if code != exitOK || stderr != "" {
		t.Errorf("stat: exit %d, %q", code, stderr)
	}
	wantContains(t, "stat", stdout, "feed     sim: XSIM.ITCH, itch, ", fmt.Sprintf("%d messages", truth.Messages),
		"ledger balanced", "capture  recording to ", "2 sessions", "trades", "mbo", "wire to publish p50")
	code, stdout, _ = tidegate(t, "stat", "--url", url, "--json")
	var looked stat
	if err := json.Unmarshal([]byte(stdout), &looked); code != exitOK || err != nil || len(looked.Subscribers.Sessions) != 2 {
		t.Errorf("stat --json: exit %d, %v: %s", code, err, stdout)
	}

	// Keys and limits change, other settings do not, and mistakes change nothing.
	if _, err := dial(t, addr, keyTwo); !errors.Is(err, lsgclient.ErrRefused) {
		t.Errorf("a key that is not there: %v, want it refused", err)
	}
	s.write(t, "  - {name: two, key: "+keyTwo+"}\n", strings.Replace(recording, "}'", "}2'", 1)+"ring: {chunks: 8}\n")
	g.signal(syscall.SIGHUP)
	g.logged("reload: a change takes a restart and was left out", "setting", "ring")
	g.logged("reloaded keys and limits", "keys", "2")
	manager.wants("RELOADING=1")
	again, err := dial(t, addr, keyTwo)
	if err != nil {
		t.Fatalf("a new key: %v", err)
	}
	again.Close()
	s.write(t, "  - {name: two, key: "+keyOne+"}\n", "")
	g.signal(syscall.SIGHUP)
	l := g.logged("reload: the configuration is not right, nothing was changed")
	wantContains(t, "reload", fmt.Sprint(l["error"]), `subscribers.keys[1]: found the key that "one" has`)
	if again, err = dial(t, addr, keyTwo); err != nil {
		t.Errorf("a key after a mistake: %v", err)
	} else {
		again.Close()
	}

	g.signal(syscall.SIGTERM)
	manager.wants("STOPPING=1")
	var got subscriber
	for i, result := range []<-chan subscriber{trades, orders} {
		select {
		case got = <-result:
		case <-time.After(patience):
			t.Fatal("a subscriber was not closed")
		}
		if got.err != io.EOF || len(got.system) < 2 || !strings.HasPrefix(got.system[len(got.system)-1], "gateway is stopping: ") {
			t.Errorf("subscriber %d: closed with %v after %q", i, got.err, got.system)
		}
	}
	if code, rest := g.exit(); code != exitOK || rest != "" {
		t.Errorf("exit %d, %s", code, rest)
	}
	g.logged("gateway stopped")
	wantRecording(t, s.dir, got.records)
}

// wantBooks holds books and BBOs of the admin interface against the truth.
func wantBooks(t *testing.T, url string, truth venue.Truth) {
	t.Helper()
	for _, want := range truth.Books[:3] {
		var got admin.BookReport
		if code := getJSON(t, url+"/books?depth=1000&dataset=XSIM.ITCH&symbol="+want.Symbol, &got); code != http.StatusOK {
			t.Fatalf("book of %s: %d", want.Symbol, code)
		}
		var bbo []admin.BBOReport
		getJSON(t, url+"/bbo?symbol="+want.Symbol, &bbo)
		for _, side := range []struct {
			got  []admin.LevelReport
			best *admin.LevelReport
			want []venue.Level
		}{{got.Bids, bbo[0].Bid, want.Bids}, {got.Asks, bbo[0].Ask, want.Asks}} {
			if len(side.got) != len(side.want) {
				t.Fatalf("%s: %d levels, the venue has %d", want.Symbol, len(side.got), len(side.want))
			}
			for i, l := range side.want {
				level := admin.LevelReport{Price: l.Price.String(), Size: uint64(l.Size), Orders: uint32(l.Orders)}
				if side.got[i] != level || i == 0 && *side.best != level {
					t.Errorf("%s: level %d is %+v, best %+v; the venue has %+v", want.Symbol, i, side.got[i], side.best, level)
				}
			}
		}
	}
}

// wantSnapshot subscribes with a snapshot and holds its orders against the venue's book.
func wantSnapshot(t *testing.T, addr string, want venue.BookTruth) {
	t.Helper()
	c, err := dial(t, addr, keyOne)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := c.Subscribe(dbn.SchemaMBO, dbn.STypeRawSymbol, []string{want.Symbol}, true, market.UndefTime); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Start(); err != nil {
		t.Fatal(err)
	}
	orders, size := 0, market.Size(0)
	for {
		r, err := c.Next()
		if err != nil {
			t.Fatalf("after %d orders: %v", orders, err)
		}
		if r.RType != dbn.RTypeMBO {
			continue
		}
		var m dbn.MBO
		if err := m.Parse(r); err != nil {
			t.Fatal(err)
		}
		var e market.Event
		m.Event(&e)
		if e.Action == market.Add {
			orders, size = orders+1, size+e.Size
		}
		if e.Flags&market.FlagSnapshot == 0 {
			t.Fatalf("after %d orders: event %+v is not of the snapshot", orders, e)
		}
		if e.Flags&market.FlagLast != 0 {
			break
		}
	}
	for _, side := range [][]venue.Level{want.Bids, want.Asks} {
		for _, l := range side {
			orders, size = orders-l.Orders, size-l.Size
		}
	}
	if orders != 0 || size != 0 {
		t.Errorf("the snapshot of %s has %d orders and %d of size more than the venue", want.Symbol, orders, int64(size))
	}
}

// wantRecording replays what was recorded and compares it with what a subscriber got.
func wantRecording(t *testing.T, dir string, want [][]byte) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "rec", "*.pcap"))
	if err != nil || len(files) != 1 {
		t.Fatalf("recordings %v, %v: want one", files, err)
	}
	out := filepath.Join(dir, "replayed.dbn")
	mustRun(t, "replay", files[0], "--publisher", "XSIM.ITCH", "--gap-deadline", "1m", "--schema", "mbo", "--out", out, "--summary", "none", "--quiet")
	f, err := os.Open(out)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r, err := dbn.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var got [][]byte
	for {
		record, err := r.Next()
		if err != nil {
			break
		}
		got = append(got, bytes.Clone(record.Raw()))
	}
	if len(want) < 1000 || !slices.EqualFunc(got, want, bytes.Equal) {
		t.Errorf("the replay gave %d records, the subscriber got %d: want the same, and at least 1000", len(got), len(want))
	}
}

// A manager is a service manager that listens.
type manager struct {
	t    *testing.T
	conn *net.UnixConn
}

func serviceManager(t *testing.T) (*manager, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "tg") // the names of sockets are short
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	path := filepath.Join(dir, "notify")
	c, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return &manager{t, c}, path
}

// wants waits for a message that begins with a state.
func (m *manager) wants(state string) {
	m.t.Helper()
	b := make([]byte, 512)
	for {
		m.conn.SetReadDeadline(time.Now().Add(patience))
		n, err := m.conn.Read(b)
		if err != nil {
			m.t.Fatalf("%s was not said: %v", state, err)
		}
		if strings.HasPrefix(string(b[:n]), state) {
			return
		}
	}
}

// A second signal does not wait for subscribers.
func TestRunSecondSignal(t *testing.T) {
	binary, s := buildTidegate(t), newSite(t)
	g := startGateway(t, binary, s.config)
	c, err := dial(t, g.logged("subscribers")["address"].(string), keyOne)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close() // at the end: it neither reads nor closes
	g.logged("gateway started")
	g.signal(syscall.SIGINT)
	g.logged("stopping: a signal came")
	g.signal(syscall.SIGINT)
	if code, _ := g.exit(); code != -1 {
		t.Errorf("exit %d, want the end by a signal", code)
	}
}

// What keeps a gateway from starting is said, with the exit code for it.
func TestRunRefuses(t *testing.T) {
	binary := buildTidegate(t)
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer tcp.Close()
	udp, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatal(err)
	}
	defer udp.Close()
	for _, c := range []struct {
		name     string
		old, new string // text of the configuration
		env      string
		code     int
		want     string
	}{
		{"subscribers' port in use", "listen: 127.0.0.1:0\n", "listen: " + tcp.Addr().String() + "\n", "", exitFailure, "egress: listen on " + tcp.Addr().String()},
		{"admin port in use", `"127.0.0.1:0"`, "'" + tcp.Addr().String() + "'", "", exitFailure, "admin: listen tcp " + tcp.Addr().String()},
		{"line's port in use", `"127.0.0.1:LINE"`, "'" + udp.LocalAddr().String() + "'", "", exitFailure, "is in use"},
		{"no such interface", `"127.0.0.1:LINE"`, "'233.252.0.1:26400', interface: nonesuch0", "", exitFailure, `interface "nonesuch0": there is none of this name; there are`},
		{"not our address", `"127.0.0.1:LINE"`, "'192.0.2.1:26400'", "", exitFailure, "192.0.2.1 is not an address of this machine"},
		{"no core to spin on", "idle: park", "idle: spin", "GOMAXPROCS=1", exitFailure, "GOMAXPROCS=1: want at least 3"},
		{"no such core", "idle: park", "idle: park, cpu: 1023", "", exitFailure, "loop cpu 1023: this process may not use it"},
		{"recording exists", "log:", "capture: {file: tidegate.yaml}\nlog:", "", exitFailure, "tidegate.yaml: file exists"},
		{"mistake", "idle: park", "idle: sleep", "", exitUsage, `tidegate.yaml:9:14: loop.idle: found "sleep", want one of backoff, park, spin`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newSite(t)
			b, err := os.ReadFile(s.config)
			if err != nil {
				t.Fatal(err)
			}
			text := strings.Replace(string(b), fmt.Sprintf(":%d", s.a), ":LINE", 1)
			text = strings.Replace(text, c.old, c.new, 1)
			if !strings.Contains(text, "capture:") {
				text += "capture: {file: day.pcap}\n"
			}
			if err := os.WriteFile(s.config, []byte(strings.Replace(text, ":LINE", fmt.Sprintf(":%d", s.a), 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			env := []string{"LC_ALL=C"}
			if c.env != "" {
				env = append(env, c.env)
			}
			code, rest := startGateway(t, binary, s.config, env...).exit()
			if code != c.code || !strings.Contains(rest, c.want) {
				t.Errorf("exit %d, want %d; want %q in\n%s", code, c.code, c.want, rest)
			}
			if left, _ := filepath.Glob(filepath.Join(s.dir, "*.pcap")); len(left) != 0 {
				t.Errorf("%v is left", left)
			}
		})
	}
}

// A receive buffer that the kernel does not grant is a warning with advice, and no reason to stop.
func TestRunSmallReceiveBuffer(t *testing.T) {
	binary, s := buildTidegate(t), newSite(t)
	text, err := os.ReadFile(s.config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.config, bytes.Replace(text, []byte("4 MiB"), []byte("1023 MiB"), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(s.config, 0o644); err != nil {
		t.Fatal(err)
	}
	g := &running{t: t, more: make(chan struct{}), over: make(chan struct{})}
	g.cmd = exec.Command(binary, "run", "-c", s.config)
	if os.Getuid() == 0 { // who may raise limits is not refused: be somebody else
		g.cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		for _, dir := range []string{filepath.Dir(binary), s.dir} {
			for d := dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
				if err := os.Chmod(d, 0o755); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	stderr, err := g.cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := g.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { g.cmd.Process.Kill() })
	go g.read(stderr)
	l := g.logged("receive buffer is small", "line", "A", "level", "WARN")
	wantContains(t, "advice", fmt.Sprint(l["advice"]), "raise net.core.rmem_max, or allow CAP_NET_ADMIN")
	g.logged("gateway started")
	g.signal(syscall.SIGTERM)
	if code, rest := g.exit(); code != exitOK {
		t.Errorf("exit %d: %s", code, rest)
	}
}

func TestRunCheck(t *testing.T) {
	s := newSite(t)
	if got, want := mustRun(t, "run", "-c", s.config, "--check"), s.config+" is right: feeds: 1, keys: 1\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	code, _, stderr := tidegate(t, "run", "--check", "-c", filepath.Join(s.dir, "gone.yaml"))
	if code != exitFailure || !strings.Contains(stderr, "gone.yaml: no such file or directory") {
		t.Errorf("no file: exit %d, %q", code, stderr)
	}
	s.write(t, "", "lopp: {}\nring: 7\n")
	code, _, stderr = tidegate(t, "run", "--check", "-c", s.config)
	if code != exitUsage {
		t.Errorf("mistakes: exit %d, want %d", code, exitUsage)
	}
	wantContains(t, "mistakes", stderr, `tidegate.yaml:12:1: found unknown field "lopp"`, "tidegate.yaml:13:7: ring: found 7, want fields: chunks")
}

func TestNewYorkMidnight(t *testing.T) {
	for _, c := range []struct{ at, want string }{
		{"2026-01-05T14:30:00Z", "2026-01-05T05:00:00Z"},
		{"2026-01-05T04:59:59Z", "2026-01-04T05:00:00Z"}, // still the day before
		{"2026-07-01T14:30:00Z", "2026-07-01T04:00:00Z"},
		{"2026-03-08T18:00:00Z", "2026-03-08T05:00:00Z"}, // clocks went forward at 2 in the morning
	} {
		at, err := time.Parse(time.RFC3339, c.at)
		if err != nil {
			t.Fatal(err)
		}
		if got := time.Unix(0, int64(newYorkMidnight(at))).UTC().Format(time.RFC3339); got != c.want {
			t.Errorf("at %s: got %s, want %s", c.at, got, c.want)
		}
	}
}
