package derive

// NewSmallMarket is NewMarket for tests that make many: it holds 100 instruments.
func NewSmallMarket() *Market { return NewMarket(newNumbers(100, nil)) }
