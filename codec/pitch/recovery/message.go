package recovery

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// Errors of the messages' Parse methods.
var (
	// ErrType is returned for bytes that begin with the type of another message, or are empty.
	ErrType = errors.New("recovery: another message type")
	// ErrLength is returned for a message that is shorter than its type demands. Longer ones are good:
	// Cboe may lengthen messages at their end.
	ErrLength = errors.New("recovery: shorter than the message type demands")
)

// Message types.
const (
	TypeLogin              byte = 0x01
	TypeLoginResponse      byte = 0x02
	TypeGapRequest         byte = 0x03
	TypeGapResponse        byte = 0x04
	TypeSpinImageAvailable byte = 0x80
	TypeSpinRequest        byte = 0x81
	TypeSpinResponse       byte = 0x82
	TypeSpinFinished       byte = 0x83
)

// Lengths of the messages in bytes, the type included.
const (
	lenLogin         = 21
	lenLoginResponse = 2
	lenGapRequest    = 8
	lenGapResponse   = 9
	lenSpin          = 5 // of those that are a sequence alone
	lenSpinResponse  = 10
)

// le reads and writes the integers of the wire.
var le = binary.LittleEndian

// check reports whether b is a message of a type, whole.
func check(b []byte, typ byte, length int) error {
	if len(b) == 0 || b[0] != typ {
		return ErrType
	}
	if len(b) < length {
		return ErrLength
	}
	return nil
}

// A LoginStatus is the answer to a Login.
type LoginStatus byte

// Login statuses.
const (
	LoginAccepted  LoginStatus = 'A'
	NotAuthorized  LoginStatus = 'N' // username or password
	SessionInUse   LoginStatus = 'B'
	InvalidSession LoginStatus = 'S'
)

// String returns what the specification says of the status.
func (s LoginStatus) String() string {
	switch s {
	case LoginAccepted:
		return "accepted"
	case NotAuthorized:
		return "not authorized"
	case SessionInUse:
		return "session in use"
	case InvalidSession:
		return "invalid session"
	default:
		return fmt.Sprintf("login status %#02x", byte(s))
	}
}

// A GapStatus is the answer to a GapRequest. All but GapAccepted are refusals.
type GapStatus byte

// Gap statuses.
const (
	GapAccepted        GapStatus = 'A'
	GapOutOfRange      GapStatus = 'O' // ahead of the unit, or too long ago
	GapDayExhausted    GapStatus = 'D'
	GapMinuteExhausted GapStatus = 'M'
	GapSecondExhausted GapStatus = 'S'
	GapCountExceeded   GapStatus = 'C' // more messages than one request may ask for
	GapInvalidUnit     GapStatus = 'I'
	GapUnavailable     GapStatus = 'U' // the unit, for now
	// GapUnanswered is ours: no answer came within AnswerMax.
	GapUnanswered GapStatus = 0
)

// String returns what the specification says of the status.
func (s GapStatus) String() string {
	switch s {
	case GapAccepted:
		return "accepted"
	case GapOutOfRange:
		return "out of range"
	case GapDayExhausted:
		return "requests of the day exhausted"
	case GapMinuteExhausted:
		return "requests of the minute exhausted"
	case GapSecondExhausted:
		return "requests of the second exhausted"
	case GapCountExceeded:
		return "too many messages"
	case GapInvalidUnit:
		return "invalid unit"
	case GapUnavailable:
		return "unit unavailable"
	case GapUnanswered:
		return "unanswered"
	default:
		return fmt.Sprintf("gap status %#02x", byte(s))
	}
}

// A SpinStatus is the answer to a SpinRequest.
type SpinStatus byte

// Spin statuses.
const (
	SpinAccepted   SpinStatus = 'A'
	SpinOutOfRange SpinStatus = 'O' // the server has no image of that sequence any more
	SpinInProgress SpinStatus = 'S' // another is being sent
)

// String returns what the specification says of the status.
func (s SpinStatus) String() string {
	switch s {
	case SpinAccepted:
		return "accepted"
	case SpinOutOfRange:
		return "out of range"
	case SpinInProgress:
		return "spin in progress"
	default:
		return fmt.Sprintf("spin status %#02x", byte(s))
	}
}

// Login (01) is the first message of a client.
type Login struct {
	SessionSubID [4]byte
	Username     [4]byte
	Password     [10]byte
}

// Append appends the message to b.
func (m *Login) Append(b []byte) []byte {
	b = append(b, TypeLogin)
	b = append(b, m.SessionSubID[:]...)
	b = append(b, m.Username[:]...)
	b = append(b, "  "...)
	return append(b, m.Password[:]...)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *Login) Parse(b []byte) error {
	if err := check(b, TypeLogin, lenLogin); err != nil {
		return err
	}
	m.SessionSubID, m.Username, m.Password = [4]byte(b[1:]), [4]byte(b[5:]), [10]byte(b[11:])
	return nil
}

