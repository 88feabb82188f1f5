package archtest

import (
	"fmt"
	"strings"
	"testing"
)

// A layer says what a package may import. Where several rows fit a package, all of them hold.
type layer struct {
	packages string   // whom the row is about
	but      []string // whom of these it is not about: they have a row of their own
	only     []string // of ours, nothing but these; nil for no such limit
	never    []string // neither of ours nor of others
	except   []string // from never
	why      string
}

// What a package without input and output does not import. An address (net/netip) is a value.
var (
	inputOutput       = []string{"net/...", "os/...", "syscall", "golang.org/x/sys/..."}
	inputOutputExcept = []string{"net/netip"}
)

var layers = []layer{
	{
		packages: "market", only: []string{},
		never: inputOutput, except: inputOutputExcept,
		why: "market is the leaf that everybody shares: it knows no protocol, no book and no clock",
	},
	{
		packages: "codec/...", but: []string{"codec/crypto/..."}, only: []string{"market"},
		never: inputOutput, except: inputOutputExcept,
		why: "a codec turns bytes into values and back: it does no input or output and knows no other codec, so that each can be fuzzed and used alone",
	},
	{
		packages: "codec/crypto/...", only: []string{"market", "codec/crypto/wire", "codec/crypto/depth"},
		never: inputOutput, except: inputOutputExcept,
		why: "the codec of a venue knows what all venues share, and no other venue: it does no input or output",
	},
	{
		packages: "codec/crypto/wire", only: []string{"market"},
		why: "the text of numbers and documents is the same whatever it is about",
	},
	{
		packages: "codec/crypto/depth", only: []string{"market", "codec/crypto/wire"},
		why: "what venues share knows none of them",
	},
	{
		packages: "arbiter/...", only: []string{"market"},
		never: inputOutput, except: inputOutputExcept,
		why: "the arbiter is a state machine over lines, sequences and times: live, replay and tests drive it alike",
	},
	{
		packages: "book/...", only: []string{"market", "book/..."},
		never: []string{"net/...", "os/..."}, // syscall: pages for its tables
		why:   "a book applies facts: it does not know where they come from or who reads it",
	},
	{
		packages: "book/match", only: []string{"market", "book"},
		why: "the matching engine is a function of its input log: it knows neither who sends orders nor who hears of trades",
	},
	{
		packages: "gateway", only: []string{"market", "codec/...", "arbiter/...", "book/..."},
		never:  append([]string{"github.com/jackc/pgx/...", "github.com/valyala/fasthttp/..."}, inputOutput...),
		except: inputOutputExcept,
		why:    "the pipeline is a function of its input: sockets, files, databases and sinks are at its edges",
	},
	{
		packages: "internal/netloop", only: []string{"market"},
		why: "sockets carry bytes: they know neither what is in them nor who reads them",
	},
	{
		packages: "internal/venue", only: []string{"market", "codec/..."},
		never: inputOutput, except: inputOutputExcept,
		why: "the simulated exchange is a function of its seed and of the times it is given: its sockets are internal/venue/livevenue's",
	},
	{
		packages: "gateway/lines", only: []string{"market", "arbiter", "gateway", "internal/netloop"},
		why: "the ingest loop joins sockets and pipelines: who publishes, records or wakes comes in as a function",
	},
	{
		packages: "gateway/providers", only: []string{"market", "arbiter", "book", "gateway", "gateway/breaker"},
		why: "the choice of a provider is a function of pipelines, ticks and verdicts: sockets and subscribers are others'",
	},
	{
		packages: "gateway/recorded", only: []string{"market", "arbiter", "gateway", "gateway/providers"},
		never: inputOutput, except: inputOutputExcept,
		why: "the description of a gateway is values in bytes: who records or replays it builds the gateway",
	},
	{
		packages: "gateway/recovery", only: []string{
			"market", "arbiter", "codec/itch50", "codec/moldudp64", "codec/pitch", "codec/pitch/recovery", "codec/sequnit",
			"codec/soupbintcp", "gateway", "gateway/breaker", "internal/clock", "internal/soup",
		},
		why: "recovery calls servers by TCP and gives a pipeline what they say: on which loop, and who records it, comes in as functions",
	},
	{
		packages: "gateway/breaker", only: []string{"market"},
		why: "a breaker is told what is seen of its subject: it does not look itself",
	},
	{
		packages: "gateway/egress", only: []string{"market", "codec/dbn", "codec/lsg", "gateway/history", "gateway/stream", "internal/bus", "internal/clock", "internal/tlsport"},
		why: "egress serves what is in the ring: it knows neither lines nor pipelines, and asks a feed for snapshots through its stream",
	},
	{
		packages: "gateway/history", only: []string{"market", "codec/dbn", "internal/bus", "sinks/entry", "sinks/journal"},
		why: "history is read from the journal: who asks for it, and how it travels, is others'",
	},
	{
		packages: "gateway/config", only: []string{"market", "arbiter", "codec/dbn", "codec/lsg", "codec/moldudp64", "gateway", "internal/bus"},
		why: "a configuration is values: who is built from them reads it, it knows none of them",
	},
	{
		packages: "gateway/admin", only: []string{
			"market", "arbiter", "book", "codec/dbn", "gateway", "gateway/lines", "gateway/stream", "gateway/egress", "gateway/history", "gateway/providers",
			"gateway/breaker", "gateway/recovery", "internal/bus", "sinks/capture", "sinks/entry", "sinks/export", "sinks/journal",
		},
		why: "who looks at the gateway knows what it looks at, and nobody there knows who looks",
	},
	{
		packages: "gateway/orders", only: []string{"market", "codec/itch50", "book/...", "sinks/journal", "internal/clock", "internal/vfs"},
		never: []string{"os/...", "net/..."},
		why:   "the gate turns requests into matched orders and keeps its promises on disk: how requests come and reports go is for those around it",
	},
	{
		packages: "gateway/orders/marketdata", only: []string{"market", "codec/moldudp64", "codec/soupbintcp", "internal/clock", "internal/vfs"},
		why: "it sends and keeps messages, whatever is in them",
	},
	{
		packages: "sinks/capture", only: []string{"market", "codec/pcap", "internal/clock", "internal/vfs", "sinks/entry", "sinks/journal"},
		why: "a recorder takes datagrams and writes files: it knows no feed",
	},
	{
		packages: "sinks/journal", only: []string{"market", "internal/vfs", "internal/clock"},
		never: []string{"os/...", "net/..."},
		why:   "the journal carries entries and does not interpret them, and reaches its files through the seam that tests can break",
	},
	{
		packages: "sinks/entry", only: []string{"market"},
		never: inputOutput, except: inputOutputExcept,
		why: "what a journal holds is bytes and values: who writes and reads them is others'",
	},
	{
		packages: "sinks/postgres", only: []string{"market", "codec/dbn", "sinks/entry", "sinks/journal", "internal/clock"},
		why: "the drainer sees of the gateway what is in the journal: it is the only road to the database",
	},
	{
		packages: "sinks/export", only: []string{"market", "codec/dbn", "internal/openfile", "sinks/entry", "sinks/journal"},
		why: "an export sees of the gateway what is in the journal",
	},
	{
		packages: "internal/pgcluster", only: []string{},
		why: "a server is a program like any other: who uses it is others'",
	},
	{
		packages: "internal/vfs/...", only: []string{"internal/vfs"},
		why: "files carry bytes: they do not know whose",
	},
	{
		packages: "internal/bus", only: []string{"market"},
		never: append([]string{"time"}, inputOutput...),
		why:   "the ring carries entries and does not interpret them: who writes, reads and wakes is its users' to know",
	},
	{
		packages: "internal/soup", only: []string{"market", "codec/itch50", "codec/soupbintcp", "internal/clock"},
		why: "a receiver over TCP hands on messages as they are: whose they are and what they say is its sink's to know",
	},
	{
		packages: "gateway/orders/ouch", only: []string{
			"market", "book/match", "codec/ouch50", "codec/soupbintcp", "gateway/orders", "internal/clock", "internal/doorman", "internal/tlsport",
		},
		why: "a protocol of order entry knows the gate and its own wire: it knows neither feeds nor subscribers, nor the other protocol",
	},
	{
		packages: "gateway/orders/web", only: []string{
			"market", "book/match", "gateway/orders", "internal/clock", "internal/doorman",
		},
		why: "a protocol of order entry knows the gate and its own wire: it knows neither feeds nor subscribers, nor the other protocol",
	},
	{
		packages: "internal/ouchclient", only: []string{"market", "codec/ouch50", "codec/soupbintcp", "internal/clock"},
		why: "the client sees of the venue what travels on the wire, so that it can judge it",
	},
	{
		packages: "internal/doorman", only: []string{"market"},
		never: []string{"os/..."},
		why:   "who is let in is a matter of addresses and times: what is behind the door is others'",
	},
	{
		packages: "internal/tlsport", only: []string{},
		why: "a port carries bytes in and out of TLS: it knows neither what is in them nor who serves them",
	},
	{
		packages: "internal/clock", only: []string{"market"},
		never: inputOutput,
		why:   "the clock tells the time and nothing else",
	},
	{
		packages: "sinks/...", never: []string{module + "gateway/..."},
		why: "a sink takes what it is given: if it knew the gateway, it could make it wait",
	},
	{
		packages: "internal/lsgclient/...", only: []string{"market", "codec/dbn", "codec/lsg"},
		why: "the client sees of the gateway what travels on the wire, so that it can judge it",
	},
	{
		packages: "internal/lsgclient/lsgtest", never: []string{module + "codec/lsg"},
		why: "the doubles of foreign clients are written from the protocol, not with our own codec: the two would share their mistakes",
	},
	{
		packages: "bench/surge", only: []string{"market", "codec/ouch50", "codec/soupbintcp", "internal/clock"},
		why: "who measures a market sees of it what travels on the wire",
	},
	{
		packages: "bench/chaos", only: []string{
			"market", "bench", "book", "codec/dbn", "codec/lsg", "codec/moldudp64", "gateway", "gateway/admin", "gateway/config",
			"internal/clock", "internal/lsgclient", "internal/netloop", "internal/venue", "internal/venue/livevenue",
		},
		why: "drills see of a gateway what its configuration says and what comes out of it, so that they can judge it",
	},
	{
		packages: "...", never: []string{module + "cmd/..."},
		why: "commands are wiring and flags: what others need belongs to a package with a name of its own",
	},
}

