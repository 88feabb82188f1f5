package replay

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"

	"tidegate/codec/dbn"
	"tidegate/codec/itch50"
	"tidegate/codec/moldudp64"
	"tidegate/codec/pcap"
	"tidegate/gateway"
	"tidegate/gateway/recorded"
	"tidegate/internal/openfile"
	"tidegate/market"
)

// ErrUnknownInput is returned (wrapped) for a file that is none of what can be replayed.
var ErrUnknownInput = errors.New("neither a capture (pcap, pcapng), nor an ITCH 5.0 file, nor a DBN file")

// An input is one file under way, or directory of segments.
type input struct {
	path  string
	kind  string // "capture", "itch", "dbn"
	file  container
	at    market.Nanos // time of the current item
	items uint64       // datagrams, blocks or records delivered
	fault error        // why the input ended early, nil if it did not
	notes []string     // remarks for the summary
}

// sniffLen is enough of a file to tell what it is.
const sniffLen = 512

// openSource opens one input and tells what it is from its first bytes.
func openSource(r *run, number int, path string) (source, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return openDirectory(r, number, path)
	}
	f, err := openfile.Open(path)
	if err != nil {
		return nil, err
	}
	src, err := newSource(r, number, path, f)
	if err != nil {
		f.Close()
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return src, nil
}

func newSource(r *run, number int, path string, f *openfile.File) (source, error) {
	head := make([]byte, sniffLen)
	n, err := io.ReadFull(f.Reader, head) // whose errors do not name the file: we do
	head = head[:n]
	var rest io.Reader = f.Reader
	if err != nil { // a short file, or a compressed one that is cut early: the bytes come first
		rest = failing{err}
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, openfile.ErrCut) {
			rest = failing{io.EOF}
		}
		if n == 0 && errors.Is(err, io.EOF) {
			return nil, openfile.ErrEmpty // compressed
		}
		if n == 0 {
			return nil, err
		}
	}
	whole := io.MultiReader(bytes.NewReader(head), rest)
	in := input{path: path, file: f}

	switch {
	case bytes.HasPrefix(head, []byte("DBN")):
		return newDBNSource(r, in, whole)
	case looksLikeITCH(head):
		return newITCHSource(r, in, whole)
	case zeroLengths(head) && !r.opt.TypedLengths:
		return nil, itch50.ErrZeroLengths
	case zeroLengths(head):
		return newITCHSource(r, in, whole)
	}
	reader, err := pcap.NewReader(whole)
	if errors.Is(err, pcap.ErrNotCapture) {
		return nil, ErrUnknownInput
	}
	if err != nil {
		return nil, err
	}
	in.kind = "capture"
	s := &captureSource{in: in, run: r, number: number, reader: reader}
	return s, s.begin()
}

// failing is a reader that has nothing but an error.
type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }

// looksLikeITCH reports whether a file begins with messages of ITCH 5.0, each after its length.
func looksLikeITCH(head []byte) bool {
	const enough = 3
	for n := 0; n < enough; n++ {
		if len(head) < 3 {
			return n > 0
		}
		length := int(head[0])<<8 | int(head[1])
		if length == 0 || itch50.Length(head[2]) != length {
			return n > 0 && length == 0 // the end-of-session marker
		}
		if len(head) < 2+length {
			return true // cut: all that is there fits
		}
		head = head[2+length:]
	}
	return true
}

// zeroLengths reports whether a file begins with a message of ITCH 5.0 whose length field is zero.
func zeroLengths(head []byte) bool {
	return len(head) > 2 && head[0] == 0 && head[1] == 0 && itch50.Length(head[2]) > 0
}

// datagrams are what a capture holds. Next is as that of pcap.Reader.
type datagrams interface {
	Next(d *pcap.Datagram) error
}

