package okx

import (
	"tidegate/codec/crypto/depth"
	"tidegate/market"
)

// sumLevels is how many levels of each side go into a checksum.
const sumLevels = 25

// Book says how books are put together.
func Book() depth.SplicerConfig {
	return depth.SplicerConfig{Rule: rule, SumText: sumText, SumLevels: sumLevels}
}

func rule(at int64, _ bool, m *depth.Message) depth.Step {
	if m.Numbered && m.Prev != at {
		return depth.Missing
	}
	return depth.Next
}

func sumText(l *depth.Ladder, dst []byte) []byte {
	for i := range sumLevels {
		for _, side := range [...]market.Side{market.Bid, market.Ask} {
			if i >= l.Len(side) {
				continue
			}
			if len(dst) > 0 {
				dst = append(dst, ':')
			}
			price, size := l.Text(side, i)
			dst = append(price.AppendText(dst), ':')
			dst = size.AppendText(dst)
		}
	}
	return dst
}
