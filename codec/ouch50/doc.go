// Package ouch50 reads and writes the messages of Nasdaq OUCH 5.0, by which orders are entered: those of
// the client and those of the venue.
//
// For each message there is a struct with the fields of the wire, with Append and Parse. A venue reads
// what a client sends, and says what is wrong with it:
//
//	switch b[0] {
//	case ouch50.TypeEnterOrder:
//		var m ouch50.EnterOrder
//		switch err := m.Parse(b); err {
//		case nil:
//			...
//		case ouch50.ErrField: // all is read: m.Check() says why it is to be Rejected
//			...
//		case ouch50.ErrAppendage: // the fields are read: to be Rejected with RejectOther
//			...
//		default: // too short or too long: there is nothing that could be answered
//		}
//	}
//
// A client numbers what it asks for with a RefSequence, and the venue checks that with another.
//
// What a client sends is judged: codes, quantities, prices, text, and the values of options (Check says
// why the venue rejects them). Whether the values go together is the venue's to know. What the venue
// sends is judged as far as a client must understand it, the side and the state of an order; reasons,
// flags and options are lists that grow, and come as they are.
//
// The package keeps no state and does no I/O. Parse does not allocate, and Append only what b lacks. What
// Parse keeps of the bytes is a view: see Appendage. Any goroutine may call anything.
//
// # Messages
//
// Source: Nasdaq, OUCH 5.0 Order Entry Specification, revision 1.05 of October 2025: section 2 (from the
// client), section 3 (from the venue), appendix A (options). Integers are unsigned and big-endian; text
// is left-justified and padded with spaces; a price is a u64 in units of 1e-4. Messages are those of
// SoupBinTCP: unnumbered packets from the client, numbered ones from the venue. A message's type says
// its length, all but the appendage:
//
//	from the client
//	type  bytes  struct             offsets
//	O     45 +   EnterOrder         1 user ref u32, 5 side, 6 quantity u32, 10 symbol (8), 18 price, 26 time
//	                                in force, 27 display, 28 capacity, 29 sweep, 30 cross, 31 ClOrdID (14)
//	U     38 +   ReplaceOrder       1 old user ref u32, 5 user ref u32, 9 quantity u32, 13 price, 21 time in
//	                                force, 22 display, 23 sweep, 24 ClOrdID (14)
//	X      9 ?   CancelOrder        1 user ref u32, 5 quantity u32
//	M     10 ?   ModifyOrder        1 user ref u32, 5 side, 6 quantity u32
//	C     17 +   MassCancel         1 user ref u32, 5 firm (4), 9 symbol (8)
//	D      9 +   DisableOrderEntry  1 user ref u32, 5 firm (4)
//	E      9 +   EnableOrderEntry   as D
//	Q      1 ?   AccountQuery
//
//	from the venue: all have 1 timestamp u64, and all but S and Q have 9 user ref u32
//	S     10     SystemEvent                9 event
//	A     62 +   OrderAccepted              13 side, 14 quantity u32, 18 symbol (8), 26 price, 34 time in force,
//	                                        35 display, 36 order u64, 44 capacity, 45 sweep, 46 cross, 47 state,
//	                                        48 ClOrdID (14)
//	U     66 +   OrderReplaced              9 old user ref u32, 13 user ref u32, 17 side, and on as in A
//	C     18 ?   OrderCanceled              13 quantity u32, 17 reason
//	D     32 ?   AIQCanceled                13 decrement u32, 17 reason, 18 prevented u32, 22 price,
//	                                        30 liquidity, 31 strategy
//	E     34 +   OrderExecuted              13 quantity u32, 17 price, 25 liquidity, 26 match u64
//	B     36 ?   BrokenTrade                13 match u64, 21 reason, 22 ClOrdID (14)
//	J     29 ?   Rejected                   13 reason u16, 15 ClOrdID (14)
//	P     13 ?   CancelPending
//	I     13 ?   CancelReject
//	T     30 ?   OrderPriorityUpdate        13 price, 21 display, 22 order u64
//	M     18 ?   OrderModified              13 side, 14 quantity u32
//	R     14 +   OrderRestated              13 reason
//	X     25 +   MassCancelResponse         13 firm (4), 17 symbol (8)
//	G     17 +   DisableOrderEntryResponse  13 firm (4)
//	K     17 +   EnableOrderEntryResponse   as G
//	Q     13 ?   AccountQueryResponse       9 next user ref u32
//
// What has no size here has 1 byte. After the bytes come, with +, the length of the appendage, u16, and
// the appendage. With ? both can be missing, as they are in earlier editions, and Append leaves them out
// when there is no option to send.
//
// # Appendages
//
// An appendage is a row of options, in any order, each tag once:
//
//	offset  0           1     2
//	        +-----------+-----+------------------+
//	        | 1 + value | tag | value            |
//	        | u8        | u8  | size of the tag  |
//	        +-----------+-----+------------------+
//
// The tags are at Tag. Their sizes in bytes: 8 for 1, 9 and 23; 4 for 2, 3, 5, 7, 11, 13, 14, 15, 22 and
// 26; 2 for 24 and 30; 1 for 4, 6, 10, 12, 16, 17, 18, 25, 27, 28 and 29. There is no 8 and no 19 to 21.
//
// # What is certain
//
// All of this was checked against public implementations of other authors, not against the
// specification itself. Three of revision 1.05 and two of earlier editions agree on every length and
// offset that they have. What fewer say:
//
//   - From the client C, D and E, from the venue X, G and K, and the strategy of AIQCanceled are not in
//     the earlier editions: there are three sources.
//   - Tag 14 (route) and tag 24 (group): by one source revision 1.05 has 14 only from the venue, and no 24
//     in ReplaceOrder; earlier editions have both. Both are understood.
//   - The codes of tag 29 are known from one source, and are not judged; the sizes of 29 and 30 from two.
//   - That an appendage can be missing with its length, and the ranges 1 to QuantityMax and 1 to LimitMax,
//     are known from two.
//   - Which shares a quantity counts (open, executed) is said as OUCH 4.2 has it.
//   - Trade corrections, which earlier editions have, are in none of revision 1.05, nor here.
package ouch50