// captureSource is a file of datagrams, or a directory of segments.
type captureSource struct {
	in       input
	run      *run
	number   int
	reader   datagrams
	untimed  uint64 // datagrams without a capture time
	datagram pcap.Datagram
	peeked   bool           // the datagram was read by begin,
	failed   error          // or this was found instead
	lastDst  netip.AddrPort // of the datagram before, whose line is lastLine
	lastLine lineRef
}

func (s *captureSource) input() *input { return &s.in }

// begin reads what a recording says of itself, if the capture is one.
func (s *captureSource) begin() error {
	s.peeked = true
	if s.failed = s.reader.Next(&s.datagram); s.failed != nil || !recorded.IsInput(s.datagram.Dst, s.datagram.Payload) {
		return nil
	}
	n, ok := recorded.Records(s.datagram.Payload)
	if !ok {
		return nil
	}
	var records [][]byte
	for s.failed == nil && s.datagram.Dst == recorded.Addr && recorded.Is(s.datagram.Payload) && len(records) < n {
		records = append(records, bytes.Clone(s.datagram.Payload))
		s.failed = s.reader.Next(&s.datagram)
	}
	s.in.items += uint64(len(records))
	s.run.channels.inputs.Layout += uint64(len(records))
	if s.run.opt.AsFound {
		return nil
	}
	layout, err := recorded.Parse(records)
	if err != nil {
		return fmt.Errorf("what the recording says of its gateway: %w", err)
	}
	return s.run.channels.describe(layout)
}

func (s *captureSource) read() error {
	err := s.failed
	if !s.peeked {
		err = s.reader.Next(&s.datagram)
	}
	s.peeked, s.failed = false, nil
	if err != nil {
		return err
	}
	if !s.datagram.TsRecv.Defined() {
		s.untimed++
	}
	s.in.passTo(s.datagram.TsRecv)
	return nil
}

func (s *captureSource) deliver() error {
	d := &s.datagram
	if recorded.IsInput(d.Dst, d.Payload) {
		s.run.channels.onInput(d.Payload, s.run.last)
		return nil
	}
	if s.lastLine.channel == nil || d.Dst != s.lastDst {
		ref, err := s.run.channels.line(s.number, s.in.at, d)
		if err != nil {
			return err
		}
		if ref.channel == nil {
			s.run.channels.unrecognised++
			return nil
		}
		s.lastDst, s.lastLine = d.Dst, ref
	}
	p := s.lastLine.channel.Pipeline
	// Live, the channel had ticks up to this datagram's time, and none beyond it.
	p.OnTick(s.run.last)
	p.OnDatagram(s.lastLine.line, s.in.at, d.Payload)
	return nil
}

// itchSource is a file of ITCH messages.
type itchSource struct {
	in      input
	run     *run
	channel *Channel
	reader  *itch50.FileReader
	single  bool // item by item: other inputs or the pace need each message's time
	day     market.Nanos
	block   []byte
	framed  []byte // the current message with its length, where single
	n       int
	seq     uint64
}

func newITCHSource(r *run, in input, whole io.Reader) (source, error) {
	in.kind = "itch"
	day := r.opt.Midnight
	if day == 0 {
		var ok bool
		if day, ok = dayFromName(in.path); !ok {
			in.notes = append(in.notes, "no day given and none in the file's name: times count from the Unix epoch")
		}
	}
	s := &itchSource{in: in, run: r, day: day, single: r.opt.Speed > 0 || len(r.opt.Paths) > 1, seq: 1}
	if r.opt.TypedLengths {
		s.reader = itch50.NewTypedFileReader(whole)
	} else {
		s.reader = itch50.NewFileReader(whole)
	}
	cfg := gateway.FileConfig(gateway.ITCH)
	cfg.Midnight = day
	var err error
	s.channel, err = r.channels.add(cfg, filepath.Base(in.path))
	return s, err
}

func (s *itchSource) input() *input { return &s.in }

