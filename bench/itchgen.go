package bench

import (
	"bufio"
	"fmt"
	"io"
	"math"
	"math/rand/v2"

	"tidegate/codec/itch50"
)

// A Profile says how far from the middle of the market orders are placed.
type Profile string

// Profiles.
const (
	// Near has 96 of 100 orders within 50 ticks of the middle, and a quarter within 2, as in a liquid
	// stock.
	Near Profile = "near"
	// Deep has 60 of 100 orders within 50 ticks; the others spread to 2,000 ticks.
	Deep Profile = "deep"
)

// ITCHConfig describes a generated day. The same configuration gives the same bytes.
type ITCHConfig struct {
	Seed     uint64  `json:"seed"`
	Messages int     `json:"messages"` // at least 4 times Symbols
	Symbols  int     `json:"symbols"`  // 1 to 65,535
	Live     int     `json:"live"`     // orders that live at a time once the market has filled
	Profile  Profile `json:"profile"`
}

// DefaultITCH is the day that published figures are about.
var DefaultITCH = ITCHConfig{Seed: 1, Messages: 30_000_000, Symbols: 8_000, Live: 1_150_000, Profile: Near}

// Validate says what is wrong with c.
func (c ITCHConfig) Validate() error {
	switch {
	case c.Symbols < 1 || c.Symbols > 65_535:
		return fmt.Errorf("generated day: symbols %d: want 1 to 65535", c.Symbols)
	case c.Messages < 4*c.Symbols:
		return fmt.Errorf("generated day: messages %d: want at least 4 times symbols, %d", c.Messages, 4*c.Symbols)
	case c.Live < 0:
		return fmt.Errorf("generated day: live %d: want 0 or more", c.Live)
	case c.Profile != Near && c.Profile != Deep:
		return fmt.Errorf("generated day: profile %q: want %q or %q", c.Profile, Near, Deep)
	}
	return nil
}

// Truth is what the generator knows about the day it wrote.
type Truth struct {
	ITCHConfig
	Bytes    int64          `json:"bytes"`
	ByType   map[string]int `json:"by_type"` // messages by type letter
	PeakLive int            `json:"peak_live"`
	EndLive  int            `json:"end_live"`
	EndSize  uint64         `json:"end_size"` // shares of the orders that live at the end
	EndSum   uint64         `json:"end_sum"`  // sum of orderSum over them
}

// orderSum is a fingerprint of one order. Their sum does not depend on any order of calculation, so
// the generator can keep it by adding and subtracting, and a book by walking over what it has.
func orderSum(locate uint16, id uint64, buy bool, price, shares uint32) uint64 {
	x := id*0x9E3779B97F4A7C15 ^ uint64(locate)<<48
	if buy {
		x = ^x
	}
	x = (x ^ x>>29) * 0xBF58476D1CE4E5B9
	x ^= uint64(price)<<32 | uint64(shares)
	x = (x ^ x>>32) * 0x94D049BB133111EB
	return x ^ x>>31
}

// WriteITCH writes a generated day to w and returns the truth about it. It does not hold the day in
// memory. progress, if not nil, is called now and then with the number of messages so far.
//
// The day opens with a directory entry and a trading action per symbol, fills up with orders, and
// then goes on with about 43 % adds, 41 % deletes, 7 % replaces, 2.6 % executions, 1.6 % partial
// cancels and otherwise trades against hidden orders. Activity is skewed: the busiest of 8,000
// symbols gets 1.5 % of the messages. Which symbol comes next is drawn anew for every message, which
// is harder on a processor's caches than a real day with its bursts. Young orders go first (see pick).
// One symbol in 32 trades below a dollar in hundredths of a cent. One order in 1,000 is a stub quote
// at 0.01 or 199,999.99. References are always to live orders; books may be crossed for a while.
func WriteITCH(w io.Writer, cfg ITCHConfig, progress func(messages int)) (Truth, error) {
	if err := cfg.Validate(); err != nil {
		return Truth{}, err
	}
	g := newGenerator(w, cfg)
	g.open()
	for g.messages < cfg.Messages-1 && g.err == nil {
		g.step()
		if progress != nil && g.messages%(1<<18) == 0 {
			progress(g.messages)
		}
	}
	g.systemEvent('C') // end of messages
	g.b = itch50.AppendEnd(g.b[:0])
	g.write(g.b)
	if err := g.w.Flush(); g.err == nil {
		g.err = err
	}
	if g.err != nil {
		return Truth{}, fmt.Errorf("generated day: write message %d: %w", g.messages, g.err)
	}
	if progress != nil {
		progress(g.messages)
	}
	for typ, n := range g.byType {
		if n > 0 {
			g.truth.ByType[string(rune(typ))] = n
		}
	}
	g.truth.EndLive = g.live
	return g.truth, nil
}

