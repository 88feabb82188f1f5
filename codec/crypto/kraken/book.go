package kraken

import (
	"tidegate/codec/crypto/depth"
	"tidegate/market"
)

// sumLevels is how many levels of each side go into a checksum.
const sumLevels = 10

// Book says how books are put together that were subscribed with a depth (10, 25, 100, 500 or 1000).
func Book(depthMax int) depth.SplicerConfig {
	return depth.SplicerConfig{
		Rule:     func(int64, bool, *depth.Message) depth.Step { return depth.Next },
		DepthMax: depthMax,
		SumText:  sumText, SumLevels: sumLevels,
	}
}

func sumText(l *depth.Ladder, dst []byte) []byte {
	for _, side := range [...]market.Side{market.Ask, market.Bid} {
		for i := range min(l.Len(side), sumLevels) {
			price, size := l.Text(side, i)
			dst = size.AppendDigits(price.AppendDigits(dst))
		}
	}
	return dst
}