// LoginResponse (02) answers a Login.
type LoginResponse struct{ Status LoginStatus }

// Append appends the message to b.
func (m *LoginResponse) Append(b []byte) []byte { return append(b, TypeLoginResponse, byte(m.Status)) }

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *LoginResponse) Parse(b []byte) error {
	if err := check(b, TypeLoginResponse, lenLoginResponse); err != nil {
		return err
	}
	m.Status = LoginStatus(b[1])
	return nil
}

// GapRequest (03) asks for messages of a unit.
type GapRequest struct {
	Unit  uint8
	Seq   uint32 // of the first message wanted
	Count uint16 // messages wanted
}

// Append appends the message to b.
func (m *GapRequest) Append(b []byte) []byte { return m.append(b, TypeGapRequest) }

func (m *GapRequest) append(b []byte, typ byte) []byte {
	b = append(b, typ, m.Unit)
	b = le.AppendUint32(b, m.Seq)
	return le.AppendUint16(b, m.Count)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *GapRequest) Parse(b []byte) error {
	if err := check(b, TypeGapRequest, lenGapRequest); err != nil {
		return err
	}
	m.parse(b)
	return nil
}

func (m *GapRequest) parse(b []byte) {
	m.Unit, m.Seq, m.Count = b[1], le.Uint32(b[2:]), le.Uint16(b[6:])
}

// GapResponse (04) answers a GapRequest and repeats it.
type GapResponse struct {
	GapRequest
	Status GapStatus
}

// Append appends the message to b.
func (m *GapResponse) Append(b []byte) []byte {
	return append(m.append(b, TypeGapResponse), byte(m.Status))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *GapResponse) Parse(b []byte) error {
	if err := check(b, TypeGapResponse, lenGapResponse); err != nil {
		return err
	}
	m.parse(b)
	m.Status = GapStatus(b[8])
	return nil
}

// SpinImageAvailable (80) offers an image. A server says it every second.
type SpinImageAvailable struct {
	Seq uint32 // of the last message of the unit that the image takes in
}

// Append appends the message to b.
func (m *SpinImageAvailable) Append(b []byte) []byte {
	return le.AppendUint32(append(b, TypeSpinImageAvailable), m.Seq)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *SpinImageAvailable) Parse(b []byte) (err error) {
	m.Seq, err = sequence(b, TypeSpinImageAvailable, m.Seq)
	return err
}

// SpinRequest (81) asks for an image that was offered.
type SpinRequest struct{ Seq uint32 }

// Append appends the message to b.
func (m *SpinRequest) Append(b []byte) []byte {
	return le.AppendUint32(append(b, TypeSpinRequest), m.Seq)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *SpinRequest) Parse(b []byte) (err error) {
	m.Seq, err = sequence(b, TypeSpinRequest, m.Seq)
	return err
}

// SpinResponse (82) answers a SpinRequest. If it was accepted, the image follows.
type SpinResponse struct {
	Seq    uint32
	Orders uint32 // AddOrder messages in the image
	Status SpinStatus
}

// Append appends the message to b.
func (m *SpinResponse) Append(b []byte) []byte {
	b = le.AppendUint32(append(b, TypeSpinResponse), m.Seq)
	return append(le.AppendUint32(b, m.Orders), byte(m.Status))
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *SpinResponse) Parse(b []byte) error {
	if err := check(b, TypeSpinResponse, lenSpinResponse); err != nil {
		return err
	}
	m.Seq, m.Orders, m.Status = le.Uint32(b[1:]), le.Uint32(b[5:]), SpinStatus(b[9])
	return nil
}

// SpinFinished (83) follows the last message of an image.
type SpinFinished struct{ Seq uint32 }

// Append appends the message to b.
func (m *SpinFinished) Append(b []byte) []byte {
	return le.AppendUint32(append(b, TypeSpinFinished), m.Seq)
}

// Parse reads the message from b. The error is ErrType or ErrLength.
func (m *SpinFinished) Parse(b []byte) (err error) {
	m.Seq, err = sequence(b, TypeSpinFinished, m.Seq)
	return err
}

// sequence returns the sequence that a message of a type is all about; was, where it is none.
func sequence(b []byte, typ byte, was uint32) (uint32, error) {
	if err := check(b, typ, lenSpin); err != nil {
		return was, err
	}
	return le.Uint32(b[1:]), nil
}
