package ouch50

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
)

// Errors of the messages' Parse methods. They are returned as they are, without further text.
var (
	// ErrType is returned for a message that begins with another type than the one it is read as.
	ErrType = errors.New("ouch50: another message type")
	// ErrShort is returned for a message that ends before its type, or its appendage's length, says.
	ErrShort = errors.New("ouch50: message too short")
	// ErrLong is returned for a message that goes on after its end.
	ErrLong = errors.New("ouch50: message too long")
	// ErrAppendage is returned for an appendage that is no row of options: one that runs over the end or
	// has not the size of its tag, or a tag that comes twice. From a client, also for a tag that does not
	// belong to the message or to the protocol. The fields before the appendage are read.
	ErrAppendage = errors.New("ouch50: appendage is no row of options of the message")
	// ErrField is returned for a value that the protocol does not allow. All fields are read.
	ErrField = errors.New("ouch50: a field has a value that is not allowed")
)

// be reads and writes the integers of the wire.
var be = binary.BigEndian

// Types of messages from the client.
const (
	TypeEnterOrder        byte = 'O'
	TypeReplaceOrder      byte = 'U'
	TypeCancelOrder       byte = 'X'
	TypeModifyOrder       byte = 'M'
	TypeMassCancel        byte = 'C'
	TypeDisableOrderEntry byte = 'D'
	TypeEnableOrderEntry  byte = 'E'
	TypeAccountQuery      byte = 'Q'
)

// Types of messages from the venue. Some letters mean something else from the client.
const (
	TypeSystemEvent               byte = 'S'
	TypeOrderAccepted             byte = 'A'
	TypeOrderReplaced             byte = 'U'
	TypeOrderCanceled             byte = 'C'
	TypeAIQCanceled               byte = 'D'
	TypeOrderExecuted             byte = 'E'
	TypeBrokenTrade               byte = 'B'
	TypeRejected                  byte = 'J'
	TypeCancelPending             byte = 'P'
	TypeCancelReject              byte = 'I'
	TypeOrderPriorityUpdate       byte = 'T'
	TypeOrderModified             byte = 'M'
	TypeOrderRestated             byte = 'R'
	TypeMassCancelResponse        byte = 'X'
	TypeDisableOrderEntryResponse byte = 'G'
	TypeEnableOrderEntryResponse  byte = 'K'
	TypeAccountQueryResponse      byte = 'Q'
)

// LengthMax is the length in bytes of the longest message, an OrderReplaced, with each option that the
// protocol has. An appendage from a later edition can be longer.
const LengthMax = lenOrderReplaced + appendageLengthLen + appendageMax

// Lengths of the messages in bytes, the type included, the appendage and its length not.
const (
	lenEnterOrder        = 45
	lenReplaceOrder      = 38
	lenCancelOrder       = 9
	lenModifyOrder       = 10
	lenMassCancel        = 17
	lenOrderEntryControl = 9
	lenAccountQuery      = 1

	lenSystemEvent               = 10
	lenOrderAccepted             = 62
	lenOrderReplaced             = 66
	lenOrderCanceled             = 18
	lenAIQCanceled               = 32
	lenOrderExecuted             = 34
	lenBrokenTrade               = 36
	lenRejected                  = 29
	lenCancelPending             = 13
	lenOrderPriorityUpdate       = 30
	lenOrderModified             = 18
	lenOrderRestated             = 14
	lenMassCancelResponse        = 25
	lenOrderEntryControlResponse = 17
	lenAccountQueryResponse      = 13

	headerLen          = 13 // of the messages about orders from the venue: type, timestamp, UserRefNum
	appendageLengthLen = 2
)

// A rule says whether a message has an appendage.
type rule uint8

const (
	never    rule = iota // not even its length
	optional             // its length is left out when there is none
	always               // its length is always there
)

// A format is what the messages of a type have in common.
type format struct {
	typ        byte
	size       uint8 // length in bytes without the appendage and its length
	rule       rule
	fromClient bool
	tags       tagSet // options that the message can have
}

// Formats of messages from the client.
var (
	enterOrder        = format{TypeEnterOrder, lenEnterOrder, always, true, orderTags | tags(TagFirm, TagRoute, TagGroupID)}
	replaceOrder      = format{TypeReplaceOrder, lenReplaceOrder, always, true, orderTags | tags(TagSide, TagGroupID)}
	cancelOrder       = format{TypeCancelOrder, lenCancelOrder, optional, true, tags(TagUserRefIdx)}
	modifyOrder       = format{TypeModifyOrder, lenModifyOrder, optional, true, tags(TagUserRefIdx, TagSharesLocated, TagLocateBroker)}
	massCancel        = format{TypeMassCancel, lenMassCancel, always, true, tags(TagUserRefIdx, TagSide, TagGroupID)}
	disableOrderEntry = format{TypeDisableOrderEntry, lenOrderEntryControl, always, true, tags(TagUserRefIdx)}
	enableOrderEntry  = format{TypeEnableOrderEntry, lenOrderEntryControl, always, true, tags(TagUserRefIdx)}
	accountQuery      = format{TypeAccountQuery, lenAccountQuery, optional, true, tags(TagUserRefIdx)}
)

