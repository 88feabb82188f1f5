// Package crypto has the public market data of crypto venues: a package for each venue, and three that
// they share.
//
//	binance, bitstamp, bybit, coinbase, kraken, okx   what each venue sends, and its rules
//	depth      the common form of it, and the state machine of snapshots and deltas
//	wire       JSON and decimal numbers
//	capture    recordings of what venues send
//
// All venues have the same functions:
//
//	NewDecoder(*depth.Directory) *Decoder
//	(*Decoder) Decode([]byte, *depth.Message) market.Verdict
//	ParseInstruments([]byte) ([]depth.Instrument, error)
//
// and a function that returns a depth.SplicerConfig. Venues whose snapshots are requested have
//
//	(*Decoder) DecodeSnapshot([]byte, *depth.Instrument, *depth.Message) market.Verdict
//
// How books are put together, and what shows a fault:
//
//	venue            snapshot   next delta                               checksum
//	Binance spot     requested  U <= last+1, u > last                    none
//	Binance futures  requested  pu = last u                              none
//	Bitstamp         requested  microtimestamp > last                    none
//	Bybit            sent       u = last u + 1                           none
//	Coinbase         sent       not numbered                             none
//	Kraken           sent       not numbered                             CRC-32 of the ten best levels
//	OKX              sent       prevSeqId = last seqId                   CRC-32 of the 25 best levels, until 2026
//
// There is nothing in package crypto itself; its tests run recordings of all venues through books, and
// compare the speed of decoders.
package crypto
