package match

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tidegate/market"
)

const (
	// InputVersion is the version of the encoding of inputs that AppendBinary writes.
	InputVersion = 1
	// InputLen is the length of an encoded input of this version.
	InputLen = 112
)

// Errors of Decode, which it wraps.
var (
	ErrInputLen     = errors.New("wrong length")
	ErrInputVersion = errors.New("unknown version")
	ErrInputBits    = errors.New("bits that must be zero are not")
)

const (
	flagFresh              = 1 << 0
	flagCancelOnDisconnect = 1 << 1
)

// AppendBinary appends in to b, in InputLen bytes:
//
//	offset  size  field           offset  size  field
//	 0      1     InputVersion    24      8     OrderID
//	 1      1     Kind            32      8     NewID
//	 2      1     Side            40      4     Account
//	 3      1     Type            44      4     Session
//	 4      1     TIF             48      8     Price
//	 5      1     STP             56      8     Stop
//	 6      1     Post            64      8     Offset
//	 7      1     Peg             72      8     Until
//	 8      1     Trigger         80      8     Size
//	 9      1     flags           88      8     Display
//	10      1     State           96      8     MinSize
//	11      1     WhenStale      104      4     Collar
//	12      4     Instrument     108      4     zero
//	16      8     Time
//
// Numbers are little endian; flags are Fresh (1) and CancelOnDisconnect (2). All kinds have the same
// layout, so that the n-th input of a log is at n times InputLen. The error is always nil.
func (in *Input) AppendBinary(b []byte) ([]byte, error) {
	var flags byte
	if in.Fresh {
		flags |= flagFresh
	}
	if in.CancelOnDisconnect {
		flags |= flagCancelOnDisconnect
	}
	le := binary.LittleEndian
	b = append(b, InputVersion, byte(in.Kind), byte(in.Side), byte(in.Type), byte(in.TIF), byte(in.STP),
		byte(in.Post), byte(in.Peg), byte(in.Trigger), flags, byte(in.State), byte(in.WhenStale))
	b = le.AppendUint32(b, uint32(in.Instrument))
	b = le.AppendUint64(b, uint64(in.Time))
	b = le.AppendUint64(b, in.OrderID)
	b = le.AppendUint64(b, in.NewID)
	b = le.AppendUint32(b, in.Account)
	b = le.AppendUint32(b, in.Session)
	b = le.AppendUint64(b, uint64(in.Price))
	b = le.AppendUint64(b, uint64(in.Stop))
	b = le.AppendUint64(b, uint64(in.Offset))
	b = le.AppendUint64(b, uint64(in.Until))
	b = le.AppendUint64(b, uint64(in.Size))
	b = le.AppendUint64(b, uint64(in.Display))
	b = le.AppendUint64(b, uint64(in.MinSize))
	b = le.AppendUint32(b, in.Collar)
	return le.AppendUint32(b, 0), nil
}

// UnmarshalBinary reads what AppendBinary wrote. It checks the form and not the sense, which is
// Apply's to judge: every input that can be read can be applied.
func (in *Input) UnmarshalBinary(b []byte) error {
	if len(b) != InputLen {
		return fmt.Errorf("input: %d bytes: %w, want %d", len(b), ErrInputLen, InputLen)
	}
	if b[0] != InputVersion {
		return fmt.Errorf("input: version %d: %w, want %d", b[0], ErrInputVersion, InputVersion)
	}
	le := binary.LittleEndian
	if flags := b[9]; flags&^(flagFresh|flagCancelOnDisconnect) != 0 || le.Uint32(b[108:]) != 0 {
		return fmt.Errorf("input: flags %#x, last bytes %x: %w", flags, b[108:], ErrInputBits)
	}
	*in = Input{
		Kind: Kind(b[1]), Side: market.Side(b[2]), Type: OrderType(b[3]), TIF: TimeInForce(b[4]), STP: SelfTrade(b[5]),
		Post: PostOnly(b[6]), Peg: Peg(b[7]), Trigger: Trigger(b[8]), State: State(b[10]), WhenStale: StalePolicy(b[11]),
		Fresh: b[9]&flagFresh != 0, CancelOnDisconnect: b[9]&flagCancelOnDisconnect != 0,
		Instrument: market.InstrumentID(le.Uint32(b[12:])),
		Time:       market.Nanos(le.Uint64(b[16:])),
		OrderID:    le.Uint64(b[24:]),
		NewID:      le.Uint64(b[32:]),
		Account:    le.Uint32(b[40:]),
		Session:    le.Uint32(b[44:]),
		Price:      market.Price(le.Uint64(b[48:])),
		Stop:       market.Price(le.Uint64(b[56:])),
		Offset:     market.Price(le.Uint64(b[64:])),
		Until:      market.Nanos(le.Uint64(b[72:])),
		Size:       market.Size(le.Uint64(b[80:])),
		Display:    market.Size(le.Uint64(b[88:])),
		MinSize:    market.Size(le.Uint64(b[96:])),
		Collar:     le.Uint32(b[104:]),
	}
	return nil
}
