package crypto_test

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/valyala/fastjson"

	"tidegate/codec/crypto/binance"
	"tidegate/codec/crypto/bitstamp"
	"tidegate/codec/crypto/bybit"
	"tidegate/codec/crypto/capture"
	"tidegate/codec/crypto/coinbase"
	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/kraken"
	"tidegate/codec/crypto/okx"
	"tidegate/market"
)

// What a delta says, as far as all three decoders of the comparison give it: whose it is, and each level.
type change struct {
	symbol string
	levels []priced
}

type priced struct {
	side  market.Side
	price market.Price
	size  market.Size
}

// add takes the texts that the other decoders give.
func (c *change) add(side market.Side, price, size []byte) {
	c.levels = append(c.levels, priced{side, market.Price(fixed(price, 9)), market.Size(fixed(size, 8))})
}

// fixed makes a whole number of units of 10^-scale of a text, as one does it who has a text: digit by digit.
func fixed(text []byte, scale int) int64 {
	n, decimals, point := int64(0), 0, false
	for _, c := range text {
		if c == '.' {
			point = true
			continue
		}
		if c < '0' || c > '9' {
			panic(string(text))
		}
		n = n*10 + int64(c-'0')
		if point {
			decimals++
		}
	}
	for ; decimals < scale; decimals++ {
		n *= 10
	}
	return n
}

// A contest is a venue's deltas, and how others decode them.
type contest struct {
	venue   string
	file    string
	raw     bool // of the hftbacktest form
	decoder func(*depth.Directory) decoder
	std     func(b []byte, c *change) error
	fast    func(v *fastjson.Value, c *change)
}

// Levels as most venues send them.
type pairs [][]string

func (p pairs) add(side market.Side, c *change) {
	for _, l := range p {
		c.add(side, []byte(l[0]), []byte(l[1]))
	}
}

func fastPairs(levels []*fastjson.Value, side market.Side, c *change) {
	for _, l := range levels {
		a := l.GetArray()
		c.add(side, a[0].GetStringBytes(), a[1].GetStringBytes())
	}
}

func stdBinance(b []byte, c *change) error {
	var m struct {
		Data struct {
			Event  string `json:"e"` // else it is taken for E
			Symbol string `json:"s"`
			First  int64  `json:"U"`
			Last   int64  `json:"u"`
			Sent   int64  `json:"E"`
			Bids   pairs  `json:"b"`
			Asks   pairs  `json:"a"`
		}
	}
	err := json.Unmarshal(b, &m)
	c.symbol = m.Data.Symbol
	m.Data.Bids.add(market.Bid, c)
	m.Data.Asks.add(market.Ask, c)
	return err
}

func fastBinance(v *fastjson.Value, c *change) {
	d := v.Get("data")
	c.symbol = string(d.GetStringBytes("s"))
	_, _, _ = d.GetInt64("U"), d.GetInt64("u"), d.GetInt64("E")
	fastPairs(d.GetArray("b"), market.Bid, c)
	fastPairs(d.GetArray("a"), market.Ask, c)
}

