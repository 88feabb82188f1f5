package replay

import (
	"testing"

	"tidegate/codec/dbn"
	"tidegate/market"
)

// Records of intervals carry a time outside the input's: the metadata must cover it.
func TestSpan(t *testing.T) {
	const day = 1_703_548_800 * market.Second // 2023-12-26T00:00:00Z
	tests := []struct {
		schema      dbn.Schema
		first, last market.Nanos
		start, end  market.Nanos
	}{
		{dbn.SchemaMBO, 5, 10, 5, 11},
		{dbn.SchemaOHLCV1h, day + 5, day + 6, day, day + 7},
		{dbn.SchemaOHLCV1d, day - 1, day + 6, day - market.Day, day + 7},
		{dbn.SchemaBBO1m, day - market.Minute, day - 1, day - market.Minute, day + 1},
		{dbn.SchemaCBBO1s, day, day, day, day + market.Second + 1},
	}
	for _, tt := range tests {
		start, end := span(tt.schema, tt.first, tt.last)
		if start != tt.start || end != tt.end {
			t.Errorf("%s: [%d, %d), want [%d, %d)", tt.schema, start, end, tt.start, tt.end)
		}
	}
}
