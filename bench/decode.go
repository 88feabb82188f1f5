package bench

import (
	"context"
	"fmt"

	"tidegate/book"
	"tidegate/market"
)

// RunDecode measures framing and decoding alone. The hash of the result covers order id, price, size,
// instrument and action of every decoded message.
func RunDecode(ctx context.Context, o Options) (Report, error) {
	r := Report{Name: "decode"}
	p := &decodeOnly{}
	p.itch.Publisher = market.NasdaqITCH.ID
	if err := run(ctx, o, p, &r); err != nil {
		return Report{}, err
	}
	r.Verdicts = p.named()
	if o.Truth != nil {
		if r.Messages != o.Truth.Messages {
			return Report{}, fmt.Errorf("decode: %s has %d messages, want %d", o.Path, r.Messages, o.Truth.Messages)
		}
		r.Checked = true
	}
	return r, nil
}

type decodeOnly struct {
	decoder
	sum [4]uint64
}

func (p *decodeOnly) reset() {
	p.decoder.reset()
	p.sum = [4]uint64{}
}

func (p *decodeOnly) process(b []byte) (n int) {
	for {
		updates, used := p.fill(b[n:])
		if used == 0 {
			return n
		}
		n += used
		p.verdicts[market.Applied] += updates
		for i := range p.batch[:updates] {
			u := &p.batch[i]
			p.sum[0] += u.OrderID
			p.sum[1] += uint64(u.Price)
			p.sum[2] += uint64(u.Size)<<32 + uint64(u.Instrument)
			p.sum[3] = p.sum[3]*3 + uint64(u.Action)
		}
	}
}

func (p *decodeOnly) blockDone() {}

func (p *decodeOnly) result() (int, uint64) {
	var h book.Hasher
	for _, w := range p.sum {
		h.Word(w)
	}
	return p.messages, h.Sum()
}
