package config

import (
	"errors"
	"fmt"
	"math"
	"net/netip"
	"os"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidegate/arbiter"
	"tidegate/codec/dbn"
	"tidegate/codec/lsg"
	"tidegate/gateway"
	"tidegate/internal/bus"
	"tidegate/market"
)

const (
	keyOne = "db-ExampleKeyForTests0000000abcd"
	keyTwo = "db-ExampleKeyForTests0000000efgh"
)

// here is an environment of some files and variables.
var here = Environment{
	ReadFile: func(path string) ([]byte, error) {
		switch path {
		case "etc/one.key":
			return []byte(keyOne + "\n"), nil
		case "etc/bad.key", "/etc/gateway.crt", "etc/gateway.key":
			return []byte("hello\n"), nil
		}
		return nil, os.ErrNotExist
	},
	LookupEnv: func(name string) (string, bool) {
		text, set := map[string]string{"KEY_TWO": keyTwo, "DSN": "host=b password=hidden\n", "EMPTY": " "}[name]
		return text, set
	},
}

func parse(text string) (*Config, error) { return Parse("etc/c.yaml", []byte(text), here) }

const small = `feeds:
  - name: sim
    protocol: itch
    lines:
      - {name: A, address: 127.0.0.1:26400}
subscribers:
  keys:
    - {name: one, key_file: one.key}
`

func TestSmallestConfigurationIsTheDefaults(t *testing.T) {
	got, err := parse(small)
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	key, _ := lsg.ParseKey(keyOne)
	want.Subscribers.Keys = []Key{{Name: "one", Key: key}}
	want.Feeds = []Feed{{
		Name: "sim", Protocol: gateway.ITCH, Publisher: market.NasdaqITCH, GapDeadline: 50 * time.Millisecond,
		StaleAfter: 50 * time.Millisecond, Silence: 3 * time.Second, FailBack: 5 * time.Second,
		Providers: []Provider{{Name: "sim", Lines: []Line{{ID: arbiter.LineA, Addr: addr("127.0.0.1:26400"), ReceiveBuffer: 32 << 20}}}},
	}}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
}

func publisher(dataset string) market.Publisher {
	p, _ := market.PublisherByDataset(dataset)
	return p
}