func importsRule(tree []*file) (problems []string) {
	for _, f := range tree {
		if f.test {
			continue
		}
		for _, l := range layers {
			if !matches(l.packages, f.dir) || matchesAny(l.but, f.dir) {
				continue
			}
			for _, i := range f.imports() {
				ours, isOurs := strings.CutPrefix(i.path, module)
				bad := matchesAny(l.never, i.path) && !matchesAny(l.except, i.path)
				if isOurs && l.only != nil {
					bad = bad || !matchesAny(l.only, ours)
				}
				if bad {
					problems = append(problems, fmt.Sprintf("%s: %s imports %s: %s", f.at(i.spec), f.dir, i.path, l.why))
				}
			}
		}
	}
	return problems
}

func TestImports(t *testing.T) { hold(t, importsRule) }

func TestImportsRuleCanFail(t *testing.T) {
	src := func(imports ...string) string {
		return "package p\n\nimport (\n\"" + strings.Join(imports, "\"\n\"") + "\"\n)\n"
	}
	try(t, importsRule,
		trial{"as it should be", map[string]string{
			"market/a.go":          src("errors", "time", "math/bits"),
			"codec/pcap/a.go":      src("io", "net/netip", "tidegate/market"),
			"arbiter/a.go":         src("tidegate/market"),
			"book/match/a.go":      src("syscall", "tidegate/market", "tidegate/book"),
			"gateway/a.go":         src("tidegate/codec/itch50", "tidegate/arbiter", "tidegate/book/match"),
			"gateway/lines/a.go":   src("net", "tidegate/gateway", "golang.org/x/sys/unix"),
			"sinks/journal/a.go":   src("io/fs", "tidegate/market", "tidegate/internal/vfs"),
			"internal/venue/a.go":  src("net/netip", "tidegate/codec/itch50"),
			"cmd/tidegate/a.go":    src("os", "net", "tidegate/gateway", "tidegate/sinks/journal"),
			"codec/pcap/a_test.go": src("os", "tidegate/internal/openfile", "tidegate/codec/dbn"),
			"bench/a.go":           src("tidegate/book", "tidegate/codec/itch50"),
		}, nil},
		trial{"market imports ours", map[string]string{"market/a.go": src("tidegate/book")}, []string{"market/a.go:4: market imports tidegate/book: market is the leaf"}},
		trial{"codec imports codec", map[string]string{"codec/iex/a.go": src("tidegate/codec/iextp")}, []string{"codec/iex/a.go:4: codec/iex imports tidegate/codec/iextp: a codec"}},
		trial{"codec imports arbiter", map[string]string{"codec/iex/a.go": src("io", "tidegate/arbiter")}, []string{"codec/iex/a.go:5: "}},
		trial{"venues share", map[string]string{
			"codec/crypto/okx/a.go":   src("tidegate/market", "tidegate/codec/crypto/depth", "tidegate/codec/crypto/wire"),
			"codec/crypto/depth/a.go": src("tidegate/codec/crypto/wire"),
		}, nil},
		trial{"venue imports venue", map[string]string{"codec/crypto/okx/a.go": src("tidegate/codec/crypto/kraken")}, []string{"codec/crypto/okx/a.go:4: "}},
		trial{"venue does input", map[string]string{"codec/crypto/okx/a.go": src("net/http")}, []string{"codec/crypto/okx/a.go:4: "}},
		trial{"what venues share imports a venue", map[string]string{
			"codec/crypto/depth/a.go": src("tidegate/codec/crypto/okx"), "codec/crypto/wire/a.go": src("tidegate/codec/crypto/depth"),
		}, []string{"codec/crypto/depth/a.go:4: ", "codec/crypto/depth/a.go:4: ", "codec/crypto/wire/a.go:4: "}},
		trial{"another codec imports what venues share", map[string]string{"codec/iex/a.go": src("tidegate/codec/crypto/wire")}, []string{"codec/iex/a.go:4: "}},
		trial{"codec imports internal", map[string]string{"codec/iex/a.go": src("tidegate/internal/openfile")}, []string{"codec/iex/a.go:4: "}},
		trial{"codec does input and output", map[string]string{"codec/iex/a.go": src("net", "net/http", "os", "os/exec", "syscall")}, []string{
			"codec/iex/a.go:4: ", "codec/iex/a.go:5: ", "codec/iex/a.go:6: ", "codec/iex/a.go:7: ", "codec/iex/a.go:8: ",
		}},
		trial{"arbiter imports book", map[string]string{"arbiter/a.go": src("tidegate/book")}, []string{"arbiter/a.go:4: "}},
		trial{"book imports codec", map[string]string{"book/a.go": src("tidegate/codec/ouch50")}, []string{"book/a.go:4: "}},
		trial{"book reads files", map[string]string{"book/a.go": src("os")}, []string{"book/a.go:4: "}},
		trial{"gateway imports sinks", map[string]string{"gateway/a.go": src("tidegate/sinks/journal")}, []string{"gateway/a.go:4: "}},
		trial{"gateway imports its edge", map[string]string{"gateway/a.go": src("tidegate/gateway/lines")}, []string{"gateway/a.go:4: "}},
		trial{"gateway opens sockets", map[string]string{"gateway/a.go": src("net", "os", "github.com/jackc/pgx/v5", "github.com/valyala/fasthttp")}, []string{
			"gateway/a.go:4: ", "gateway/a.go:5: ", "gateway/a.go:6: ", "gateway/a.go:7: ",
		}},
		trial{"sink imports gateway", map[string]string{"sinks/x/a.go": src("tidegate/gateway/replay")}, []string{"sinks/x/a.go:4: "}},
		trial{"client imports gateway", map[string]string{"internal/lsgclient/a.go": src("net", "tidegate/codec/lsg", "tidegate/gateway/egress")}, []string{"internal/lsgclient/a.go:6: "}},
		trial{"double imports our codec", map[string]string{"internal/lsgclient/lsgtest/a.go": src("tidegate/codec/dbn", "tidegate/codec/lsg")}, []string{"internal/lsgclient/lsgtest/a.go:5: "}},
		trial{"somebody imports a command", map[string]string{"internal/x/a.go": src("tidegate/cmd/tidegate")}, []string{"internal/x/a.go:4: internal/x imports tidegate/cmd/tidegate: commands are"}},
	)
}

