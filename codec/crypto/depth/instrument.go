package depth

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/bits"

	"tidegate/codec/crypto/wire"
	"tidegate/market"
)

// Limits of Instrument.SizeScale.
const (
	SizeScaleMin = -9
	SizeScaleMax = 12
)

// An Instrument is a thing that is traded on a venue, as the venue's own list of instruments describes
// it. Fields may be changed before it is added to a Directory.
type Instrument struct {
	// ID is the number that a Directory's owner gives it; 0 in the lists that are read from venues.
	ID market.InstrumentID
	// Symbol is the text that stands for it in the venue's messages, as it stands there ("BTCUSDT",
	// "XBT/USD").
	Symbol string
	// Canonical is the same for the same thing on every venue: BASE-QUOTE for spot. What expires or is
	// settled otherwise than by delivery of the base says so behind it: BTC-USDT-PERP, BTC-USD-220527. No
	// two assets are taken to be one: BTC-USD and BTC-USDT differ.
	Canonical string
	Base      string // what is traded, in capitals, by its usual code: BTC also where the venue writes XBT
	Quote     string // what prices are in
	// Class is DBN's instrument class: 'X' for spot, 'F' for what has an end or never is delivered, 'C' and
	// 'P' for options.
	Class byte
	// Unit is what sizes count: Base, or "CONTRACT", or for contracts worth one unit of the quote, Quote.
	Unit string
	// Tick is the smallest price step, 0 where the venue does not tell or a Price cannot hold it.
	Tick market.Price
	// SizeScale: an amount of 1 is 10^SizeScale lots. SizeScaleMin to SizeScaleMax. Lists that are read from
	// venues have the largest scale at which a sensible amount fits the 32 bits that subscribers get, but
	// none finer than the venue's own size step. An amount is sensible up to
	//
	//   - the largest order that the venue takes, where it tells (Binance, Bybit),
	//   - else 10^8 times the smallest order (Kraken, OKX), which is worth some dollars,
	//   - else 100 times the smallest worth of an order, divided by the tick (Bitstamp, Coinbase): the
	//     10^7 fold of that worth, at a price of 10^5 ticks.
	//
	// Amounts that are no whole number of lots are cut to one, but never to 0, and amounts that are larger
	// than 32 bits are kept: both are flagged (FlagNarrowed) and counted.
	SizeScale int
	// Trading says whether the venue trades it now.
	Trading bool
}

// Definition returns what in is in the words that all feeds share.
func (in *Instrument) Definition(publisher market.PublisherID) market.Definition {
	return market.Definition{
		Instrument: market.Instrument{ID: in.ID, Publisher: publisher, Symbol: in.Canonical, TickSize: in.Tick},
		Class:      in.Class,
		SecType:    "CRYPTO",
	}
}

// Lot returns how much of Unit one lot is, in units of 1e-9. ok is false for scales above 9.
func (in *Instrument) Lot() (lot market.Price, ok bool) {
	if in.SizeScale > 9 {
		return market.UndefPrice, false
	}
	lot = 1
	for range 9 - in.SizeScale {
		lot *= 10
	}
	return lot, true
}

// ScaleFor returns the largest scale at which largest fits 32 bits, but none finer than step needs. A
// largest of 0 is not known: the scale is then the step's.
func ScaleFor(step, largest wire.Decimal) int {
	scale := min(stepScale(step), SizeScaleMax)
	for ; scale > SizeScaleMin; scale-- {
		if n, _, ok := largest.Size(scale); ok && n <= math.MaxUint32 {
			break
		}
	}
	return scale
}

// stepScale returns how many decimals a size step has, without zeros at its end.
func stepScale(step wire.Decimal) int {
	n := int(step.Decimals)
	for m := step.Mantissa; n > 0 && m%10 == 0; m /= 10 {
		n--
	}
	return n
}

// TickOf returns a price step as Instrument.Tick has it.
func TickOf(step wire.Decimal) market.Price {
	p, ok := step.Price()
	if !ok {
		return 0
	}
	return p
}

