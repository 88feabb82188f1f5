package bench

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidegate/book"
	"tidegate/book/booktest"
	"tidegate/codec/itch50"
	"tidegate/market"
)

// small is a day that fits a test.
var small = ITCHConfig{Seed: 7, Messages: 60_000, Symbols: 50, Live: 5_000, Profile: Near}

func generate(t testing.TB, cfg ITCHConfig) ([]byte, Truth) {
	t.Helper()
	var b bytes.Buffer
	truth, err := WriteITCH(&b, cfg, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), truth
}

func writeDay(t testing.TB, cfg ITCHConfig) (path string, truth Truth) {
	t.Helper()
	b, truth := generate(t, cfg)
	path = filepath.Join(t.TempDir(), "day.itch")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path, truth
}

func TestSameSeedSameDay(t *testing.T) {
	first, truth := generate(t, small)
	second, again := generate(t, small)
	if sha256.Sum256(first) != sha256.Sum256(second) || truth.EndSum != again.EndSum {
		t.Error("two days from one seed differ")
	}
	other := small
	other.Seed++
	if third, _ := generate(t, other); bytes.Equal(first, third) {
		t.Error("two days from different seeds are equal")
	}
	if int64(len(first)) != truth.Bytes {
		t.Errorf("the day has %d bytes, the truth says %d", len(first), truth.Bytes)
	}
}

// TestDayAgreesWithPlainBooks reads a day with the file reader and plays it into the plain twin, which
// shares neither code with the generator nor with the books that are measured.
func TestDayAgreesWithPlainBooks(t *testing.T) {
	for _, profile := range []Profile{Near, Deep} {
		cfg := ITCHConfig{Seed: 3, Messages: 6_000, Symbols: 40, Live: 600, Profile: profile}
		day, truth := generate(t, cfg)
		r := itch50.NewFileReader(bytes.NewReader(day))
		fast, plain := book.NewByOrder(book.ByOrderConfig{}), booktest.NewByOrder()
		var d itch50.Decoder
		var messages, live int
		byType := map[string]int{}
		for {
			msg, err := r.Next()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				t.Fatal(err)
			}
			messages++
			byType[string(msg[:1])]++
			var u market.Update
			switch v := d.Decode(msg, &u); v {
			case market.Applied:
			case market.Cold:
				continue
			default:
				t.Fatalf("%s: message %d is %v", profile, messages, v)
			}
			copied := u
			if v := plain.Apply(&u).Verdict; v.Fault() {
				t.Fatalf("%s: message %d: verdict %v", profile, messages, v)
			}
			fast.Apply(&copied)
			live = max(live, plain.Len())
		}
		if !r.Ended() {
			t.Errorf("%s: the day has no end marker", profile)
		}
		if messages != cfg.Messages || live != truth.PeakLive || plain.Len() != truth.EndLive {
			t.Errorf("%s: %d messages, %d orders at the peak, %d at the end; want %d, %d, %d",
				profile, messages, live, plain.Len(), cfg.Messages, truth.PeakLive, truth.EndLive)
		}
		if len(byType) != len(truth.ByType) {
			t.Errorf("%s: messages by type %v, want %v", profile, byType, truth.ByType)
		}
		for typ, n := range truth.ByType {
			if byType[typ] != n {
				t.Errorf("%s: %d messages of type %s, want %d", profile, byType[typ], typ, n)
			}
		}
		if got, want := fast.HashAll(), plain.HashAll(); got != want {
			t.Errorf("%s: hash of the books %x, want %x", profile, got, want)
		}
		if err := checkBooks(fast, &truth); err != nil {
			t.Errorf("%s: %v", profile, err)
		}
	}
}

func TestDayHasTheAnnouncedShape(t *testing.T) {
	_, truth := generate(t, ITCHConfig{Seed: 1, Messages: 400_000, Symbols: 200, Live: 20_000, Profile: Near})
	share := func(types string) float64 {
		n := 0
		for _, typ := range types {
			n += truth.ByType[string(typ)]
		}
		return 100 * float64(n) / float64(truth.Messages)
	}
	for _, want := range []struct {
		types    string
		low, top float64
	}{{"AF", 41, 47}, {"D", 38, 42}, {"U", 6, 8}, {"EC", 2, 3}, {"X", 1, 2}, {"P", 3, 5}} {
		if got := share(want.types); got < want.low || got > want.top {
			t.Errorf("%s are %.1f %% of the messages, want %.0f to %.0f", want.types, got, want.low, want.top)
		}
	}
	if truth.PeakLive < 20_000 || truth.EndLive < 18_000 {
		t.Errorf("%d orders at the peak, %d at the end, want about 20000", truth.PeakLive, truth.EndLive)
	}
}