func TestEverySetting(t *testing.T) {
	got, err := parse(`feeds:
- name: sim
  protocol: itch
  dataset: XSIM.ITCH
  gap_deadline: 7ms
  session: 000010059B
  lines:
  - name: R
    address: 233.252.0.1:26400
    interface: eth1
    source: 192.0.2.1
    receive_buffer: 1 MiB
  - name: B
    address: "[ff05::1]:26400"
    interface: eth2
- {name: iex, protocol: tops, lines: [{name: A, address: '127.0.0.1:1'}]}
- name: again
  protocol: itch
  lines: [{name: A, address: '127.0.0.1:2'}]
  retransmit:
    servers: [192.0.2.9:26402, 192.0.2.8:26402]
    address: 192.0.2.2:4000
    request_after: 3ms
    timeout: 20ms
    messages: 10
    in_flight: 8
    gap_max: 500
    requests_per_second: 11
    messages_per_second: 12
    failures: 2
    rest: 50ms
    rest_max: 4s
- {name: defaults, protocol: itch, dataset: GLBX.MDP3, lines: [{name: A, address: '127.0.0.1:3'}], retransmit: {servers: ["[2001:db8::1]:5"]}}
- name: unit
  protocol: pitch
  lines: [{name: A, address: '127.0.0.1:5'}]
  retransmit:
    proxies:
    - {address: 'gaps.example:17001', session_sub_id: 0001, username: ME, password: secret}
    - {address: '192.0.2.9:17001'}
    address: 233.252.0.9:30501
    interface: eth1
    source: 192.0.2.1
    messages: 100
- {name: alone, protocol: pitch, dataset: EDGX.PITCH, lines: [{name: A, address: '127.0.0.1:6'}], retransmit: {proxies: [{address: 'a:1'}], address: '127.0.0.1:7'}}
- name: two
  protocol: itch
  dataset: XBOS.ITCH
  stale_after: 40ms
  silence: 4s
  fail_back: 2s
  providers:
  - name: venue
    session: S
    lines: [{name: A, address: '127.0.0.1:4'}]
    tcp: {name: C, address: 'feed.example:1', username: me, password: secret}
    snapshots:
      servers: [{address: 'one:1', username: me, password: secret}, {address: 'two:2'}]
      deadline: 3s
      withhold: false
  - {name: vendor, tcp: {name: A, address: '[::1]:9'}}
consolidated: {dataset: TIDE.CONS}
loop: {threading: split, idle: spin, tick: 500us, cpu: 3, receive_cpu: 2}
ring: {chunks: 128, chunk_bytes: 131072}
subscribers:
  listen: 127.0.0.1:1300
  loops: 2
  heartbeat: 10s
  slow_after: 2s
  limits:
    connections: 1
    connections_per_second: 2
    sessions_per_key: 3
    subscriptions_per_second: 4
    subscriptions: 5
    symbols: 6
    input_bytes: 7 MiB
    handshakes: 8
  keys:
  - name: one
    key: db-ExampleKeyForTests0000000abcd
    datasets: [XSIM.ITCH, IEXG.TOPS, TIDE.CONS]
    disabled: true
  - {name: two, key_env: KEY_TWO}
journal: {dir: /var/j, schemas: [mbo, status], commit_every: 5ms, spill: 1 MiB, retain_age: 1h, retain_bytes: 1 GiB}
postgres:
  dsn_env: DSN
  reader: pg-1
  keep: [orders, records]
  workers: 2
  batch_rows: 1000
  batch_wait: 5ms
  synchronous_commit: on
  standbys: 1
  ahead: 1h
  roll_up_after: 1m
  retain: 240h
  hot_space: nvme
  cold_space: disks
  history: {dsn: "host=r1,r2", max_lag: 2s}
capture: {file: "rec/{start}.pcap", queue: 1 MiB}
admin: {listen: ":8081", token: 0123456789abcdef, pprof: true}
log: {level: debug, format: json}
`)
	if err != nil {
		t.Fatal(err)
	}
	one, _ := lsg.ParseKey(keyOne)
	two, _ := lsg.ParseKey(keyTwo)
	hundred := arbiter.DefaultRequestConfig(2)
	hundred.MessagesMax = 100
	want := Config{
		Feeds: []Feed{
			{
				Name: "sim", Protocol: gateway.ITCH, Publisher: market.Simulated,
				GapDeadline: 7 * time.Millisecond, StaleAfter: 50 * time.Millisecond, Silence: 3 * time.Second, FailBack: 5 * time.Second,
				Providers: []Provider{{Name: "sim", Session: "000010059B", Lines: []Line{
					{ID: arbiter.LineR, Addr: addr("233.252.0.1:26400"), Interface: "eth1", Source: addr("192.0.2.1:0").Addr(), ReceiveBuffer: 1 << 20},
					{ID: arbiter.LineB, Addr: addr("[ff05::1]:26400"), Interface: "eth2", ReceiveBuffer: 32 << 20},
				}}},
			},
			{
				Name: "iex", Protocol: gateway.TOPS, Publisher: market.IEXTops, GapDeadline: 50 * time.Millisecond,
				StaleAfter: 50 * time.Millisecond, Silence: 3 * time.Second, FailBack: 5 * time.Second,
				Providers: []Provider{{Name: "iex", Lines: []Line{{ID: arbiter.LineA, Addr: addr("127.0.0.1:1"), ReceiveBuffer: 32 << 20}}}},
			},
			{
				Name: "again", Protocol: gateway.ITCH, Publisher: market.NasdaqITCH, GapDeadline: 50 * time.Millisecond,
				StaleAfter: 50 * time.Millisecond, Silence: 3 * time.Second, FailBack: 5 * time.Second,
				Providers: []Provider{{Name: "again", Lines: []Line{{ID: arbiter.LineA, Addr: addr("127.0.0.1:2"), ReceiveBuffer: 32 << 20}}, Retransmit: Retransmit{
					Servers: []netip.AddrPort{addr("192.0.2.9:26402"), addr("192.0.2.8:26402")}, Addr: addr("192.0.2.2:4000"),
					Limits: arbiter.RequestConfig{
						Servers: 2, RequestAfter: 3 * market.Millisecond, Timeout: 20 * market.Millisecond, MessagesMax: 10, InFlightMax: 8,
						GapMax: 500, RequestsPerSecond: 11, MessagesPerSecond: 12, FailuresMax: 2,
						RestMin: 50 * market.Millisecond, RestMax: 4 * market.Second,
					},
				}}},
			},
			{
				Name: "defaults", Protocol: gateway.ITCH, Publisher: publisher("GLBX.MDP3"), GapDeadline: 50 * time.Millisecond,
				StaleAfter: 50 * time.Millisecond, Silence: 3 * time.Second, FailBack: 5 * time.Second,
				Providers: []Provider{{
					Name: "defaults", Lines: []Line{{ID: arbiter.LineA, Addr: addr("127.0.0.1:3"), ReceiveBuffer: 32 << 20}},
					Retransmit: Retransmit{Servers: []netip.AddrPort{addr("[2001:db8::1]:5")}, Addr: addr("[::]:0"), Limits: arbiter.DefaultRequestConfig(1)},
				}},
			},
			{
				Name: "unit", Protocol: gateway.PITCH, Publisher: publisher("BATS.PITCH"), GapDeadline: 50 * time.Millisecond,
				StaleAfter: 50 * time.Millisecond, Silence: 3 * time.Second, FailBack: 5 * time.Second,
				Providers: []Provider{{
					Name: "unit", Lines: []Line{{ID: arbiter.LineA, Addr: addr("127.0.0.1:5"), ReceiveBuffer: 32 << 20}},
					Retransmit: Retransmit{
						Proxies: []GapProxy{
							{Address: "gaps.example:17001", SessionSubID: "0001", Login: Login{"ME", "secret"}}, {Address: "192.0.2.9:17001"},
						},
						Addr: addr("233.252.0.9:30501"), Interface: "eth1", Source: addr("192.0.2.1:0").Addr(), Limits: hundred,
					},
				}},
			},
			{
				Name: "alone", Protocol: gateway.PITCH, Publisher: publisher("EDGX.PITCH"), GapDeadline: 50 * time.Millisecond,
				StaleAfter: 50 * time.Millisecond, Silence: 3 * time.Second, FailBack: 5 * time.Second,
				Providers: []Provider{{
					Name: "alone", Lines: []Line{{ID: arbiter.LineA, Addr: addr("127.0.0.1:6"), ReceiveBuffer: 32 << 20}},
					Retransmit: Retransmit{Proxies: []GapProxy{{Address: "a:1"}}, Addr: addr("127.0.0.1:7"), Limits: arbiter.DefaultRequestConfig(1)},
				}},
			},
			{
				Name: "two", Protocol: gateway.ITCH, Publisher: publisher("XBOS.ITCH"), GapDeadline: 50 * time.Millisecond,
				StaleAfter: 40 * time.Millisecond, Silence: 4 * time.Second, FailBack: 2 * time.Second,
				Providers: []Provider{
					{
						Name: "venue", Session: "S", Lines: []Line{{ID: arbiter.LineA, Addr: addr("127.0.0.1:4"), ReceiveBuffer: 32 << 20}},
						TCP: TCPLine{ID: arbiter.LineID(2), Address: "feed.example:1", Login: Login{"me", "secret"}},
						Snapshots: Snapshots{
							Servers: []SnapshotServer{{Address: "one:1", Login: Login{"me", "secret"}}, {Address: "two:2"}}, Deadline: 3 * time.Second,
						},
					},
					{Name: "vendor", TCP: TCPLine{ID: arbiter.LineA, Address: "[::1]:9"}},
				},
			},
		},
		Consolidated: Consolidated{Dataset: "TIDE.CONS"},
		Loop:         Loop{Threading: Split, Idle: Spin, Tick: 500 * time.Microsecond, CPU: 3, ReceiveCPU: 2},
		Ring:         bus.Config{Chunks: 128, ChunkBytes: 128 << 10},
		Subscribers: Subscribers{
			Listen: "127.0.0.1:1300", Loops: 2, Heartbeat: 10 * time.Second, SlowAfter: 2 * time.Second,
			Limits: Limits{1, 2, 3, 4, 5, 6, 7 << 20, 8},
			Keys: []Key{
				{Name: "one", Key: one, Datasets: []string{"XSIM.ITCH", "IEXG.TOPS", "TIDE.CONS"}, Disabled: true},
				{Name: "two", Key: two},
			},
		},
		Capture: Capture{File: "etc/rec/{start}.pcap", QueueBytes: 1 << 20, SpillBytes: 256 << 20},
		Journal: Journal{
			Dir: "/var/j", Schemas: []dbn.Schema{dbn.SchemaMBO, dbn.SchemaStatus}, CommitEvery: 5 * time.Millisecond, SpillBytes: 1 << 20,
			RetainAge: time.Hour, RetainBytes: 1 << 30,
		},
		Postgres: Postgres{
			DSN: "host=b password=hidden", ReaderName: "pg-1", Keep: []string{"orders", "records"}, Workers: 2, BatchRows: 1000, BatchWait: 5 * time.Millisecond,
			SynchronousCommit: "on", Standbys: 1, Ahead: time.Hour, RollUpAfter: time.Minute, Retain: 240 * time.Hour, HotSpace: "nvme", ColdSpace: "disks",
			History: PostgresHistory{DSN: "host=r1,r2", MaxLag: 2 * time.Second},
		},
		Admin: Admin{Listen: ":8081", Token: "0123456789abcdef", Pprof: true},
		Log:   Log{Level: -4, JSON: true},
	}
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("got %+v\nwant %+v", *got, want)
	}
	at := time.Date(2026, 1, 5, 8, 30, 0, 0, time.FixedZone("", -5*3600))
	if got := CapturePath(got.Capture.File, at); got != "etc/rec/20260105T133000Z.pcap" {
		t.Errorf("recording at %s", got)
	}
}

