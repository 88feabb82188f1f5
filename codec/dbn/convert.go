package dbn

import (
	"math"

	"tidegate/market"
)

// The functions below make records of the facts that venues publish. What a fact does not tell is
// undefined in the record.

// StatusOf returns s as a record.
func StatusOf(s *market.Status) Status {
	return Status{
		Header: Header{
			RType:        RTypeStatus,
			PublisherID:  s.Publisher,
			InstrumentID: s.Instrument,
			TsEvent:      s.TsEvent,
		},
		TsRecv:              s.TsRecv,
		Action:              s.Action,
		Reason:              s.Reason,
		TradingEvent:        s.TradingEvent,
		Trading:             s.Trading,
		Quoting:             s.Quoting,
		ShortSellRestricted: s.ShortSaleRestraint,
	}
}

// DefinitionOf returns d as a record. Prices of feeds are in units of 1e-9 already, so that the
// display factor is 1.
func DefinitionOf(d *market.Definition) Definition {
	r := undefinedDefinition
	r.PublisherID = d.Publisher
	r.InstrumentID = d.ID
	r.TsEvent = d.TsEvent
	r.TsRecv = d.TsRecv
	if d.TickSize != 0 {
		r.MinPriceIncrement = d.TickSize
	}
	r.DisplayFactor = market.PriceScale
	r.RawInstrumentID = uint64(d.ID)
	if d.RoundLot != 0 && d.RoundLot < math.MaxInt32 {
		r.MinLotSizeRoundLot = int32(d.RoundLot)
	}
	r.RawSymbol = d.Symbol
	r.Exchange = d.Exchange
	r.SecurityType = d.SecType
	r.InstrumentClass = d.Class
	if d.Deleted {
		r.SecurityUpdateAction = 'D'
	}
	return r
}

// StatOf returns s as a record of a new figure. Of the sequence it keeps the low 32 bits.
func StatOf(s *market.Statistic) Stat {
	return Stat{
		Header: Header{
			RType:        RTypeStat,
			PublisherID:  s.Publisher,
			InstrumentID: s.Instrument,
			TsEvent:      s.TsEvent,
		},
		TsRecv:       s.TsRecv,
		TsRef:        s.TsRef,
		Price:        s.Price,
		Quantity:     s.Quantity,
		Sequence:     uint32(s.Seq),
		Kind:         s.Kind,
		ChannelID:    math.MaxUint16,
		UpdateAction: 1,
	}
}

// ImbalanceOf returns i as a record.
func ImbalanceOf(i *market.Imbalance) Imbalance {
	return Imbalance{
		Header: Header{
			RType:        RTypeImbalance,
			PublisherID:  i.Publisher,
			InstrumentID: i.Instrument,
			TsEvent:      i.TsEvent,
		},
		TsRecv:               i.TsRecv,
		RefPrice:             i.RefPrice,
		AuctionTime:          i.AuctionTime,
		ContBookClrPrice:     i.ContClearPrice,
		AuctInterestClrPrice: i.AuctClearPrice,
		SSRFillingPrice:      market.UndefPrice,
		IndMatchPrice:        i.MatchPrice,
		UpperCollar:          i.UpperCollar,
		LowerCollar:          i.LowerCollar,
		PairedQty:            i.Paired,
		TotalImbalanceQty:    i.Imbalance,
		MarketImbalanceQty:   UndefSize,
		UnpairedQty:          UndefSize,
		AuctionType:          i.AuctionType,
		Side:                 i.Side,
		UnpairedSide:         market.NoSide,
		SignificantImbalance: i.Variation,
	}
}