// LargestOf estimates the largest sensible amount from the smallest worth of an order and the tick: 100 *
// worth / tick, to a power of ten. It is 0, not known, where one of them is.
func LargestOf(worth, tick wire.Decimal) wire.Decimal {
	if worth.Mantissa == 0 || tick.Mantissa == 0 {
		return wire.Decimal{}
	}
	power := magnitude(worth) - magnitude(tick) + 2
	return Times(wire.Decimal{Mantissa: 1}, power)
}

// magnitude returns the power of ten of the first digit of d, which is not 0.
func magnitude(d wire.Decimal) int {
	n := -int(d.Decimals)
	for m := d.Mantissa; m >= 10; m /= 10 {
		n++
	}
	return n
}

// Times returns d times a power of ten: the decimals move. A result that 64 bits do not hold is the
// largest.
func Times(d wire.Decimal, power int) wire.Decimal {
	if n := int(d.Decimals) - power; n >= 0 {
		return wire.Decimal{Mantissa: d.Mantissa, Decimals: uint8(n)}
	}
	n, _, ok := d.Size(power)
	if !ok {
		n = math.MaxUint64
	}
	return wire.Decimal{Mantissa: uint64(n)}
}

// A Directory finds instruments by the text that stands for them in messages. It belongs to one loop.
type Directory struct {
	publisher market.PublisherID
	slots     []*Instrument // open addressing, linear probing; a power of two, at most half full
	all       []*Instrument // in order of Add
}

// NewDirectory returns an empty directory of instruments of a publisher.
func NewDirectory(publisher market.PublisherID) *Directory {
	return &Directory{publisher: publisher, slots: make([]*Instrument, 64)}
}

// Publisher returns whose instruments these are.
func (d *Directory) Publisher() market.PublisherID { return d.publisher }

// Add adds an instrument. Its symbol must be new, and its scale within the limits.
func (d *Directory) Add(in Instrument) (*Instrument, error) {
	if in.Symbol == "" {
		return nil, fmt.Errorf("add instrument %d: no symbol", in.ID)
	}
	if in.SizeScale < SizeScaleMin || in.SizeScale > SizeScaleMax {
		return nil, fmt.Errorf("add instrument %s: size scale %d: want %d to %d", in.Symbol, in.SizeScale, SizeScaleMin, SizeScaleMax)
	}
	if d.Find([]byte(in.Symbol)) != nil {
		return nil, fmt.Errorf("add instrument %s: is there already", in.Symbol)
	}
	p := &in
	d.all = append(d.all, p)
	if 2*len(d.all) > len(d.slots) {
		d.slots = make([]*Instrument, 2*len(d.slots))
		for _, in := range d.all {
			d.enter(in)
		}
	} else {
		d.enter(p)
	}
	return p, nil
}

// Find returns the instrument with a symbol, nil if there is none. It does not allocate.
func (d *Directory) Find(symbol []byte) *Instrument {
	mask := uint64(len(d.slots) - 1)
	for i := hash(symbol) & mask; ; i = (i + 1) & mask {
		if in := d.slots[i]; in == nil || in.Symbol == string(symbol) {
			return in
		}
	}
}

// All returns the instruments in the order in which they were added. The slice is the directory's.
func (d *Directory) All() []*Instrument { return d.all }

func (d *Directory) enter(in *Instrument) {
	mask := uint64(len(d.slots) - 1)
	i := hash([]byte(in.Symbol)) & mask
	for d.slots[i] != nil {
		i = (i + 1) & mask
	}
	d.slots[i] = in
}

// hash mixes the first and the last bytes of a symbol: they tell nearly all symbols of a venue apart, and the
// others cost one comparison more.
func hash(symbol []byte) uint64 {
	var first, last uint64
	if n := len(symbol); n >= 8 {
		first = binary.LittleEndian.Uint64(symbol)
		last = binary.LittleEndian.Uint64(symbol[n-8:])
	} else {
		for _, c := range symbol {
			first = first<<8 | uint64(c)
		}
	}
	// The multiplier is 2^64 divided by the golden ratio: every byte reaches the high bits.
	const golden = 0x9e3779b97f4a7c15
	h := (first ^ bits.RotateLeft64(last, 29)*golden ^ uint64(len(symbol))) * golden
	return h ^ h>>32
}