// The example says of everything that is commented out that it has the value shown.
func TestExampleShowsTheDefaults(t *testing.T) {
	const path = "../../deploy/tidegate.example.yaml"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	env := here
	env.LookupEnv = func(name string) (string, bool) { return keyTwo, name == "TIDEGATE_KEY" }
	env.ReadFile = func(string) ([]byte, error) { return nil, os.ErrNotExist }
	got, err := Parse(path, b, env)
	if err != nil {
		t.Fatal(err)
	}
	want := Defaults()
	want.Feeds, want.Subscribers.Keys = got.Feeds, got.Subscribers.Keys
	if !reflect.DeepEqual(*got, want) {
		t.Errorf("as it is: got %+v\nwant %+v", *got, want)
	}
	// What has no default is left out, the rest is put in.
	setting := regexp.MustCompile(`^( *)# ( *)([a-z_]+:( .*)?)$`)
	none := regexp.MustCompile(`^(session|source|dataset|cpu|tls|address|  listen|  cert|  key|datasets|file|dir|token|dsn(_file|_env)?|synchronous_commit|(hot|cold)_space):`)
	var text strings.Builder
	uncommented := 0
	for line := range strings.Lines(string(b)) {
		if m := setting.FindStringSubmatch(strings.TrimRight(line, "\n")); m != nil && !none.MatchString(m[2]+m[3]) {
			line = m[1] + m[2] + m[3] + "\n"
			uncommented++
		}
		text.WriteString(line)
	}
	if uncommented < 20 {
		t.Fatalf("%d settings are commented out, want at least 20", uncommented)
	}
	again, err := Parse(path, []byte(text.String()), env)
	if err != nil {
		t.Fatalf("%v\nin\n%s", err, text.String())
	}
	if !reflect.DeepEqual(again, got) {
		t.Errorf("with the values shown: got %+v\nwant %+v", *again, *got)
	}
}

