// Package pitch reads and writes the messages of Cboe's US Equities Multicast PITCH 2.x, the
// order-by-order feed of BZX, BYX, EDGA and EDGX.
//
// A Decoder belongs to one unit, because the unit's Time messages set its clock. What concerns orders
// and trades comes out as a market.Update for the book, without allocation; the rest is for the slower
// DecodeCold:
//
//	d := pitch.NewDecoder(market.CboeBZX.ID, market.NewSymbolTable(1<<16), midnight)
//	var u market.Update
//	v := d.Decode(msg, tsRecv, &u)
//	if v == market.Cold {
//		facts.Reset()
//		v = d.DecodeCold(msg, tsRecv, &facts)
//	}
//	verdicts[v]++ // v says what became of the message
//
// Most messages about an order name the order and nothing else: no instrument, no side. Their updates
// have Instrument 0, and whoever keeps the book looks the order up; see Decode.
//
// For each message there is also a struct with the fields of the wire, with Append and Parse. They
// convert and judge nothing. A message that comes in a short, a long and an expanded form is one struct:
// Parse reads any form, and Append writes the shortest that holds the values, as the venue does.
//
// The package does no I/O. Package sequnit cuts datagrams into messages; package recovery has the
// messages of the gap request proxy and of the spin server.
//
// # Messages
//
// Source: Cboe Titanium US Equities/Options Multicast PITCH, version 2.41, sections 2.2 (data types)
// and 4 (messages). Integers are unsigned and little-endian; text is left-justified and padded with
// spaces; a long price is an integer in units of 1e-4, a short price in units of 1e-2. A message begins
// with its type. (The specification counts offsets from the length before it: one more than here.) All
// but Time and SymbolMapping have their time next, in nanoseconds since the second that the unit's last
// Time message named. Seconds count from midnight in New York.
//
//	type  bytes  struct                    offsets
//	20    5      Time                      1 seconds u32
//	97    5      UnitClear
//	21    33     AddOrder, long            5 order u64, 13 side, 14 quantity u32, 18 symbol (6), 24 price u64, 32 flags*
//	22    25     AddOrder, short           5 order u64, 13 side, 14 quantity u16, 16 symbol (6), 22 price u16, 24 flags*
//	2f    40     AddOrder, expanded        5 order u64, 13 side, 14 quantity u32, 18 symbol (8), 26 price u64, 34 flags,
//	                                       35 participant (4)*, 39 customer*
//	23    25     OrderExecuted             5 order u64, 13 executed u32, 17 execution u64
//	24    37     OrderExecutedAtPrice      5 order u64, 13 executed u32, 17 remaining u32, 21 execution u64, 29 price u64
//	25    17     ReduceSize, long          5 order u64, 13 canceled u32
//	26    15     ReduceSize, short         5 order u64, 13 canceled u16
//	27    26     ModifyOrder, long         5 order u64, 13 quantity u32, 17 price u64, 25 flags*
//	28    18     ModifyOrder, short        5 order u64, 13 quantity u16, 15 price u16, 17 flags*
//	29    13     DeleteOrder               5 order u64
//	2a    40     Trade, long               5 order u64, 13 side, 14 quantity u32, 18 symbol (6), 24 price u64, 32 execution u64
//	2b    32     Trade, short              5 order u64, 13 side, 14 quantity u16, 16 symbol (6), 22 price u16, 24 execution u64
//	30    42     Trade, expanded           5 order u64, 13 side, 14 quantity u32, 18 symbol (8), 26 price u64, 34 execution u64
//	2c    13     TradeBreak                5 execution u64
//	2d    5      EndOfSession
//	2e    37     SymbolMapping             1 feed symbol (6), 7 OSI symbol (21), 28 condition, 29 underlying (8)*
//	31    17     TradingStatus             5 symbol (8), 13 status, 14 short sale, 15 reserved (2)
//	95    46     AuctionUpdate             5 symbol (8), 13 auction, 14 reference u64, 22 buy u32, 26 sell u32,
//	                                       30 indicative u64, 38 auction only u64
//	96    26     AuctionSummary            5 symbol (8), 13 auction, 14 price u64, 22 shares u32
//	98    14     RetailPriceImprovement    5 symbol (8), 13 indicator
//
// Fields with a star are missing at the end of messages of older editions, and of Cboe's options and
// futures feeds, which share most layouts; they are then 0, or spaces in text. The other way round, Cboe may
// lengthen any message at its end and add types without notice. So a message longer than the table
// says is good and its tail is not looked at (market.Long is never returned), and a new type is
// market.UnknownType.
package pitch
