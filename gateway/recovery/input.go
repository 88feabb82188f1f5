package recovery

import (
	"encoding/binary"
	"errors"
	"fmt"

	"tidegate/gateway"
	"tidegate/market"
)

// A Kind says what an Input does.
type Kind uint8

// Kinds of inputs.
const (
	Begin   Kind = iota // a rebuild begins; Number is how many bytes may be kept meanwhile
	Block               // messages of the snapshot
	End                 // the snapshot is whole; Number is the sequence of the message after it
	Cancel              // the rebuild is given up
	Release             // nothing is withheld any more, although no snapshot was had
	kinds
)

// String returns the name of the kind.
func (k Kind) String() string {
	if k >= kinds {
		return fmt.Sprintf("kind %d", uint8(k))
	}
	return [kinds]string{"begin", "block", "end", "cancel", "release"}[k]
}

// An Input is one thing that a pipeline is given beside its datagrams and ticks.
type Input struct {
	At     market.Nanos // the loop's time; of End and Release, what they publish has it
	Number uint64       // of Begin and End
	Block  []byte       // of Block, framed as in the feed's packets; not kept
	Kind   Kind
}

// BlockMax is the most bytes of a Block.
const BlockMax = 16 << 10

// inputMagic begins a recorded input. No datagram of a feed that we know begins with it.
const inputMagic = "TGRECOVR"

// inputHeader is the length of a recorded input without its block.
//
//	0   8  "TGRECOVR"
//	8   2  number of the feed, little-endian like the rest
//	10  1  kind
//	11  5  0
//	16  8  at, nanoseconds since the epoch
//	24  8  number
//	32     block
const inputHeader = 32

// AppendInput appends an input of a feed's pipeline as it stands in a recording. The number of the feed is
// for whoever reads the recording to tell the pipeline by.
func AppendInput(dst []byte, feed uint16, in Input) []byte {
	dst = append(dst, inputMagic...)
	dst = binary.LittleEndian.AppendUint16(dst, feed)
	dst = append(dst, byte(in.Kind), 0, 0, 0, 0, 0)
	dst = binary.LittleEndian.AppendUint64(dst, uint64(in.At))
	dst = binary.LittleEndian.AppendUint64(dst, in.Number)
	return append(dst, in.Block...)
}

// ParseInput reads what AppendInput wrote. ok is false for anything else. The block is a view of b.
func ParseInput(b []byte) (feed uint16, in Input, ok bool) {
	if len(b) < inputHeader || string(b[:8]) != inputMagic {
		return 0, in, false
	}
	in = Input{
		Kind: Kind(b[10]), At: market.Nanos(binary.LittleEndian.Uint64(b[16:])),
		Number: binary.LittleEndian.Uint64(b[24:]),
	}
	zero := b[11]|b[12]|b[13]|b[14]|b[15] == 0
	if rest := b[inputHeader:]; in.Kind == Block {
		in.Block = rest
		ok = zero && in.Number == 0 && len(rest) > 0 && len(rest) <= BlockMax
	} else {
		ok = zero && in.Kind < kinds && len(rest) == 0 && (in.Number == 0 || in.Kind == Begin || in.Kind == End)
	}
	if !ok {
		return 0, Input{}, false
	}
	return binary.LittleEndian.Uint16(b[8:]), in, true
}

// ErrBlock is returned (wrapped) for a block that is not one of whole messages.
var ErrBlock = errors.New("recovery: block of messages that are not whole")

// Apply gives an input to a pipeline. It is called by the pipeline's owner, live as in a replay. The errors are
// those of gateway.Pipeline's methods, and ErrBlock: the pipeline goes on after each of them.
func Apply(p *gateway.Pipeline, in Input) error {
	switch in.Kind {
	case Begin:
		return p.BeginRebuild(int(min(in.Number, keptLimit)))
	case Block:
		if !whole(p.Config().Feed, in.Block) {
			p.CancelRebuild()
			return fmt.Errorf("snapshot of feed %s: %w", p.Config().Feed, ErrBlock)
		}
		return p.OnSnapshot(in.Block)
	case End:
		return p.EndRebuild(in.Number, in.At)
	case Cancel:
		p.CancelRebuild()
	case Release:
		p.Withhold(false, in.At)
	}
	return nil
}

// keptLimit is the largest Config.KeptMax.
const keptLimit = 1 << 30

// framed returns the length of a message in a block, and 0 for one that a block of the feed cannot hold.
func framed(f gateway.Feed, msg []byte) int {
	switch {
	case f == gateway.ITCH && len(msg) <= 0xffff:
		return 2 + len(msg)
	case f == gateway.PITCH && len(msg) > 0 && len(msg) < 0xff:
		return 1 + len(msg)
	default:
		return 0
	}
}

// appendFramed appends a message to a block, which can hold it: see framed.
func appendFramed(block []byte, f gateway.Feed, msg []byte) []byte {
	if f == gateway.PITCH {
		block = append(block, byte(1+len(msg)))
	} else {
		block = binary.BigEndian.AppendUint16(block, uint16(len(msg)))
	}
	return append(block, msg...)
}

// whole reports whether a block is one of whole messages.
func whole(f gateway.Feed, block []byte) bool {
	for len(block) > 0 {
		var n int
		switch {
		case f == gateway.ITCH && len(block) >= 2:
			n = 2 + int(binary.BigEndian.Uint16(block))
		case f == gateway.PITCH && block[0] >= 2:
			n = int(block[0])
		default:
			return false
		}
		if n > len(block) {
			return false
		}
		block = block[n:]
	}
	return true
}
