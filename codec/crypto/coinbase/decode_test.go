package coinbase

import (
	"testing"

	"tidegate/codec/crypto/depth"
	"tidegate/codec/crypto/depth/depthtest"
)

func decoder() *Decoder { return NewDecoder(depthtest.Directory("BTC-USD", "ETH-EUR")) }

func TestGolden(t *testing.T) { depthtest.Run(t, decoder(), golden) }

func FuzzDecode(f *testing.F) {
	for _, g := range golden {
		f.Add([]byte(g[1]))
	}
	d := decoder()
	var m depth.Message
	f.Fuzz(func(t *testing.T, b []byte) {
		depthtest.Check(t, b, d.Decode(b, &m), &m)
	})
}