func (s *itchSource) read() (err error) {
	if s.single {
		msg, err := s.reader.Next()
		if err != nil {
			return s.end(err)
		}
		s.framed = itch50.AppendFramed(s.framed[:0], msg)
		s.block, s.n = s.framed, 1
	} else if s.block, s.n, err = s.reader.Block(); err != nil {
		return s.end(err)
	}
	s.in.at = s.timeOf(s.block)
	return nil
}

// timeOf returns the time of the message at the start of a block. Every message has it at the same
// place, after its type, locate and tracking number.
func (s *itchSource) timeOf(block []byte) market.Nanos {
	const timeAt, timeEnd = 2 + 5, 2 + 11
	if len(block) < timeEnd {
		return s.in.at
	}
	var t market.Nanos
	for _, b := range block[timeAt:timeEnd] {
		t = t<<8 | market.Nanos(b)
	}
	return s.day + t
}

func (s *itchSource) end(err error) error {
	if err == io.EOF && !s.reader.Ended() {
		s.in.notes = append(s.in.notes, "no end-of-session marker: the file may be part of a day")
	}
	return err
}

func (s *itchSource) deliver() error {
	s.channel.Pipeline.OnBlock(s.seq, s.block)
	s.seq += uint64(s.n)
	if s.n > 1 { // a block is one item, but time passes in it
		last := s.block
		for rest := last; len(rest) > 0; _, rest = moldudp64.Next(rest) {
			last = rest
		}
		s.run.advance(s.timeOf(last))
	}
	return nil
}

// dbnSource is a file of DBN records. Market-by-order records go through books; the others are
// counted, and pass to an output of their own schema.
type dbnSource struct {
	in      input
	run     *run
	channel *Channel
	reader  *dbn.Reader
	record  dbn.Record
	mbo     dbn.MBO
	event   market.Event
}

func newDBNSource(r *run, in input, whole io.Reader) (source, error) {
	in.kind = "dbn"
	reader, err := dbn.NewReader(whole)
	if err != nil {
		return nil, err
	}
	m := reader.Metadata()
	if r.out != nil {
		if err := suits(r.opt.Schema, m.Schema); err != nil {
			return nil, err
		}
	}
	cfg := gateway.FileConfig(gateway.MBO)
	cfg.Publisher = market.Publisher{Dataset: m.Dataset}
	if known, ok := market.PublisherByDataset(m.Dataset); ok {
		cfg.Publisher = known
	}
	s := &dbnSource{in: in, run: r, reader: reader}
	if s.channel, err = r.channels.add(cfg, filepath.Base(in.path)); err != nil {
		return nil, err
	}
	s.channel.metadata = m
	define(s.channel.Pipeline, m)
	return s, nil
}

func (s *dbnSource) input() *input { return &s.in }

func (s *dbnSource) read() (err error) {
	if s.record, err = s.reader.Next(); err != nil {
		return err
	}
	s.in.passTo(max(s.in.at, s.record.TsEvent))
	if s.record.RType == dbn.RTypeMBO {
		if err := s.mbo.Parse(s.record); err != nil {
			return err
		}
		s.mbo.Event(&s.event)
		s.in.passTo(s.event.TsRecv)
	}
	return nil
}

func (s *dbnSource) deliver() error {
	s.channel.records[s.record.RType]++
	if s.record.RType == dbn.RTypeMBO {
		s.channel.Pipeline.OnEvent(&s.event)
		return nil
	}
	if s.record.RType == dbn.RTypeSymbolMapping { // of a live session, whose metadata has none
		return s.learn()
	}
	return s.channel.sink.onRecord(s.record)
}

// learn takes in the symbol mapping that is the current record.
func (s *dbnSource) learn() error {
	var m dbn.SymbolMapping
	if err := m.Parse(s.record); err != nil {
		return err
	}
	s.channel.Pipeline.Define(market.Instrument{
		ID: m.InstrumentID, Publisher: s.channel.Pipeline.Config().Publisher.ID, Symbol: m.SymbolOut,
	})
	return nil
}
