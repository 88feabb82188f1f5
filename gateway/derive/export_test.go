package derive

// NewSmallMarket is NewMarket for tests that make many: it holds 100 instruments.
func NewSmallMarket() *Market { return newMarket(100) }
