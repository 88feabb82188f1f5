package ouchclient

import (
	"fmt"
	"strings"

	"tidegate/codec/ouch50"
)

// Text says in words what a message of the venue says, in one line without its time.
func Text(msg []byte) string {
	if len(msg) == 0 {
		return "a message of no bytes"
	}
	text, err := "", error(nil)
	switch msg[0] {
	case ouch50.TypeSystemEvent:
		var m ouch50.SystemEvent
		err = m.Parse(msg)
		text = "system: " + word(m.Event, "Sstart of day", "Eend of day")
	case ouch50.TypeOrderAccepted:
		var m ouch50.OrderAccepted
		err = m.Parse(msg)
		text = "accepted " + ref(m.UserRefNum, m.Appendage) + ": " + orderText(&m)
	case ouch50.TypeOrderReplaced:
		var m ouch50.OrderReplaced
		err = m.Parse(msg)
		text = fmt.Sprintf("replaced %d by %s: %s", m.OrigUserRefNum, ref(m.UserRefNum, m.Appendage), orderText(&m.OrderAccepted))
	case ouch50.TypeOrderCanceled:
		var m ouch50.OrderCanceled
		err = m.Parse(msg)
		text = fmt.Sprintf("canceled %s: %d off, %s", ref(m.UserRefNum, m.Appendage), m.Quantity, cancelText(m.Reason))
	case ouch50.TypeAIQCanceled:
		var m ouch50.AIQCanceled
		err = m.Parse(msg)
		text = fmt.Sprintf("canceled %s: %d off @ %s, met an order of the same firm", ref(m.UserRefNum, m.Appendage), m.Decrement, priceText(m.Price))
	case ouch50.TypeOrderExecuted:
		var m ouch50.OrderExecuted
		err = m.Parse(msg)
		text = fmt.Sprintf("executed %s: %d @ %s, %s, match %d", ref(m.UserRefNum, m.Appendage), m.Quantity, priceText(m.Price), word(m.Liquidity,
			"Aadded", "Rremoved", "Oin the opening cross", "Cin the closing cross", "Jadded hidden"), m.Match)
	case ouch50.TypeBrokenTrade:
		var m ouch50.BrokenTrade
		err = m.Parse(msg)
		text = fmt.Sprintf("broken trade %s: match %d, %s", ref(m.UserRefNum, m.Appendage), m.Match, word(m.Reason,
			"Eerroneous", "Cconsent", "Ssupervisory", "Xexternal"))
	case ouch50.TypeRejected:
		var m ouch50.Rejected
		err = m.Parse(msg)
		text = fmt.Sprintf("rejected %s: %s", ref(m.UserRefNum, m.Appendage), m.Reason)
	case ouch50.TypeCancelPending:
		var m ouch50.CancelPending
		err = m.Parse(msg)
		text = "cancel pending " + ref(m.UserRefNum, m.Appendage)
	case ouch50.TypeCancelReject:
		var m ouch50.CancelReject
		err = m.Parse(msg)
		text = "cancel rejected " + ref(m.UserRefNum, m.Appendage)
	default:
		return textOfOthers(msg)
	}
	return judged(text, msg, err)
}