var contests = []contest{
	{
		"binance", "crypto/binance-raw/spot_btcusdt_20240808.gz", true,
		func(d *depth.Directory) decoder { return binance.NewDecoder(d) }, stdBinance, fastBinance,
	},
	{
		"coinbase", "crypto/coinbase/COINBASE.ws.28.0", false,
		func(d *depth.Directory) decoder { return coinbase.NewDecoder(d) },
		func(b []byte, c *change) error {
			var m struct {
				Product string `json:"product_id"`
				Time    string
				Changes [][3]string
			}
			err := json.Unmarshal(b, &m)
			c.symbol = m.Product
			for _, l := range m.Changes {
				side := market.Bid
				if l[0] == "sell" {
					side = market.Ask
				}
				c.add(side, []byte(l[1]), []byte(l[2]))
			}
			return err
		},
		func(v *fastjson.Value, c *change) {
			c.symbol = string(v.GetStringBytes("product_id"))
			_ = v.GetStringBytes("time")
			for _, l := range v.GetArray("changes") {
				a := l.GetArray()
				side := market.Bid
				if string(a[0].GetStringBytes()) == "sell" {
					side = market.Ask
				}
				c.add(side, a[1].GetStringBytes(), a[2].GetStringBytes())
			}
		},
	},
	{
		"kraken", "crypto/kraken/KRAKEN.ws.50.0", false,
		func(d *depth.Directory) decoder { return kraken.NewDecoder(d) },
		func(b []byte, c *change) error {
			var all []json.RawMessage
			if err := json.Unmarshal(b, &all); err != nil {
				return err
			}
			for _, part := range all[1 : len(all)-2] {
				var m struct {
					Bids pairs  `json:"b"`
					Asks pairs  `json:"a"`
					Sum  string `json:"c"`
				}
				if err := json.Unmarshal(part, &m); err != nil {
					return err
				}
				m.Asks.add(market.Ask, c)
				m.Bids.add(market.Bid, c)
			}
			return json.Unmarshal(all[len(all)-1], &c.symbol)
		},
		func(v *fastjson.Value, c *change) {
			all := v.GetArray()
			for _, m := range all[1 : len(all)-2] {
				_ = m.GetStringBytes("c")
				fastPairs(m.GetArray("a"), market.Ask, c)
				fastPairs(m.GetArray("b"), market.Bid, c)
			}
			c.symbol = string(all[len(all)-1].GetStringBytes())
		},
	},
	{
		"okx", "crypto/okx/OKX.ws.1.0", false,
		func(d *depth.Directory) decoder { return okx.NewDecoder(d) },
		func(b []byte, c *change) error {
			var m struct {
				Arg  struct{ InstID string }
				Data []struct {
					Bids, Asks pairs
					Ts         string
					Checksum   int32
				}
			}
			err := json.Unmarshal(b, &m)
			c.symbol = m.Arg.InstID
			for i := range m.Data {
				m.Data[i].Asks.add(market.Ask, c)
				m.Data[i].Bids.add(market.Bid, c)
			}
			return err
		},
		func(v *fastjson.Value, c *change) {
			c.symbol = string(v.GetStringBytes("arg", "instId"))
			for _, m := range v.GetArray("data") {
				_, _ = m.GetStringBytes("ts"), m.GetInt64("checksum")
				fastPairs(m.GetArray("asks"), market.Ask, c)
				fastPairs(m.GetArray("bids"), market.Bid, c)
			}
		},
	},
	{
		"bybit", "crypto/bybit/BYBIT.ws.25.0", false,
		func(d *depth.Directory) decoder { return bybit.NewDecoder(d) },
		func(b []byte, c *change) error {
			type level struct {
				Price, Side string
				Size        json.Number
			}
			var m struct {
				Topic string
				Data  struct{ Delete, Update, Insert []level }
				Seq   json.Number `json:"cross_seq"`
				At    json.Number `json:"timestamp_e6"`
			}
			err := json.Unmarshal(b, &m)
			_, c.symbol, _ = strings.Cut(m.Topic, ".")
			for _, list := range [...][]level{m.Data.Delete, m.Data.Update, m.Data.Insert} {
				for _, l := range list {
					side := market.Bid
					if l.Side == "Sell" {
						side = market.Ask
					}
					if l.Size == "" {
						l.Size = "0"
					}
					c.add(side, []byte(l.Price), []byte(l.Size))
				}
			}
			return err
		},
		func(v *fastjson.Value, c *change) {
			_, c.symbol, _ = strings.Cut(string(v.GetStringBytes("topic")), ".")
			_, _ = v.GetStringBytes("cross_seq"), v.GetStringBytes("timestamp_e6")
			var number []byte
			for _, key := range [...]string{"delete", "update", "insert"} {
				for _, l := range v.GetArray("data", key) {
					side := market.Bid
					if string(l.GetStringBytes("side")) == "Sell" {
						side = market.Ask
					}
					if number = append(number[:0], '0'); l.Exists("size") {
						number = l.Get("size").MarshalTo(number[:0]) // the text of a number
					}
					c.add(side, l.GetStringBytes("price"), number)
				}
			}
		},
	},
	{
		"bitstamp", "crypto/bitstamp/BITSTAMP.ws.1.0", false,
		func(d *depth.Directory) decoder { return bitstamp.NewDecoder(d) },
		func(b []byte, c *change) error {
			var m struct {
				Channel string
				Data    struct {
					Micros     string `json:"microtimestamp"`
					Bids, Asks pairs
				}
			}
			err := json.Unmarshal(b, &m)
			c.symbol = m.Channel[strings.LastIndexByte(m.Channel, '_')+1:]
			m.Data.Bids.add(market.Bid, c)
			m.Data.Asks.add(market.Ask, c)
			return err
		},
		func(v *fastjson.Value, c *change) {
			channel := string(v.GetStringBytes("channel"))
			c.symbol = channel[strings.LastIndexByte(channel, '_')+1:]
			d := v.Get("data")
			_ = d.GetStringBytes("microtimestamp")
			fastPairs(d.GetArray("bids"), market.Bid, c)
			fastPairs(d.GetArray("asks"), market.Ask, c)
		},
	},
}

