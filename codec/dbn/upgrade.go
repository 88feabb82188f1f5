package dbn

// AppendRecord adds r to b in the layout of version 3, without a send time. Where the layout never
// changed, the bytes are those of r. A record of unknown type is added as it is. The error is that
// of Parse; b is then returned as it was.
func AppendRecord(b []byte, r Record) ([]byte, error) {
	var rec interface {
		Parse(Record) error
		Append([]byte) []byte
	}
	switch r.RType {
	case RTypeDefinition:
		rec = new(Definition)
	case RTypeStat:
		rec = new(Stat)
	case RTypeSymbolMapping:
		rec = new(SymbolMapping)
	case RTypeError:
		rec = new(Error)
	case RTypeSystem:
		rec = new(System)
	default:
		raw := r.Raw()
		if _, ok := r.TsOut(); ok {
			raw = raw[:len(raw)-TsOutSize]
		}
		start := len(b)
		b = append(b, raw...)
		b[start] = byte(len(raw) / 4)
		return b, nil
	}
	if err := rec.Parse(r); err != nil {
		return b, err
	}
	return rec.Append(b), nil
}