// Formats of messages from the venue. What options they have is the venue's to know: a client passes
// over those it does not look for.
var (
	systemEvent               = format{typ: TypeSystemEvent, size: lenSystemEvent, rule: never}
	orderAccepted             = format{typ: TypeOrderAccepted, size: lenOrderAccepted, rule: always}
	orderReplaced             = format{typ: TypeOrderReplaced, size: lenOrderReplaced, rule: always}
	orderCanceled             = format{typ: TypeOrderCanceled, size: lenOrderCanceled, rule: optional}
	aiqCanceled               = format{typ: TypeAIQCanceled, size: lenAIQCanceled, rule: optional}
	orderExecuted             = format{typ: TypeOrderExecuted, size: lenOrderExecuted, rule: always}
	brokenTrade               = format{typ: TypeBrokenTrade, size: lenBrokenTrade, rule: optional}
	rejected                  = format{typ: TypeRejected, size: lenRejected, rule: optional}
	cancelPending             = format{typ: TypeCancelPending, size: lenCancelPending, rule: optional}
	cancelReject              = format{typ: TypeCancelReject, size: lenCancelPending, rule: optional}
	orderPriorityUpdate       = format{typ: TypeOrderPriorityUpdate, size: lenOrderPriorityUpdate, rule: optional}
	orderModified             = format{typ: TypeOrderModified, size: lenOrderModified, rule: optional}
	orderRestated             = format{typ: TypeOrderRestated, size: lenOrderRestated, rule: always}
	massCancelResponse        = format{typ: TypeMassCancelResponse, size: lenMassCancelResponse, rule: always}
	disableOrderEntryResponse = format{typ: TypeDisableOrderEntryResponse, size: lenOrderEntryControlResponse, rule: always}
	enableOrderEntryResponse  = format{typ: TypeEnableOrderEntryResponse, size: lenOrderEntryControlResponse, rule: always}
	accountQueryResponse      = format{typ: TypeAccountQueryResponse, size: lenAccountQueryResponse, rule: optional}
)

// split checks the type and the length of a message and returns its appendage, a view of b. With
// ErrAppendage, and without an error, b has all fields before the appendage.
func (f *format) split(b []byte) (Appendage, error) {
	if len(b) == 0 {
		return nil, ErrShort
	}
	if b[0] != f.typ {
		return nil, ErrType
	}
	if len(b) < int(f.size) {
		return nil, ErrShort
	}
	rest := b[f.size:]
	switch {
	case len(rest) == 0 && f.rule != always:
		return nil, nil
	case f.rule == never:
		return nil, ErrLong
	case len(rest) < appendageLengthLen:
		return nil, ErrShort
	}
	n := int(be.Uint16(rest))
	rest = rest[appendageLengthLen:]
	if len(rest) < n {
		return nil, ErrShort
	}
	if len(rest) > n {
		return nil, ErrLong
	}
	a := Appendage(rest)
	if !a.wellFormed(f) {
		return nil, ErrAppendage
	}
	return a, nil
}

// unread reports whether an error of split means that there are no fields to read.
func unread(err error) bool { return err != nil && err != ErrAppendage }

// judged returns what Parse says of a message of which split said err, and whose fields are all right
// or not.
func judged(err error, fieldsOK bool) error {
	if err == nil && !fieldsOK {
		return ErrField
	}
	return err
}

// appendAppendage ends a message. It panics if the length of a does not fit its field.
func (f *format) appendAppendage(b []byte, a Appendage) []byte {
	if f.rule == optional && len(a) == 0 {
		return b
	}
	if len(a) > math.MaxUint16 {
		panic(fmt.Sprintf("ouch50: an appendage of %d bytes, want at most %d", len(a), math.MaxUint16))
	}
	b = be.AppendUint16(b, uint16(len(a)))
	return append(b, a...)
}

// Header is what every message about an order from the venue carries after its type.
type Header struct {
	Timestamp  uint64 // nanoseconds since midnight, New York time
	UserRefNum uint32 // the client's number of the order, or of the request that is answered
}

func (h *Header) append(b []byte, typ byte) []byte {
	b = append(b, typ)
	b = be.AppendUint64(b, h.Timestamp)
	return be.AppendUint32(b, h.UserRefNum)
}

func (h *Header) parse(b []byte) {
	h.Timestamp = be.Uint64(b[1:])
	h.UserRefNum = be.Uint32(b[9:])
}
