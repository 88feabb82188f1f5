package egress

import "github.com/klauspost/compress/zstd"

// A packer compresses the record stream of one session: one frame, flushed after each batch.
type packer struct {
	encoder *zstd.Encoder
	packed  []byte // of the batch
}

// packWindow bounds the memory of a session: about four times as much.
const packWindow = 128 << 10

func newPacker() *packer {
	p := new(packer)
	var err error
	p.encoder, err = zstd.NewWriter(p,
		zstd.WithEncoderConcurrency(1), // in the loop, without goroutines
		zstd.WithEncoderLevel(zstd.SpeedFastest),
		zstd.WithWindowSize(packWindow),
		zstd.WithLowerEncoderMem(true),
	)
	if err != nil {
		panic("egress: zstd options: " + err.Error())
	}
	return p
}

// Write is for the encoder.
func (p *packer) Write(b []byte) (int, error) {
	p.packed = append(p.packed, b...)
	return len(b), nil
}

// pack returns b compressed, so that the client can read all of it. The result is valid until the
// next call.
func (p *packer) pack(b []byte) []byte {
	p.packed = p.packed[:0]
	p.must(p.encoder.Write(b))
	p.must(0, p.encoder.Flush())
	return p.packed
}

// last returns b compressed with the end of the frame.
func (p *packer) last(b []byte) []byte {
	p.packed = p.packed[:0]
	p.must(p.encoder.Write(b))
	p.must(0, p.encoder.Close())
	return p.packed
}

// must ends the process if the encoder fails: it writes to memory.
func (p *packer) must(_ int, err error) {
	if err != nil {
		panic("egress: zstd: " + err.Error())
	}
}
