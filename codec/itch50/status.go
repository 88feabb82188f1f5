package itch50

import "tidegate/market"

// Reasons of a status: DBN's StatusReason.
const (
	reasonNone                  = 0
	reasonScheduled             = 1
	reasonRegulatory            = 10
	reasonNonCompliance         = 12
	reasonFilingsNotCurrent     = 13
	reasonSECSuspension         = 14
	reasonNewIssue              = 15
	reasonIssueAvailable        = 16
	reasonIssuesReviewed        = 17
	reasonFilingsSatisfied      = 18
	reasonNewsPending           = 30
	reasonNewsReleased          = 31
	reasonNewsAndResumption     = 32
	reasonNewsNotForthcoming    = 33
	reasonLULDPause             = 50
	reasonOperational           = 60
	reasonInformationRequested  = 70
	reasonETF                   = 90
	reasonCorporateAction       = 100
	reasonNewSecurity           = 110
	reasonMarketWideLevel1      = 120
	reasonMarketWideLevel2      = 121
	reasonMarketWideLevel3      = 122
	reasonMarketWideCarryOver   = 123
	reasonMarketWideResumption  = 124
	reasonQuotationNotAvailable = 130
)

// statusReason translates the reason of a TradingAction, where DBN has a word for it.
func statusReason(r Reason) uint16 {
	switch string(r[:]) {
	case "T1  ":
		return reasonNewsPending
	case "T2  ":
		return reasonNewsReleased
	case "T3  ":
		return reasonNewsAndResumption
	case "C3  ":
		return reasonNewsNotForthcoming
	case "T6  ", "H11 ", "C11 ": // extraordinary activity; concern; ended by another authority
		return reasonRegulatory
	case "T8  ":
		return reasonETF
	case "T12 ":
		return reasonInformationRequested
	case "H4  ":
		return reasonNonCompliance
	case "H9  ":
		return reasonFilingsNotCurrent
	case "H10 ":
		return reasonSECSuspension
	case "O1  ":
		return reasonOperational
	case "LUDP", "LUDS":
		return reasonLULDPause
	case "MWC1":
		return reasonMarketWideLevel1
	case "MWC2":
		return reasonMarketWideLevel2
	case "MWC3":
		return reasonMarketWideLevel3
	case "MWC0":
		return reasonMarketWideCarryOver
	case "MWCQ":
		return reasonMarketWideResumption
	case "IPO1", "IPOQ", "IPOE": // not yet trading; released for quotation; window extended
		return reasonNewSecurity
	case "R1  ":
		return reasonNewIssue
	case "R   ", "R2  ":
		return reasonIssueAvailable
	case "R4  ", "C4  ":
		return reasonIssuesReviewed
	case "R9  ", "C9  ":
		return reasonFilingsSatisfied
	case "M1  ":
		return reasonCorporateAction
	case "M2  ":
		return reasonQuotationNotAvailable
	default:
		return reasonNone
	}
}

func (d *Decoder) tradingAction(m *TradingAction, f *market.Facts) market.Verdict {
	s := d.status(&m.Header, m.Locate)
	s.Reason = statusReason(m.Reason)
	switch m.State {
	case 'H':
		s.Action, s.Trading, s.Quoting = market.StatusHalt, market.No, market.No
	case 'P':
		s.Action, s.Trading, s.Quoting = market.StatusPause, market.No, market.No
	case 'Q':
		s.Action, s.Trading, s.Quoting = market.StatusQuoting, market.No, market.Yes
	case 'T':
		s.Action, s.Trading, s.Quoting = market.StatusTrading, market.Yes, market.Yes
	default:
		return market.BadField
	}
	f.Statuses = append(f.Statuses, s)
	return market.Cold
}

func (d *Decoder) regSHORestriction(m *RegSHORestriction, f *market.Facts) market.Verdict {
	s := d.status(&m.Header, m.Locate)
	s.Action = market.StatusShortSaleChange
	switch m.Action {
	case '0':
		s.ShortSaleRestraint = market.No
	case '1', '2':
		s.ShortSaleRestraint = market.Yes
	default:
		return market.BadField
	}
	f.Statuses = append(f.Statuses, s)
	return market.Cold
}

func (d *Decoder) operationalHalt(m *OperationalHalt, f *market.Facts) market.Verdict {
	s := d.status(&m.Header, m.Locate)
	s.Reason = reasonOperational
	switch m.Action {
	case 'H':
		s.Action, s.Trading, s.Quoting = market.StatusHalt, market.No, market.No
	case 'T':
		s.Action, s.Trading, s.Quoting = market.StatusTrading, market.Yes, market.Yes
	default:
		return market.BadField
	}
	var halted market.PublisherID
	switch m.Market {
	case 'Q':
		halted = market.NasdaqITCH.ID
	case 'B':
		halted = market.NasdaqBX.ID
	case 'X':
		halted = market.NasdaqPSX.ID
	default:
		return market.BadField
	}
	// The three markets share a protocol and hear of each other's halts. For any other publisher the
	// feed is its own.
	switch d.Publisher {
	case market.NasdaqITCH.ID, market.NasdaqBX.ID, market.NasdaqPSX.ID:
		if d.Publisher != halted {
			return market.Ignored
		}
	}
	f.Statuses = append(f.Statuses, s)
	return market.Cold
}

func (d *Decoder) mwcbStatus(m *MWCBStatus, f *market.Facts) market.Verdict {
	s := d.status(&m.Header, 0)
	s.Action, s.Trading, s.Quoting = market.StatusHalt, market.No, market.No
	switch m.Level {
	case '1':
		s.Reason = reasonMarketWideLevel1
	case '2':
		s.Reason = reasonMarketWideLevel2
	case '3':
		s.Reason = reasonMarketWideLevel3
	default:
		return market.BadField
	}
	f.Statuses = append(f.Statuses, s)
	return market.Cold
}

func (d *Decoder) systemEvent(m *SystemEvent, f *market.Facts) market.Verdict {
	s := d.status(&m.Header, 0)
	s.Reason = reasonScheduled
	switch m.Event {
	case 'O', 'C': // before and after the system's hours, messages are all there is
		s.Action, s.Trading, s.Quoting = market.StatusNotAvailable, market.No, market.No
	case 'S': // orders are accepted and executed before the market opens
		s.Action, s.Trading, s.Quoting = market.StatusPreOpen, market.Yes, market.Yes
	case 'Q':
		s.Action, s.Trading, s.Quoting = market.StatusTrading, market.Yes, market.Yes
	case 'M': // and after it has closed
		s.Action, s.Trading, s.Quoting = market.StatusPostClose, market.Yes, market.Yes
	case 'E':
		s.Action, s.Trading, s.Quoting = market.StatusClose, market.No, market.No
	default:
		return market.BadField
	}
	f.Statuses = append(f.Statuses, s)
	return market.Cold
}

// status returns a status that says nothing yet.
func (d *Decoder) status(h *Header, locate uint16) market.Status {
	return market.Status{
		TsEvent:            d.time(h),
		Instrument:         market.InstrumentID(locate),
		Publisher:          d.Publisher,
		Trading:            market.Unknown,
		Quoting:            market.Unknown,
		ShortSaleRestraint: market.Unknown,
	}
}
