// Package dbn reads and writes DBN, Databento's record encoding: what subscribers of the gateway
// receive, and what recorded files hold. It reads versions 1, 2 and 3 and writes version 3.
//
// It sees plain bytes only: a caller with a zstd file unpacks it on the way in.
//
// # Reading
//
//	r, err := dbn.NewReader(file) // reads the metadata
//	var mbo dbn.MBO
//	for {
//		rec, err := r.Next() // a view, valid until the next call
//		if err == io.EOF {
//			break
//		}
//		switch rec.RType {
//		case dbn.RTypeMBO:
//			err = mbo.Parse(rec)
//		}
//	}
//
// Every record type is a struct with the same two methods. Parse fills it from a Record of any
// version: older layouts become the struct of version 3. Append adds it to a byte slice in
// version 3. Market data records hold no pointer, and neither method allocates for them; the cold
// records with text (Definition, SymbolMapping, Error, System) hold strings and allocate when
// parsed.
//
// # Writing
//
// NewWriter writes the metadata and then takes whole records:
//
//	w, err := dbn.NewWriter(file, &dbn.Metadata{Dataset: "XNAS.ITCH", Schema: dbn.SchemaMBO, ...})
//	buf = mbo.Append(buf[:0])
//	_, err = w.Write(buf)
//
// AppendMBO encodes a market.Event, StatusOf and its siblings make records of market's facts, and
// AppendTsOut adds the send time that live subscribers may ask for.
//
// # Layout
//
// Integers are little-endian. A stream is metadata followed by records; a fragment is records
// only. Metadata (version 3, see AppendMetadata) is
//
//	 0  "DBN"                      the mark of the format
//	 3  version          u8        1 to 3
//	 4  length           u32       bytes that follow; in version 3 a multiple of 8
//	 8  dataset          cstr[16]  NUL-padded, at least one NUL
//	24  schema           u16       65535: several
//	26  start            u64       nanoseconds since the epoch
//	34  end              u64       all ones: none
//	42  limit            u64       most records asked for; 0: no limit
//	50  stype_in         u8        255: several
//	51  stype_out        u8
//	52  ts_out           u8        1: every record ends with a send time
//	53  symbol_cstr_len  u16       71: length of every symbol below
//	55  reserved         [53]
//	108 schema_definition_length u32, 0
//	112 symbols, partial, not_found: each u32 n, then n symbols
//	    mappings: u32 n, then n times: symbol, u32 k, then k times: u32 first day, u32 day after
//	    the last, symbol; days are the decimal number YYYYMMDD
//	    zeros to a multiple of 8
//
// Version 2 has no zeros at the end. Version 1 has symbols of 22 bytes, and a u64 record count at
// 50 which moves the three bytes after it to 58.
//
// Every record starts with
//
//	0  length         u8   the whole record in words of 4 bytes
//	1  rtype          u8   which layout follows
//	2  publisher_id   u16  0 on records of the gateway itself
//	4  instrument_id  u32
//	8  ts_event       u64  venue time
//
// and ends, where the metadata says ts_out, with a u64 send time. The layout of each body stands
// at its struct. Versions 1 and 2 differ from 3 in Definition, Stat, SymbolMapping, Error and
// System only.
package dbn
