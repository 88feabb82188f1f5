package export

import (
	"errors"
	"fmt"
	"slices"

	"github.com/parquet-go/parquet-go"

	"tidegate/codec/dbn"
	"tidegate/internal/openfile"
	"tidegate/market"
)

// Prices are DECIMAL(18, 9) in 64 bits. Their nineteenth digit would be out of the format's range.
const (
	priceScale     = 9
	pricePrecision = 18
	priceLimit     = market.Price(1_000_000_000_000_000_000) // 10 to the pricePrecision
)

// rowGroup is how many rows are one group: what a reader has to unpack at least, and what the writer holds in
// memory, packed.
const rowGroup = 1 << 20

// ErrPriceLimit is wrapped by the error about a price of a billion or more.
var ErrPriceLimit = errors.New("price does not fit DECIMAL(18, 9)")

// parquetFile writes Parquet.
type parquetFile struct {
	file    *openfile.Writer
	rows    *parquet.GenericWriter[any]
	columns []column
	row     []parquet.Value
	batch   []parquet.Row
}

// batchRows is how many rows go to the library at once.
const batchRows = 512

// ordered is a group whose fields keep their order. The library sorts them by name.
type ordered struct {
	parquet.Group
	order []string
}

// Fields returns the fields in order.
func (o ordered) Fields() []parquet.Field {
	fields := o.Group.Fields()
	place := func(f parquet.Field) int { return slices.Index(o.order, f.Name()) }
	slices.SortFunc(fields, func(a, b parquet.Field) int { return place(a) - place(b) })
	return fields
}

// schemaOf returns the schema of a file.
func schemaOf(name string, columns []column) *parquet.Schema {
	root := ordered{Group: parquet.Group{}}
	for _, c := range columns {
		root.Group[c.name] = parquet.Compressed(c.node(), &parquet.Zstd)
		root.order = append(root.order, c.name)
	}
	root.Group[symbolColumn] = parquet.Compressed(dictionary(), &parquet.Zstd)
	root.order = append(root.order, symbolColumn)
	return parquet.NewSchema(name, root)
}

func dictionary() parquet.Node { return parquet.Encoded(parquet.String(), &parquet.RLEDictionary) }

// node returns the type of a column.
func (c *column) node() parquet.Node {
	switch c.kind {
	case price:
		return parquet.Optional(parquet.Decimal(priceScale, pricePrecision, parquet.Int64Type))
	case moment:
		return parquet.Optional(parquet.Timestamp(parquet.Nanosecond))
	case number:
		return parquet.Int(c.bits)
	case unsigned:
		return parquet.Uint(c.bits)
	default:
		return dictionary()
	}
}

func newParquet(path string, schema dbn.Schema, columns []column) (writer, error) {
	f, err := openfile.Create(path)
	if err != nil {
		return nil, err
	}
	w := &parquetFile{file: f, columns: columns, row: make([]parquet.Value, 0, batchRows*(len(columns)+1))}
	w.rows = parquet.NewGenericWriter[any](f, schemaOf(schema.String(), columns), parquet.MaxRowsPerRowGroup(rowGroup), parquet.CreatedBy("tidegate", "journal export", ""))
	return w, nil
}

func (w *parquetFile) write(_ dbn.Record, _ market.Nanos, symbol string) error {
	from := len(w.row)
	for i := range w.columns {
		v, defined, err := w.columns[i].parquet()
		if err != nil {
			return err
		}
		level := 0
		if defined && w.columns[i].optional() {
			level = 1
		}
		w.row = append(w.row, v.Level(0, level, i))
	}
	w.row = append(w.row, parquet.ByteArrayValue([]byte(symbol)).Level(0, 0, len(w.columns)))
	w.batch = append(w.batch, w.row[from:])
	if len(w.batch) < batchRows {
		return nil
	}
	return w.flush()
}

func (c *column) optional() bool { return c.kind == price || c.kind == moment }

// parquet returns the value, a null value if there is none.
func (c *column) parquet() (v parquet.Value, defined bool, err error) {
	if !c.defined() {
		return parquet.NullValue(), false, nil
	}
	switch c.kind {
	case price:
		p := market.Price(c.value.Int())
		if p >= priceLimit || p <= -priceLimit {
			return v, false, fmt.Errorf("column %s: %s: %w", c.name, p, ErrPriceLimit)
		}
		return parquet.Int64Value(int64(p)), true, nil
	case moment:
		return parquet.Int64Value(c.value.Int()), true, nil
	case number:
		if c.bits == 64 {
			return parquet.Int64Value(c.value.Int()), true, nil
		}
		return parquet.Int32Value(int32(c.value.Int())), true, nil
	case unsigned:
		if c.bits == 64 {
			return parquet.Int64Value(int64(c.value.Uint())), true, nil
		}
		return parquet.Int32Value(int32(uint32(c.value.Uint()))), true, nil
	default:
		return parquet.ByteArrayValue(c.append(nil)), true, nil
	}
}

func (w *parquetFile) flush() error {
	_, err := w.rows.WriteRows(w.batch)
	w.batch, w.row = w.batch[:0], w.row[:0]
	return err
}

func (w *parquetFile) finish(x *exporter) error {
	if err := w.flush(); err != nil {
		return err
	}
	if err := w.rows.Close(); err != nil {
		return fmt.Errorf("%s: %w", x.opt.Out, err)
	}
	if err := w.file.Close(); err != nil {
		return err
	}
	x.sums(w.file.Sums())
	return nil
}

func (w *parquetFile) abort() { _ = w.file.Abort() }
