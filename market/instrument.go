package market

// A Publisher is a venue and a dataset that originates data. IDs below 60000 are Databento's;
// from 60000 on they are Tidegate's own, for feeds to which Databento assigns none.
type Publisher struct {
	ID      PublisherID
	Dataset string // at most 15 bytes, "XNAS.ITCH"
	Venue   string // market identifier code, "XNAS"
}

// Publishers that Tidegate's inputs need.
var (
	GlobexMDP3   = Publisher{1, "GLBX.MDP3", "GLBX"}
	NasdaqITCH   = Publisher{2, "XNAS.ITCH", "XNAS"}
	NasdaqBX     = Publisher{3, "XBOS.ITCH", "XBOS"}
	NasdaqPSX    = Publisher{4, "XPSX.ITCH", "XPSX"}
	CboeBZX      = Publisher{5, "BATS.PITCH", "BATS"}
	CboeBYX      = Publisher{6, "BATY.PITCH", "BATY"}
	CboeEDGA     = Publisher{7, "EDGA.PITCH", "EDGA"}
	CboeEDGX     = Publisher{8, "EDGX.PITCH", "EDGX"}
	IEXTops      = Publisher{38, "IEXG.TOPS", "IEXG"}
	IEXDeep      = Publisher{60001, "IEXG.DEEP", "IEXG"}
	Simulated    = Publisher{60002, "XSIM.ITCH", "XSIM"} // the simulated venue
	Consolidated = Publisher{60003, "TIDE.CONS", "TIDE"} // the consolidated book
	// SimulatedPITCH is the simulated venue where it publishes PITCH.
	SimulatedPITCH = Publisher{60004, "XSIM.PITCH", "XSIM"}
	Own            = Publisher{60005, "TIDE.ITCH", "TIDE"} // the market that the gateway runs itself
)

var publishers = [...]Publisher{
	GlobexMDP3, NasdaqITCH, NasdaqBX, NasdaqPSX, CboeBZX, CboeBYX, CboeEDGA, CboeEDGX, IEXTops, IEXDeep,
	Simulated, Consolidated, SimulatedPITCH,
	Own,
}

// PublisherByDataset returns the publisher of a dataset code.
func PublisherByDataset(dataset string) (Publisher, bool) {
	for _, p := range publishers {
		if p.Dataset == dataset {
			return p, true
		}
	}
	return Publisher{}, false
}

// PublisherByID returns the publisher with an id.
func PublisherByID(id PublisherID) (Publisher, bool) {
	for _, p := range publishers {
		if p.ID == id {
			return p, true
		}
	}
	return Publisher{}, false
}

// An Instrument is a thing that is traded, as its publisher names it.
type Instrument struct {
	ID        InstrumentID
	Publisher PublisherID
	Symbol    string // the publisher's raw symbol, without padding
	TickSize  Price  // smallest price step; 0 where unknown
	RoundLot  uint32 // shares or contracts of a round lot; 0 where unknown
}

// Publishers returns every publisher that is known.
func Publishers() []Publisher { return append([]Publisher(nil), publishers[:]...) }
