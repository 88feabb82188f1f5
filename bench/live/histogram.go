//go:build linux

package live

import (
	"fmt"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A histogram holds nanoseconds, 1 ns to a minute, to three digits.
type histogram struct{ *hdrhistogram.Histogram }

// encoded is a histogram as text: HdrHistogram's compressed V2 form in base64, which other tools read.
type encoded string

const latencyMax = 60_000_000_000

func newHistogram() histogram { return histogram{hdrhistogram.New(1, latencyMax, 3)} }

// record takes a latency. What cannot be is cut: clocks of two processes differ by some 100 ns.
func (h histogram) record(nanos int64) {
	_ = h.RecordValue(min(max(nanos, 1), latencyMax)) // in range, so no error
}

func (h histogram) encode() (encoded, error) {
	b, err := h.Encode(hdrhistogram.V2CompressedEncodingCookieBase)
	if err != nil {
		return "", fmt.Errorf("encode histogram: %w", err)
	}
	return encoded(b), nil
}

func (e encoded) decode() (histogram, error) {
	h, err := hdrhistogram.Decode([]byte(e))
	if err != nil {
		return histogram{}, fmt.Errorf("decode histogram: %w", err)
	}
	return histogram{h}, nil
}