func TestRunBook(t *testing.T) {
	for _, profile := range []Profile{Near, Deep} {
		cfg := small
		cfg.Profile = profile
		path, truth := writeDay(t, cfg)
		seen := 0
		r, err := RunBook(context.Background(), Options{
			Path: path, Runs: 3, Truth: &truth, Progress: func(run int, _ int64) { seen = max(seen, run+1) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Checked || r.Messages != truth.Messages || r.Bytes != truth.Bytes || r.EndLive != truth.EndLive ||
			len(r.Runs) != 3 || seen != 3 || r.BBOChanges == 0 {
			t.Errorf("report %+v, progress of %d runs", r, seen)
		}
		if r.Min <= 0 || r.Median < r.Min || r.Max < r.Median {
			t.Errorf("median %f, min %f, max %f", r.Median, r.Min, r.Max)
		}
		if r.Verdicts["applied"]+r.Verdicts["ignored"]+r.Verdicts["cold"] != truth.Messages {
			t.Errorf("verdicts %v do not add up to %d", r.Verdicts, truth.Messages)
		}
		var text, doc bytes.Buffer
		if err := r.WriteText(&text); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(text.String(), r.Hash) || !strings.Contains(text.String(), "agrees with") {
			t.Errorf("text does not show the result:\n%s", &text)
		}
		if err := r.WriteJSON(&doc); err != nil {
			t.Fatal(err)
		}
		var back Report
		if err := json.Unmarshal(doc.Bytes(), &back); err != nil || back.Hash != r.Hash || back.Input.EndSum != truth.EndSum {
			t.Errorf("report from JSON: %+v, %v", back, err)
		}
	}
}

func TestRunsFailOnWrongResults(t *testing.T) {
	path, truth := writeDay(t, small)
	for name, falsify := range map[string]func(*Truth){
		"orders": func(t *Truth) { t.EndLive++ },
		"shares": func(t *Truth) { t.EndSize++ },
		"sum":    func(t *Truth) { t.EndSum++ },
	} {
		wrong := truth
		falsify(&wrong)
		if _, err := RunBook(context.Background(), Options{Path: path, Runs: 1, Truth: &wrong}); err == nil {
			t.Errorf("wrong %s: no error", name)
		}
	}
	wrong := truth
	wrong.Messages++
	if _, err := RunDecode(context.Background(), Options{Path: path, Runs: 1, Truth: &wrong}); err == nil {
		t.Error("wrong number of messages: no error")
	}
	day, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, day[:len(day)-5], 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := RunDecode(context.Background(), Options{Path: path, Runs: 1}); err == nil {
		t.Error("a file that ends inside a message: no error")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := RunBook(context.Background(), Options{Path: path, Runs: 1}); err == nil {
		t.Error("an empty file: no error")
	}
}

func TestRunDecode(t *testing.T) {
	path, truth := writeDay(t, small)
	r, err := RunDecode(context.Background(), Options{Path: path, Runs: 2, Truth: &truth})
	if err != nil || !r.Checked || r.Messages != truth.Messages {
		t.Errorf("report %+v, %v", r, err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := RunDecode(ctx, Options{Path: path, Runs: 1}); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled run: %v", err)
	}
}

// BenchmarkDecode and BenchmarkBook process a day of 400,000 messages per operation.
func BenchmarkDecode(b *testing.B) { benchmark(b, func(*Truth) processor { return &decodeOnly{} }) }

func BenchmarkBook(b *testing.B) {
	benchmark(b, func(truth *Truth) processor {
		return &bookRun{books: book.NewByOrder(book.ByOrderConfig{
			OrdersExpected: truth.PeakLive, InstrumentsExpected: truth.Symbols,
		})}
	})
}

func benchmark(b *testing.B, make func(*Truth) processor) {
	day, truth := generate(b, ITCHConfig{Seed: 1, Messages: 400_000, Symbols: 2_000, Live: 100_000, Profile: Near})
	p := make(&truth)
	b.SetBytes(int64(len(day)))
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		p.reset()
		b.StartTimer()
		if n := p.process(day); n != len(day)-2 {
			b.Fatalf("processed %d bytes, want %d", n, len(day)-2)
		}
	}
	messages, hash := p.result()
	if messages != truth.Messages {
		b.Fatalf("%d messages, want %d; hash %x", messages, truth.Messages, hash)
	}
	if run, ok := p.(*bookRun); ok {
		if err := checkBooks(run.books, &truth); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/float64(messages), "ns/message")
}