// textOfOthers is Text of what comes less often.
func textOfOthers(msg []byte) string {
	text, err := "", error(nil)
	switch msg[0] {
	case ouch50.TypeOrderPriorityUpdate:
		var m ouch50.OrderPriorityUpdate
		err = m.Parse(msg)
		text = fmt.Sprintf("in the book %s: @ %s, order %d", ref(m.UserRefNum, m.Appendage), priceText(m.Price), m.OrderRef)
	case ouch50.TypeOrderModified:
		var m ouch50.OrderModified
		err = m.Parse(msg)
		text = fmt.Sprintf("modified %s: %s, %d open", ref(m.UserRefNum, m.Appendage), sideText(m.Side), m.Quantity)
	case ouch50.TypeOrderRestated:
		var m ouch50.OrderRestated
		err = m.Parse(msg)
		text = "restated " + ref(m.UserRefNum, m.Appendage) + ":" + optionsText(m.Appendage)
	case ouch50.TypeMassCancelResponse:
		var m ouch50.MassCancelResponse
		err = m.Parse(msg)
		text = fmt.Sprintf("mass cancel %s: firm %s, symbol %s%s", ref(m.UserRefNum, m.Appendage), orAll(m.Firm.String()),
			orAll(m.Symbol.String()), optionsText(m.Appendage))
	case ouch50.TypeDisableOrderEntryResponse:
		var m ouch50.DisableOrderEntryResponse
		err = m.Parse(msg)
		text = fmt.Sprintf("order entry off %s: firm %s", ref(m.UserRefNum, m.Appendage), orAll(m.Firm.String()))
	case ouch50.TypeEnableOrderEntryResponse:
		var m ouch50.EnableOrderEntryResponse
		err = m.Parse(msg)
		text = fmt.Sprintf("order entry on %s: firm %s", ref(m.UserRefNum, m.Appendage), orAll(m.Firm.String()))
	case ouch50.TypeAccountQueryResponse:
		var m ouch50.AccountQueryResponse
		err = m.Parse(msg)
		text = fmt.Sprintf("account: next number %s", ref(m.NextUserRefNum, m.Appendage))
	default:
		err = ouch50.ErrType
	}
	return judged(text, msg, err)
}

// judged says instead that a message cannot be read, if it cannot.
func judged(text string, msg []byte, err error) string {
	if err != nil {
		return fmt.Sprintf("unreadable message %q of %d bytes: %v", msg[0], len(msg), err)
	}
	return text
}

func orderText(m *ouch50.OrderAccepted) string {
	text := fmt.Sprintf("%s %d %s @ %s, %s, order %d", sideText(m.Side), m.Quantity, m.Symbol, priceText(m.Price), word(m.TimeInForce,
		"0day", "3immediate", "5extended", "6good till time", "Eafter hours"), m.OrderRef)
	if id := m.ClOrdID.String(); id != "" {
		text += fmt.Sprintf(", %q", id)
	}
	if m.State == ouch50.Dead {
		text += ", dead"
	}
	return text
}

func ref(n uint32, a ouch50.Appendage) string {
	if idx := a.UserRefIdx(); idx != 0 {
		return fmt.Sprintf("%d/%d", idx, n)
	}
	return fmt.Sprint(n)
}

func optionsText(a ouch50.Appendage) string {
	var b strings.Builder
	for o, rest, ok := a.Next(); ok; o, rest, ok = rest.Next() {
		switch o.Tag {
		case ouch50.TagDisplayQuantity:
			fmt.Fprintf(&b, " %d shows", o.Uint())
		case ouch50.TagSecondaryOrdRefNum:
			fmt.Fprintf(&b, " order %d,", o.Uint())
		case ouch50.TagSide:
			fmt.Fprintf(&b, ", side %s", sideText(o.Code()))
		}
	}
	return b.String()
}

func sideText(side byte) string {
	return word(side, "Bbuy", "Ssell", "Tsell short", "Esell short exempt")
}

func cancelText(reason byte) string {
	return word(reason, "Uby the user", "Itime in force", "Ttime is over", "Ssupervisory", "Dregulatory", "Qself match",
		"Zby the system", "Kprice collars", "Hhalted", "Eclosed", "Gwould take", "Fpost only")
}

func priceText(p ouch50.Price) string {
	if p.Market() {
		return "market"
	}
	m, ok := p.Price()
	if !ok {
		return fmt.Sprintf("%d/10000", uint64(p))
	}
	return m.String()
}

func orAll(name string) string {
	if name == "" {
		return "-"
	}
	return name
}

// word returns what a code stands for: each of words is a code and its meaning.
func word(code byte, words ...string) string {
	for _, w := range words {
		if w[0] == code {
			return w[1:]
		}
	}
	return fmt.Sprintf("code %q", code)
}