// The example of a PITCH unit is right, and has both proxies and a spin server.
func TestPitchExample(t *testing.T) {
	const path = "../../deploy/pitch.example.yaml"
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(path, b, Environment{LookupEnv: func(name string) (string, bool) { return keyTwo, name == "TIDEGATE_KEY" }})
	if err != nil {
		t.Fatal(err)
	}
	p := c.Feeds[0].Providers[0]
	if r := &p.Retransmit; len(r.Proxies) != 2 || r.Limits.Servers != 2 || !r.Addr.Addr().IsMulticast() || r.Interface == "" || len(p.Snapshots.Servers) != 1 {
		t.Errorf("%+v", p)
	}
	if err := p.Retransmit.Limits.Validate(market.Nanos(c.Feeds[0].GapDeadline)); err != nil {
		t.Error(err)
	}
}

func TestLoad(t *testing.T) {
	path := t.TempDir() + "/c.yaml"
	if _, err := Load(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte(small), 0o600); err != nil {
		t.Fatal(err)
	}
	var e *Error
	if _, err := Load(path); !errors.As(err, &e) || len(e.Mistakes) != 1 || e.Mistakes[0].Field != "subscribers.keys[0].key_file" {
		t.Errorf("no key file: %v", err)
	}
	t.Setenv("KEY_ONE", keyOne)
	if err := os.WriteFile(path, []byte(strings.Replace(small, "key_file: one.key", "key_env: KEY_ONE", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err != nil {
		t.Error(err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add([]byte(small))
	example, err := os.ReadFile("../../deploy/tidegate.example.yaml")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(example)
	for _, c := range mistakes {
		f.Add([]byte(c.text))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		c, err := parse(string(b))
		var e *Error
		switch {
		case err == nil:
			if len(c.Feeds) == 0 || len(c.Subscribers.Keys) == 0 || c.Ring.Validate() != nil {
				t.Errorf("accepted %+v", c)
			}
		case !errors.As(err, &e) || len(e.Mistakes) == 0:
			t.Errorf("error %v", err)
		case strings.Contains(err.Error(), keyOne):
			t.Errorf("the error shows a key: %v", err)
		}
		_ = fmt.Sprint(err)
	})
}

func TestChanges(t *testing.T) {
	old, err := parse(small)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		text string
		want []string
	}{
		{small, nil},
		{strings.Replace(small, "name: one, key_file: one.key", "name: two, key_env: KEY_TWO", 1) + "  limits: {symbols: 1}\n", nil},
		{strings.Replace(small, "127.0.0.1:26400", "127.0.0.1:26401", 1), []string{"feeds"}},
		{
			small + "  listen: ':1'\n  loops: 2\n  heartbeat: 5s\n  slow_after: 2s\nconsolidated: {dataset: A}\nloop: {idle: park}\nring: {chunks: 32}\n" +
				"capture: {file: a}\nadmin: {pprof: true}\nlog: {format: json}\n",
			[]string{
				"consolidated", "loop", "ring", "subscribers.listen", "subscribers.loops", "subscribers.heartbeat", "subscribers.slow_after",
				"capture", "admin", "log",
			},
		},
	} {
		now, err := parse(c.text)
		if err != nil {
			t.Fatal(err)
		}
		if got := now.Changes(old); !reflect.DeepEqual(got, c.want) {
			t.Errorf("got %v, want %v for\n%s", got, c.want, c.text)
		}
	}
}

// The system chooses ports that are 0, so they do not clash; nor do those of different addresses.
func TestListenersThatDoNotClash(t *testing.T) {
	for _, more := range []string{
		"  listen: 127.0.0.1:0\nadmin: {listen: '127.0.0.1:0'}\n",
		"  listen: 127.0.0.1:8080\nadmin: {listen: '[::1]:8080'}\n",
		"  listen: :8080\nadmin: {listen: ''}\n",
	} {
		if _, err := parse(small + more); err != nil {
			t.Errorf("%v for\n%s", err, more)
		}
	}
}

func TestThreading(t *testing.T) {
	for threading, want := range map[Threading]int{Auto: autoSessions, Inline: math.MaxInt, Shared: 0, Split: 0} {
		if got := threading.InlineSessions(); got != want {
			t.Errorf("%s: %d sessions are served inline, want %d", threading, got, want)
		}
	}
}