type generator struct {
	cfg   ITCHConfig
	w     *bufio.Writer
	err   error
	rand  *rand.PCG
	truth Truth

	symbols  []genSymbol
	active   []uint16 // symbols, each as often as it is active
	settled  []uint16 // symbols, each as often as it has orders once the market has filled
	filling  bool
	live     int
	messages int
	byType   [256]int

	ts       uint64
	meanStep uint64 // mean nanoseconds between messages
	id       uint64
	match    uint64
	b        []byte // scratch for a message
	frame    []byte // scratch for a message with its length
}

type genSymbol struct {
	stock  itch50.Symbol
	locate uint16
	mid    int64 // in ticks
	tick   int64 // in 1e-4
	target int   // orders once the market has filled
	adds   int
	orders []genOrder
}

type genOrder struct {
	id     uint64
	price  uint32 // 1e-4
	shares uint32
	buy    bool
}

func newGenerator(w io.Writer, cfg ITCHConfig) *generator {
	g := &generator{
		cfg:      cfg,
		w:        bufio.NewWriterSize(w, 1<<20),
		rand:     rand.NewPCG(cfg.Seed, 0x7469646567617465),
		truth:    Truth{ITCHConfig: cfg, ByType: map[string]int{}},
		symbols:  make([]genSymbol, cfg.Symbols),
		filling:  true,
		ts:       4 * 3600 * 1e9,
		meanStep: 16 * 3600 * 1e9 / uint64(cfg.Messages),
		b:        make([]byte, 0, 64),
		frame:    make([]byte, 0, 64),
	}
	activity := make([]float64, cfg.Symbols)
	settled := make([]float64, cfg.Symbols)
	var sum float64
	for i := range activity {
		activity[i] = 1 / float64(i+10)
		settled[i] = math.Pow(activity[i], 0.7)
		sum += settled[i]
	}
	g.active, g.settled = lottery(activity), lottery(settled)
	for i := range g.symbols {
		s := &g.symbols[i]
		*s = genSymbol{
			locate: uint16(i + 1),
			tick:   100,
			mid:    500 + int64(g.below(20_000)),
			target: int(settled[i] / sum * float64(cfg.Live)),
		}
		copy(s.stock[:], fmt.Sprintf("T%-7d", i+1))
		if i%32 == 31 {
			s.tick, s.mid = 1, 2_000+int64(g.below(7_000))
		}
	}
	return g
}

// lottery returns a table in which each index is about as often as its weight says, and at least
// once.
func lottery(weights []float64) []uint16 {
	const tickets = 1 << 18
	var sum float64
	for _, w := range weights {
		sum += w
	}
	table := make([]uint16, 0, tickets+len(weights))
	for i, w := range weights {
		for range 1 + int(w/sum*tickets) {
			table = append(table, uint16(i))
		}
	}
	return table
}

// below returns a number from 0 to n-1.
func (g *generator) below(n int) int {
	return int((g.rand.Uint64() >> 32) * uint64(n) >> 32)
}

// float returns a number from 0 to below 1.
func (g *generator) float() float64 { return float64(g.rand.Uint64()>>11) / (1 << 53) }

