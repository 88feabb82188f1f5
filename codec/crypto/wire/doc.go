// Package wire reads the JSON of crypto venues: a scanner over the bytes of one message, and decimal
// numbers taken from the text as it was sent.
//
// The scanner pulls: the decoder of a venue knows which keys it wants and asks for their values, and
// skips all others. Nothing is built in between, so nothing is allocated.
//
//	var s wire.Scanner
//	s.Reset(message)
//	for key, ok := s.FirstKey(); ok; key, ok = s.NextKey() {
//		switch string(key) {
//		case "E":
//			ms = s.Int()
//		case "b":
//			for more := s.FirstElem(); more; {
//				more = s.Pair(&price, &size)
//				...
//			}
//		default:
//			s.Skip()
//		}
//	}
//	s.End()
//	return s.Verdict()
//
// Keys may come in any order, with any white space and any escapes; a value that is skipped is checked
// like one that is read. So a message of which everything was read and End reported nothing is valid
// JSON (RFC 8259; text is not checked to be UTF-8). A fault sticks: after it every loop ends, every
// value is zero, and Verdict says what it was.
//
// # Numbers
//
// Venues send numbers as numbers or as text, some both ways. All methods that read numbers take both.
// The grammar is JSON's in either case.
package wire