// load returns the first deltas of a contest, at most so many, and a decoder that knows their instruments.
func (k *contest) load(t testing.TB, most int) (texts [][]byte, d decoder) {
	parse := capture.Parse
	if k.raw {
		parse = capture.ParseReceived
	}
	directory := depth.NewDirectory(publisher)
	d = k.decoder(directory)
	var p fastjson.Parser
	var m depth.Message
	lines(t, k.file, func(b []byte) {
		if len(texts) == most {
			return
		}
		l, err := parse(slices.Clone(b))
		if err != nil {
			t.Fatal(err)
		}
		if l.Kind != capture.Received || strings.Contains(string(l.Text), "lastUpdateId") {
			return
		}
		if d.Decode(l.Text, &m); m.Kind != depth.Delta && m.Kind != depth.Other {
			return
		}
		// A message that is of no instrument yet, but would be a delta of the one that the others see.
		v, err := p.ParseBytes(l.Text)
		if err != nil {
			t.Fatal(err)
		}
		var c change
		if m.Kind == depth.Other {
			if !k.names(v, &c) || directory.Find([]byte(c.symbol)) != nil {
				return
			}
			if _, err := directory.Add(depth.Instrument{ID: 1, Symbol: c.symbol, SizeScale: 8}); err != nil {
				t.Fatal(err)
			}
			if d.Decode(l.Text, &m); m.Kind != depth.Delta {
				return
			}
		}
		texts = append(texts, l.Text)
	})
	if len(texts) < 100 {
		t.Fatalf("%s: %d deltas", k.file, len(texts))
	}
	return texts, d
}

// names reports whether the other decoder finds a symbol in a message of any kind.
func (k *contest) names(v *fastjson.Value, c *change) (ok bool) {
	defer func() {
		if recover() != nil {
			ok = false
		}
	}()
	k.fast(v, c)
	return c.symbol != ""
}

// ours gives a message of our decoder as the others give theirs.
func ours(m *depth.Message, c *change) {
	c.symbol = m.Instrument.Symbol
	for _, l := range m.Levels {
		c.levels = append(c.levels, priced{l.Side, l.Price, l.Size})
	}
}

// TestDecodersAgree checks that the three decoders of BenchmarkDepth give the same levels.
func TestDecodersAgree(t *testing.T) {
	for _, k := range contests {
		t.Run(k.venue, func(t *testing.T) { k.agree(t, 1000) })
	}
}

func (k *contest) agree(t testing.TB, most int) (texts [][]byte, d decoder) {
	t.Helper()
	texts, d = k.load(t, most)
	var m depth.Message
	var p fastjson.Parser
	for _, b := range texts {
		var mine, std, fast change
		if v := d.Decode(b, &m); v != market.Applied || m.Beyond > 0 {
			t.Fatalf("%.100s: %v", b, v)
		}
		ours(&m, &mine)
		if err := k.std(b, &std); err != nil {
			t.Fatalf("%.100s: %v", b, err)
		}
		v, err := p.ParseBytes(b)
		if err != nil {
			t.Fatalf("%.100s: %v", b, err)
		}
		k.fast(v, &fast)
		for name, other := range map[string]change{"encoding/json": std, "fastjson": fast} {
			if mine.symbol != other.symbol || !slices.Equal(mine.levels, other.levels) {
				t.Fatalf("%.100s: %+v, %s: %+v", b, mine, name, other)
			}
		}
	}
	return texts, d
}

// processorNanos returns the processor time that the process has taken, which tells more than the clock
// where others use the machine too. It counts the collector's.
func processorNanos(t testing.TB) int64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return u.Utime.Nano() + u.Stime.Nano()
}

// BenchmarkDepth decodes the deltas of each venue's recording, from the text to prices and sizes, with our
// decoder, encoding/json and fastjson, after having checked that they give the same. Nanoseconds of processor
// time a message (2 shared cores of a Xeon, go1.26.8, November 2026; 10 others waiting for them):
//
//	          tidegate  encoding/json  fastjson
//	binance       1056          25891      4111
//	coinbase       115           2287       359
//	kraken         131           4596       401
//	okx           1124          25562      3463
//	bybit          699          11437      2346
//	bitstamp       213           4738       702
func BenchmarkDepth(b *testing.B) {
	for _, k := range contests {
		texts, d := k.agree(b, math.MaxInt)
		total := 0
		for _, text := range texts {
			total += len(text)
		}
		run := func(name string, decode func(text []byte) (levels int)) {
			b.Run(fmt.Sprintf("%s/%s", k.venue, name), func(b *testing.B) {
				want := 0
				for _, text := range texts {
					want += decode(text)
				}
				b.SetBytes(int64(total))
				b.ReportAllocs()
				before := processorNanos(b)
				for b.Loop() {
					got := 0
					for _, text := range texts {
						got += decode(text)
					}
					if got != want {
						b.Fatalf("%d levels, want %d", got, want)
					}
				}
				b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(texts)), "ns/message")
				b.ReportMetric(float64(processorNanos(b)-before)/float64(b.N*len(texts)), "cpu-ns/message")
			})
		}
		var m depth.Message
		run("tidegate", func(text []byte) int {
			d.Decode(text, &m)
			return len(m.Levels)
		})
		var c change
		run("encoding-json", func(text []byte) int {
			c.levels = c.levels[:0]
			if err := k.std(text, &c); err != nil {
				b.Fatal(err)
			}
			return len(c.levels)
		})
		var p fastjson.Parser
		run("fastjson", func(text []byte) int {
			c.levels = c.levels[:0]
			v, err := p.ParseBytes(text)
			if err != nil {
				b.Fatal(err)
			}
			k.fast(v, &c)
			return len(c.levels)
		})
	}
}