// open writes the start of the day.
func (g *generator) open() {
	g.systemEvent('O') // start of messages
	for i := range g.symbols {
		s := &g.symbols[i]
		m := itch50.StockDirectory{Header: g.header(s.locate), Stock: s.stock}
		m.MarketCategory, m.FinancialStatus, m.RoundLotSize, m.RoundLotsOnly = 'Q', 'N', 100, 'N'
		m.IssueClassification, m.Authenticity, m.ShortSaleThreshold = 'C', 'P', 'N'
		m.IPO, m.LULDReferencePriceTier, m.ETP, m.Inverse = 'N', '1', 'N', 'N'
		copy(m.IssueSubType[:], "Z ")
		g.b = m.Append(g.b[:0])
		g.emit()
	}
	for i := range g.symbols {
		s := &g.symbols[i]
		m := itch50.TradingAction{Header: g.header(s.locate), Stock: s.stock, State: 'T'}
		copy(m.Reason[:], "    ")
		g.b = m.Append(g.b[:0])
		g.emit()
	}
	g.systemEvent('Q') // start of market hours
}

// step writes one message.
func (g *generator) step() {
	if g.filling {
		s := &g.symbols[g.settled[g.below(len(g.settled))]]
		if g.below(10) < 8 || len(s.orders) == 0 {
			g.add(s)
		} else {
			g.delete(s)
		}
		g.filling = g.live < g.cfg.Live
		return
	}
	s := &g.symbols[g.active[g.below(len(g.active))]]
	kind := g.below(1000)
	if len(s.orders) == 0 && kind < 957 {
		g.add(s)
		return
	}
	switch {
	case kind < 845:
		// A symbol keeps about its number of orders.
		share := 300
		if len(s.orders) < s.target {
			share = 723
		}
		if g.below(1000) < share {
			g.add(s)
		} else {
			g.delete(s)
		}
	case kind < 915:
		g.replace(s)
	case kind < 938:
		g.execute(s, false)
	case kind < 941:
		g.execute(s, true)
	case kind < 957:
		g.cancel(s)
	default:
		g.trade(s)
	}
}

// pick chooses the order that a message is about. The chance that it is not among the symbol's x
// youngest is (1+x/9)^-1.4, which fits what is canceled, deleted and executed in a busy hour of a
// busy stock: half are among the 7 youngest, 87 % among the 32 youngest, 98 % among 128.
func (g *generator) pick(s *genSymbol) int {
	n := len(s.orders)
	u := 1 - g.float()
	if age := 9 * (math.Pow(u, -1/1.4) - 1); age < float64(n) {
		return n - 1 - int(age)
	}
	return g.below(n)
}

func (g *generator) price(s *genSymbol, buy bool) uint32 {
	if g.below(1000) == 0 { // a stub quote
		if buy {
			return 100
		}
		return 1_999_999_900
	}
	s.adds++
	if s.adds%128 == 0 {
		s.mid += int64(g.below(3)) - 1
	}
	u := g.float()
	ticks := 1 + int64(-math.Log(1-u)*17)
	if g.below(4) == 0 {
		ticks = 1 + int64(g.below(2))
	}
	if g.cfg.Profile == Deep && g.below(100) < 38 {
		ticks = int64(50 * math.Pow(40, u))
	}
	if buy {
		ticks = -ticks
	}
	return uint32(max(s.mid+ticks, 1) * s.tick)
}

func (g *generator) shares() uint32 {
	if g.below(4) == 0 {
		return 1 + uint32(g.below(999))
	}
	return 100 * (1 + uint32(g.below(5)))
}

// come and leave keep the truth about live orders.
func (g *generator) come(s *genSymbol, o genOrder) {
	s.orders = append(s.orders, o)
	g.account(s, &o, 1)
	if g.live++; g.live > g.truth.PeakLive {
		g.truth.PeakLive = g.live
	}
}

func (g *generator) leave(s *genSymbol, i int) {
	g.account(s, &s.orders[i], -1)
	s.orders = append(s.orders[:i], s.orders[i+1:]...) // in order of age
	g.live--
}

func (g *generator) reduce(s *genSymbol, i int, shares uint32) {
	o := &s.orders[i]
	if shares == o.shares {
		g.leave(s, i)
		return
	}
	g.account(s, o, -1)
	o.shares -= shares
	g.account(s, o, 1)
}

func (g *generator) account(s *genSymbol, o *genOrder, sign int64) {
	g.truth.EndSize += uint64(sign) * uint64(o.shares)
	g.truth.EndSum += uint64(sign) * orderSum(s.locate, o.id, o.buy, o.price, o.shares)
}
