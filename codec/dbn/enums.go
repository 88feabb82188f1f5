package dbn

import "strconv"

// Version is the version of DBN that this package writes, and the highest that it reads.
const Version = 3

// RType tells which layout a record has.
type RType uint8

// Record types.
const (
	RTypeTrade         RType = 0x00 // Trade
	RTypeMBP1          RType = 0x01 // MBP1; schemas mbp-1 and tbbo
	RTypeMBP10         RType = 0x0A // MBP10
	RTypeOHLCVOld      RType = 0x11 // OHLCV of an interval that the record does not tell; deprecated
	RTypeStatus        RType = 0x12 // Status
	RTypeDefinition    RType = 0x13 // Definition
	RTypeImbalance     RType = 0x14 // Imbalance
	RTypeError         RType = 0x15 // Error
	RTypeSymbolMapping RType = 0x16 // SymbolMapping
	RTypeSystem        RType = 0x17 // System
	RTypeStat          RType = 0x18 // Stat
	RTypeOHLCV1s       RType = 0x20 // OHLCV
	RTypeOHLCV1m       RType = 0x21 // OHLCV
	RTypeOHLCV1h       RType = 0x22 // OHLCV
	RTypeOHLCV1d       RType = 0x23 // OHLCV
	RTypeOHLCVEOD      RType = 0x24 // OHLCV of the venue's own trading day
	RTypeMBO           RType = 0xA0 // MBO
	RTypeCMBP1         RType = 0xB1 // CMBP1
	RTypeCBBO1s        RType = 0xC0 // CBBO
	RTypeCBBO1m        RType = 0xC1 // CBBO
	RTypeTCBBO         RType = 0xC2 // CMBP1
	RTypeBBO1s         RType = 0xC3 // BBO
	RTypeBBO1m         RType = 0xC4 // BBO
)

// String returns the name of the layout's schema, or "rtype 0x.." for a type that DBN version 3
// does not have.
func (t RType) String() string {
	switch t {
	case RTypeTrade:
		return "trades"
	case RTypeOHLCVOld:
		return "ohlcv"
	case RTypeError:
		return "error"
	case RTypeSymbolMapping:
		return "symbol-mapping"
	case RTypeSystem:
		return "system"
	}
	for s := range schemas {
		if schemas[s].rtype == t {
			return schemas[s].name
		}
	}
	return "rtype 0x" + strconv.FormatUint(uint64(t), 16)
}

// Size returns the number of bytes of a record of this type in a DBN version, without ts_out, or 0
// for a type or version that this package does not know.
func (t RType) Size(version uint8) int {
	if version > Version {
		return 0
	}
	return int(sizes[version][t])
}

// sizes has the size of a record by version and type; 0 where there is none.
var sizes = func() (s [Version + 1][256]uint16) {
	all := map[RType]uint16{
		RTypeTrade: tradeSize, RTypeMBP1: mbp1Size, RTypeMBP10: mbp10Size, RTypeStatus: statusSize,
		RTypeImbalance: imbalanceSize, RTypeOHLCVOld: ohlcvSize, RTypeOHLCV1s: ohlcvSize,
		RTypeOHLCV1m: ohlcvSize, RTypeOHLCV1h: ohlcvSize, RTypeOHLCV1d: ohlcvSize,
		RTypeOHLCVEOD: ohlcvSize, RTypeMBO: mboSize, RTypeCMBP1: cmbp1Size, RTypeTCBBO: cmbp1Size,
		RTypeCBBO1s: cbboSize, RTypeCBBO1m: cbboSize, RTypeBBO1s: bboSize, RTypeBBO1m: bboSize,
		RTypeError: errorSize, RTypeSymbolMapping: symbolMappingSize, RTypeSystem: systemSize,
		RTypeDefinition: definitionSize, RTypeStat: statSize,
	}
	for version := 1; version <= Version; version++ {
		for t, size := range all {
			s[version][t] = size
		}
	}
	s[1][RTypeError] = errorV1Size
	s[1][RTypeSystem] = systemV1Size
	s[1][RTypeSymbolMapping] = symbolMappingV1Size
	s[1][RTypeDefinition] = definitionV1Size
	s[2][RTypeDefinition] = definitionV2Size
	s[1][RTypeStat] = statV2Size
	s[2][RTypeStat] = statV2Size
	return s
}()

// Schema is what a file or a subscription holds.
type Schema uint16

// Schemas.
const (
	SchemaMBO        Schema = 0
	SchemaMBP1       Schema = 1
	SchemaMBP10      Schema = 2
	SchemaTBBO       Schema = 3
	SchemaTrades     Schema = 4
	SchemaOHLCV1s    Schema = 5
	SchemaOHLCV1m    Schema = 6
	SchemaOHLCV1h    Schema = 7
	SchemaOHLCV1d    Schema = 8
	SchemaDefinition Schema = 9
	SchemaStatistics Schema = 10
	SchemaStatus     Schema = 11
	SchemaImbalance  Schema = 12
	SchemaOHLCVEOD   Schema = 13
	SchemaCMBP1      Schema = 14
	SchemaCBBO1s     Schema = 15
	SchemaCBBO1m     Schema = 16
	SchemaTCBBO      Schema = 17
	SchemaBBO1s      Schema = 18
	SchemaBBO1m      Schema = 19
	SchemaMixed      Schema = 65535 // several, as in a live session
)

