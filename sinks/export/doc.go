// Package export writes records of a journal into files for other programs: DBN, CSV and Parquet.
//
//	result, err := export.Run(ctx, export.Options{
//		Dir: "/var/lib/tidegate/journal", Out: "day.mbo.dbn.zst", Format: export.DBN,
//		Schema: dbn.SchemaMBO, Symbols: []string{"AAPL"}, Start: from, End: to,
//	})
//
// A file has the records of one schema of one feed, in the order of the journal, and is either complete or
// not there: it gets its name at the end. The journal may be written meanwhile; what is durable at the
// beginning is exported.
//
// # Time
//
// Start and End are about the time that DBN indexes a schema by: when a record was received, and for bars
// when the interval began.
//
// # Symbols
//
// Instruments are named by the definitions and symbol mappings in the journal, as of each record. One that
// neither names has the symbol that live subscribers see, # and its number. A new run of the gateway may
// number instruments anew, and so forgets all names.
//
// # Columns
//
// CSV and Parquet have the same columns (see Columns): the fields of the DBN record under DBN's names, and
// the symbol. Nothing is rounded.
//
//	field                 CSV                                    Parquet
//	price                 decimal, 5.25                          DECIMAL(18, 9)
//	time                  nanoseconds since 1970 (UTC)           TIMESTAMP(NANOS, UTC)
//	action, side, ...     letter                                 STRING
//	number                decimal                                INT or UINT of its size
//	text                  text                                   STRING
//	no price, no time     nothing                                null
//
// Other numbers that are undefined have DBN's value for that, the largest of their type.
package export
