package orders

import (
	"encoding/binary"
	"encoding/json"
	"fmt"

	"tidegate/book/match"
	"tidegate/market"
	"tidegate/sinks/journal"
)

// EntryKind says what an entry of the input log is. It is the kind of the journal's entry.
type EntryKind uint8

// Kinds of entries.
const (
	EntryRequest    EntryKind = 1 + iota // of a session; Request
	EntryMarket                          // Input: Reference, SetState, or Tick for the loop Loop
	EntryDisconnect                      // a session is lost; Ticket is the last that was Taken before
	EntryKill                            // Setting.Kill
	EntrySweep                           // all orders of an account are canceled; Input.Account
	EntryAdjust                          // Setting.Adjust
	EntryInstrument                      // Setting.Instrument
	EntryAccount                         // Setting.Account
	EntrySession                         // Setting.Session
	EntryMark                            // nothing; see Settled
)

// An Entry is one input of the log. What the gate does is a function of the entries, in order.
type Entry struct {
	Index uint64       // of the entry in the journal; not in the payload
	Time  market.Nanos // never less than that of the entry before
	// Settled is up to which entry accounts knew what the engines had done when this one was decided: matching
	// loops run beside the admission loop, and what they answer is not known at once. With
	// it in the log, every decision can be made again. If it is Index, the entry itself was settled
	// before the next one was decided.
	Settled uint64
	Kind    EntryKind
	Loop    uint8
	Session SessionID
	Ticket  Ticket
	Request Request
	Input   match.Input
	Setting *Setting
}

// A Setting is what an entry says that is no order: one of its fields is set.
type Setting struct {
	Instrument *Instrument    `json:"instrument,omitempty"`
	Account    *Account       `json:"account,omitempty"`
	Session    *SessionConfig `json:"session,omitempty"`
	Kill       *KillSetting   `json:"kill,omitempty"`
	Adjust     *AdjustSetting `json:"adjust,omitempty"`
}

// A KillSetting turns a kill switch; see Gate.Kill.
type KillSetting struct {
	Account AccountID `json:"account"`
	On      bool      `json:"on"`
}

// An AdjustSetting changes a balance; see Gate.Adjust.
type AdjustSetting struct {
	Account   AccountID `json:"account"`
	Asset     AssetID   `json:"asset"`
	Amount    Money     `json:"amount"`
	Reference uint64    `json:"reference"`
}

// Lengths of the fixed parts of payloads.
const (
	entryHeadLen    = 8 + 8 + 4 + 4
	requestTailLen  = 16 + 16 + EchoLen
	entryRequestLen = entryHeadLen + match.InputLen + requestTailLen
	entryMarketLen  = entryHeadLen + match.InputLen
)

// Append appends the payload of the entry to b:
//
//	offset  size
//	0       8     Settled
//	8       8     Ticket
//	16      4     Session
//	20      1     version, 1
//	21      1     Request.Kind
//	22      1     Loop
//	23      1     zero
//	24      112   Request.Order, or Input (see match.Input.AppendBinary)   requests, market, sweep
//	136     16    Request.ID                                               requests
//	152     16    Request.Target
//	168     32    Request.Echo
//	24            Setting as JSON                                          settings
//
// Kind and Time are in the journal's header. Numbers are little endian.
func (e *Entry) Append(b []byte) []byte {
	le := binary.LittleEndian
	b = le.AppendUint64(b, e.Settled)
	b = le.AppendUint64(b, uint64(e.Ticket))
	b = le.AppendUint32(b, uint32(e.Session))
	b = append(b, 1, byte(e.Request.Kind), e.Loop, 0)
	switch e.Kind {
	case EntryRequest:
		b, _ = e.Request.Order.AppendBinary(b)
		b = append(b, e.Request.ID[:]...)
		b = append(b, e.Request.Target[:]...)
		b = append(b, e.Request.Echo[:]...)
	case EntryMarket, EntrySweep:
		b, _ = e.Input.AppendBinary(b)
	case EntryDisconnect, EntryMark:
	default:
		setting, err := json.Marshal(e.Setting)
		if err != nil {
			panic(fmt.Sprintf("orders: setting %+v: %v", e.Setting, err)) // plain values always encode
		}
		b = append(b, setting...)
	}
	return b
}

// Parse reads an entry of the journal.
func (e *Entry) Parse(j *journal.Entry) error {
	le := binary.LittleEndian
	b := j.Payload
	if len(b) < entryHeadLen {
		return fmt.Errorf("entry %d: %d bytes: too short", j.Index, len(b))
	}
	if b[20] != 1 {
		return fmt.Errorf("entry %d: version %d: want 1", j.Index, b[20])
	}
	*e = Entry{
		Index: j.Index, Time: j.At, Kind: EntryKind(j.Kind),
		Settled: le.Uint64(b), Ticket: Ticket(le.Uint64(b[8:])), Session: SessionID(le.Uint32(b[16:])), Loop: b[22],
	}
	e.Request.Kind = Kind(b[21])
	var err error
	switch e.Kind {
	case EntryRequest:
		if len(b) != entryRequestLen {
			return fmt.Errorf("entry %d: request of %d bytes: want %d", j.Index, len(b), entryRequestLen)
		}
		err = e.Request.Order.UnmarshalBinary(b[entryHeadLen:][:match.InputLen])
		tail := b[entryHeadLen+match.InputLen:]
		e.Request.ID = ClientID(tail)
		e.Request.Target = ClientID(tail[16:])
		e.Request.Echo = Echo(tail[32:])
	case EntryMarket, EntrySweep:
		if len(b) != entryMarketLen {
			return fmt.Errorf("entry %d: input of %d bytes: want %d", j.Index, len(b), entryMarketLen)
		}
		err = e.Input.UnmarshalBinary(b[entryHeadLen:])
	case EntryDisconnect, EntryMark:
	case EntryKill, EntryAdjust, EntryInstrument, EntryAccount, EntrySession:
		e.Setting = new(Setting)
		if err = json.Unmarshal(b[entryHeadLen:], e.Setting); err == nil && !e.Setting.fits(e.Kind) {
			err = fmt.Errorf("setting is none of kind %d", e.Kind)
		}
	default:
		err = fmt.Errorf("unknown kind %d", j.Kind)
	}
	if err != nil {
		return fmt.Errorf("entry %d: %w", j.Index, err)
	}
	return nil
}

// fits reports whether the field is set that a kind of entry needs.
func (s *Setting) fits(k EntryKind) bool {
	switch k {
	case EntryKill:
		return s.Kill != nil
	case EntryAdjust:
		return s.Adjust != nil
	case EntryInstrument:
		return s.Instrument != nil
	case EntryAccount:
		return s.Account != nil
	default:
		return s.Session != nil
	}
}