// An owner is a package that touches a library; the rest sees our types. A library has one owner, and
// more only where each row says what else it is for.
type owner struct {
	library  string
	packages string
	why      string
}

var owners = []owner{
	{"github.com/sony/gobreaker/...", "gateway/breaker", "breakers keep time by the wall clock: one package knows, and its verdicts are inputs to all others"},
	{"github.com/sony/gobreaker/...", "sinks/postgres", "a database that fails is tried by one worker at a time; a sink may not import the gateway's breaker, which is made for ticks"},
	{"github.com/jackc/pgx/...", "sinks/postgres", "the database is sinks/postgres'"},
	{"github.com/parquet-go/parquet-go/...", "sinks/export", "Parquet is one of the formats that sinks/export writes"},
	{"github.com/gopacket/gopacket/...", "codec/pcap", "capture files are codec/pcap's"},
	{"github.com/klauspost/compress/...", "internal/openfile", "compressed files are internal/openfile's, with its limits and its errors"},
	{"github.com/klauspost/compress/zstd", "internal/lsgclient/...", "compressed sessions are unpacked by the client"},
	{"github.com/klauspost/compress/zstd", "gateway/egress", "sessions are compressed where they are served"},
	{"github.com/klauspost/compress/zstd", "sinks/journal", "finished segments are packed in frames that can be sought, where they are kept"},
	{"github.com/panjf2000/gnet/v2/...", "gateway/egress", "subscribers' sockets are egress's"},
	{"github.com/panjf2000/gnet/v2/...", "gateway/orders/ouch", "so are those of OUCH's clients ouch's"},
	{"github.com/valyala/fasthttp/...", "gateway/orders/web", "orders by HTTP are gateway/orders/web's"},
	{"github.com/alecthomas/kong/...", "cmd/tidegate", "flags are read by the command alone"},
	{"github.com/schollz/progressbar/v3/...", "cmd/tidegate", "what a person sees is the command's"},
	{"golang.org/x/term/...", "cmd/tidegate", "what a person sees is the command's"},
	{"github.com/goccy/go-yaml/...", "gateway/config", "configurations are gateway/config's"},
	{"golang.org/x/sys/...", "internal/netloop", "system calls of the network are internal/netloop's"},
	{"github.com/valyala/fasthttp/...", "internal/venue/livevenue", "the control endpoint of the simulated exchange is its own"},
	{"github.com/HdrHistogram/hdrhistogram-go/...", "bench", "how long one operation takes is the bench's to report"},
	{"github.com/HdrHistogram/hdrhistogram-go/...", "bench/live", "latencies are the bench's to report"},
	{"github.com/HdrHistogram/hdrhistogram-go/...", "bench/surge", "and how long orders took, the surge's"},
	{"github.com/HdrHistogram/hdrhistogram-go/...", "bench/chaos", "how long a gateway took is the drills' to report"},
	{"golang.org/x/sys/unix", "bench/chaos", "the relay of the drills sleeps until a packet is due, to a fraction of a millisecond"},
	{"gonum.org/v1/plot/...", "bench/live", "plots are the bench's"},
	{"github.com/nats-io/nats-server/...", "bench/live", "the rival in fan-out runs in the bench only"},
	{"github.com/nats-io/nats.go/...", "bench/live", "the rival in fan-out runs in the bench only"},
	{"golang.org/x/sys/...", "bench/live", "the relay, the subscribers and the shared clock of the bench are bare system calls"},
	{"github.com/HdrHistogram/hdrhistogram-go/...", "gateway/admin", "latencies of a running gateway are gateway/admin's to report"},
	{"github.com/HdrHistogram/hdrhistogram-go/...", "gateway/orders", "how long requests wait in lanes is known where the lanes are"},
	{"github.com/prometheus/...", "gateway/admin", "metrics are gateway/admin's"},
	{"github.com/valyala/fasthttp/...", "gateway/admin", "HTTP for those who run the gateway is gateway/admin's"},
	{"github.com/HdrHistogram/hdrhistogram-go/...", "cmd/tidegate", "how long requests have waited in lanes is added up where it is reported"},
	{"golang.org/x/sys/unix", "cmd/tidegate", "which processor a thread runs on is the command's to say"},
}

