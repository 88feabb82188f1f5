// Package itch50 reads and writes the messages of Nasdaq TotalView-ITCH 5.0, the order-by-order feed
// of Nasdaq, BX and PSX, and the files in which Nasdaq publishes a day of them.
//
// A gateway gives each message to a Decoder. What concerns orders and trades comes out as a
// market.Update for the book, without allocation; the rest is for the slower DecodeCold:
//
//	d := itch50.Decoder{Midnight: midnight, Publisher: market.NasdaqITCH.ID}
//	var u market.Update
//	v := d.Decode(msg, &u)
//	if v == market.Cold {
//		facts.Reset()
//		v = d.DecodeCold(msg, &facts)
//	}
//	counters[v]++ // v says what became of the message
//
// For each message there is also a struct with the fields of the wire, as the specification names
// them, with Append and Parse. They convert and judge nothing. Who simulates a venue writes with
// them.
//
// The package keeps no state and does no I/O of its own. Any goroutine may call anything, one at a
// time per FileReader.
//
// # Messages
//
// Source: NASDAQ TotalView-ITCH 5.0, sections 4.1 to 4.8 (1.1 to 1.8 in later editions). Integers
// are unsigned and big-endian; text is left-justified and padded with spaces; a price is an integer
// in units of 1e-4, except for the levels of MWCBDecline, which are in units of 1e-8. All messages
// begin alike:
//
//	offset  0      1         3           5                 11
//	        +------+---------+-----------+-----------------+----
//	        | type | locate  | tracking  | timestamp       | ...
//	        | u8   | u16     | u16       | u48 nanoseconds |
//	        +------+---------+-----------+-----------------+----
//
// The locate numbers the security for one day; StockDirectory binds it to a symbol. The timestamp
// counts from midnight in New York. A message's type says its length:
//
//	type  bytes  struct                      offsets of what follows the header
//	S     12     SystemEvent                 11 event
//	R     39     StockDirectory              11 stock, 19 market, 20 financial status, 21 round lot u32,
//	                                         25 round lots only, 26 classification, 27 sub-type (2),
//	                                         29 authenticity, 30 short sale threshold, 31 IPO, 32 LULD tier,
//	                                         33 ETP, 34 leverage u32, 38 inverse
//	H     25     TradingAction               11 stock, 19 state, 20 reserved, 21 reason (4)
//	Y     20     RegSHORestriction           11 stock, 19 action
//	L     26     MarketParticipantPosition   11 MPID (4), 15 stock, 23 primary, 24 mode, 25 state
//	V     35     MWCBDecline                 11, 19, 27 levels u64
//	W     12     MWCBStatus                  11 level
//	K     28     IPOQuotingPeriod            11 stock, 19 seconds u32, 23 qualifier, 24 price
//	J     35     LULDAuctionCollar           11 stock, 19 reference, 23 upper, 27 lower, 31 extension u32
//	h     21     OperationalHalt             11 stock, 19 market, 20 action
//	A     36     AddOrder                    11 order u64, 19 side, 20 shares u32, 24 stock, 32 price
//	F     40     AddOrderMPID                as A, 36 MPID (4)
//	E     31     OrderExecuted               11 order u64, 19 shares u32, 23 match u64
//	C     36     OrderExecutedWithPrice      as E, 31 printable, 32 price
//	X     23     OrderCancel                 11 order u64, 19 shares u32
//	D     19     OrderDelete                 11 order u64
//	U     35     OrderReplace                11 order u64, 19 new order u64, 27 shares u32, 31 price
//	P     44     Trade                       as A, 36 match u64
//	Q     40     CrossTrade                  11 shares u64, 19 stock, 27 price, 31 match u64, 39 cross type
//	B     19     BrokenTrade                 11 match u64
//	I     50     NOII                        11 paired u64, 19 imbalance u64, 27 direction, 28 stock, 36 far,
//	                                         40 near, 44 reference, 48 cross type, 49 variation
//	N     20     RPII                        11 stock, 19 interest
//	O     48     DirectListing               11 stock, 19 eligible, 20 min, 24 max, 28 near price, 32 near time u64,
//	                                         40 lower, 44 upper
//
// Stocks have 8 bytes, prices 4, and what has no size here has 1.
//
// # Files
//
// Source: Nasdaq BinaryFILE 1.00. A file is a list of messages, each after its length, and may end
// with a length of zero, the end-of-session marker:
//
//	| length u16 | message | length u16 | message | ... | 0 u16 |
//
// A FileReader hands out runs of whole messages in that form, which is also how a MoldUDP64 packet
// carries them, so that one loop decodes both. Some files in circulation leave all lengths zero:
// see NewTypedFileReader.
package itch50