var schemas = [...]struct {
	name  string
	rtype RType
}{
	SchemaMBO:        {"mbo", RTypeMBO},
	SchemaMBP1:       {"mbp-1", RTypeMBP1},
	SchemaMBP10:      {"mbp-10", RTypeMBP10},
	SchemaTBBO:       {"tbbo", RTypeMBP1},
	SchemaTrades:     {"trades", RTypeTrade},
	SchemaOHLCV1s:    {"ohlcv-1s", RTypeOHLCV1s},
	SchemaOHLCV1m:    {"ohlcv-1m", RTypeOHLCV1m},
	SchemaOHLCV1h:    {"ohlcv-1h", RTypeOHLCV1h},
	SchemaOHLCV1d:    {"ohlcv-1d", RTypeOHLCV1d},
	SchemaDefinition: {"definition", RTypeDefinition},
	SchemaStatistics: {"statistics", RTypeStat},
	SchemaStatus:     {"status", RTypeStatus},
	SchemaImbalance:  {"imbalance", RTypeImbalance},
	SchemaOHLCVEOD:   {"ohlcv-eod", RTypeOHLCVEOD},
	SchemaCMBP1:      {"cmbp-1", RTypeCMBP1},
	SchemaCBBO1s:     {"cbbo-1s", RTypeCBBO1s},
	SchemaCBBO1m:     {"cbbo-1m", RTypeCBBO1m},
	SchemaTCBBO:      {"tcbbo", RTypeTCBBO},
	SchemaBBO1s:      {"bbo-1s", RTypeBBO1s},
	SchemaBBO1m:      {"bbo-1m", RTypeBBO1m},
}

// String returns the schema's text, "mixed" for SchemaMixed, and "schema N" for an unknown one.
func (s Schema) String() string {
	if int(s) < len(schemas) {
		return schemas[s].name
	}
	if s == SchemaMixed {
		return "mixed"
	}
	return "schema " + strconv.Itoa(int(s))
}

// RType returns the type of the schema's data records. ok is false for SchemaMixed and unknown
// schemas.
func (s Schema) RType() (t RType, ok bool) {
	if int(s) >= len(schemas) {
		return 0, false
	}
	return schemas[s].rtype, true
}

// ParseSchema returns the schema with a text, as in a subscription. SchemaMixed has none.
func ParseSchema(text string) (s Schema, ok bool) {
	for i := range schemas {
		if schemas[i].name == text {
			return Schema(i), true
		}
	}
	return SchemaMixed, false
}

// SType is a symbology: how a symbol names an instrument.
type SType uint8

// Symbologies. Live sessions take InstrumentID, RawSymbol, Parent and Continuous for input.
const (
	STypeInstrumentID  SType = 0
	STypeRawSymbol     SType = 1
	STypeSmart         SType = 2 // deprecated
	STypeContinuous    SType = 3
	STypeParent        SType = 4
	STypeNasdaqSymbol  SType = 5
	STypeCMSSymbol     SType = 6
	STypeISIN          SType = 7
	STypeUSCode        SType = 8
	STypeBBGCompID     SType = 9
	STypeBBGCompTicker SType = 10
	STypeFIGI          SType = 11
	STypeFIGITicker    SType = 12
	STypeMixed         SType = 255 // several, or not known
)

var stypes = [...]string{
	"instrument_id", "raw_symbol", "smart", "continuous", "parent", "nasdaq_symbol", "cms_symbol",
	"isin", "us_code", "bbg_comp_id", "bbg_comp_ticker", "figi", "figi_ticker",
}

// String returns the symbology's text, "mixed" for STypeMixed, and "stype N" for an unknown one.
func (s SType) String() string {
	if int(s) < len(stypes) {
		return stypes[s]
	}
	if s == STypeMixed {
		return "mixed"
	}
	return "stype " + strconv.Itoa(int(s))
}

// ParseSType returns the symbology with a text, as in a subscription. It knows the aliases that
// clients use. STypeMixed has no text.
func ParseSType(text string) (s SType, ok bool) {
	switch text {
	case "native":
		return STypeRawSymbol, true
	case "product_id":
		return STypeInstrumentID, true
	case "nasdaq":
		return STypeNasdaqSymbol, true
	case "cms":
		return STypeCMSSymbol, true
	}
	for i := range stypes {
		if stypes[i] == text {
			return SType(i), true
		}
	}
	return STypeMixed, false
}

// SystemCode says what a System record is about. Clients accept values that are not listed.
type SystemCode uint8

// System codes.
const (
	SystemHeartbeat       SystemCode = 0
	SystemSubscriptionAck SystemCode = 1
	SystemSlowReader      SystemCode = 2
	SystemReplayCompleted SystemCode = 3
	SystemEndOfInterval   SystemCode = 4
	SystemUnset           SystemCode = 255
)

// ErrorCode says what an Error record is about. Clients accept values that are not listed.
type ErrorCode uint8

// Error codes. The gateway closes the session after all of them but ErrorSymbol and ErrorSkipped.
const (
	ErrorAuthFailed          ErrorCode = 1
	ErrorDeactivated         ErrorCode = 2 // the key or its account
	ErrorConnectionLimit     ErrorCode = 3
	ErrorSymbol              ErrorCode = 4 // a symbol did not resolve
	ErrorInvalidSubscription ErrorCode = 5
	ErrorInternal            ErrorCode = 6
	ErrorSkipped             ErrorCode = 7 // records were skipped after slow reading
	ErrorReplayAgedOut       ErrorCode = 8 // replay data is gone and the schema cannot skip
	ErrorUnset               ErrorCode = 255
)