func ownersRule(tree []*file) (problems []string) {
	for _, f := range tree {
		if f.test {
			continue
		}
		for _, i := range f.imports() {
			first, _, _ := strings.Cut(i.path, "/")
			if !strings.Contains(first, ".") {
				continue // the standard library's, or ours
			}
			if why := strangeTo(f.dir, i.path); why != "" {
				problems = append(problems, fmt.Sprintf("%s: %s imports %s: %s", f.at(i.spec), f.dir, i.path, why))
			}
		}
	}
	return problems
}

// strangeTo says why a package may not import a library, or nothing if it may.
func strangeTo(dir, library string) string {
	var may []string
	for _, o := range owners {
		if !matches(o.library, library) {
			continue
		}
		if matches(o.packages, dir) {
			return ""
		}
		may = append(may, fmt.Sprintf("%s may: %s", o.packages, o.why))
	}
	if may == nil {
		return "the library has no owner: give it one package that touches it, and a row in this test"
	}
	return "only " + strings.Join(may, "; ")
}

func TestLibrariesHaveOneOwner(t *testing.T) { hold(t, ownersRule) }

func TestOwnersRuleCanFail(t *testing.T) {
	try(t, ownersRule,
		trial{"as it should be", map[string]string{
			"internal/openfile/a.go":  `package p; import "github.com/klauspost/compress/zstd"`,
			"internal/lsgclient/a.go": `package p; import "github.com/klauspost/compress/zstd"`,
			"cmd/tidegate/a.go":       `package p; import ("github.com/alecthomas/kong"; "github.com/schollz/progressbar/v3"; "golang.org/x/term")`,
			"bench/live/a.go":         `package p; import ("fmt"; "tidegate/book"; "github.com/HdrHistogram/hdrhistogram-go")`,
			"book/a_test.go":          `package p; import "pgregory.net/rapid"`,
		}, nil},
		trial{"another package", map[string]string{
			"codec/dbn/a.go": `package p; import "github.com/klauspost/compress/zstd"`,
		}, []string{"codec/dbn/a.go:1: codec/dbn imports github.com/klauspost/compress/zstd: only internal/openfile may"}},
		trial{"another part of a library than the second owner's", map[string]string{
			"internal/lsgclient/a.go": `package p; import "github.com/klauspost/compress/s2"`,
		}, []string{"internal/lsgclient/a.go:1: internal/lsgclient imports github.com/klauspost/compress/s2: only internal/openfile may"}},
		trial{"below the owner is another package", map[string]string{
			"cmd/tidegate/x/a.go": `package p; import "github.com/alecthomas/kong"`,
		}, []string{"cmd/tidegate/x/a.go:1: "}},
		trial{"nobody's", map[string]string{
			"bench/a.go": `package p; import "example.com/left/pad"`,
		}, []string{"bench/a.go:1: bench imports example.com/left/pad: the library has no owner"}},
	)
}
