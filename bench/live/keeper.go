//go:build linux

package live

import (
	"context"
	"fmt"

	"tidegate/codec/dbn"
	"tidegate/gateway/stream"
	"tidegate/internal/bus"
	"tidegate/sinks/entry"
	"tidegate/sinks/journal"
)

// withJournal is the gateway as a server of its own.
const withJournal = "gateway with journal"

// A keeper puts into a journal what the run command puts there by default, on the ingest loop. A nil keeper does
// nothing.
type keeper struct {
	journal *journal.Journal
	reader  *bus.Reader
	orders  uint64 // mbo records
}

// keptSchemas are the default of journal.schemas in the configuration.
var keptSchemas = []dbn.Schema{
	dbn.SchemaMBO, dbn.SchemaTrades, dbn.SchemaBBO1s, dbn.SchemaOHLCV1m, dbn.SchemaDefinition, dbn.SchemaStatus,
}

// journaled is what came of a journal.
type journaled struct {
	Entries, Commits, Bytes uint64
	Orders                  uint64 // mbo records, read back
}

func openKeeper(dir string, ring *bus.Ring) (*keeper, error) {
	if dir == "" {
		return nil, nil
	}
	j, err := journal.Open(journal.Config{Dir: dir})
	if err != nil {
		return nil, err
	}
	k := &keeper{journal: j}
	k.reader, err = ring.NewReader(nil)
	return k, err
}

// want has a stream derive what is kept.
func (k *keeper) want(s *stream.Stream) error {
	if k == nil {
		return nil
	}
	for _, schema := range keptSchemas {
		if err := s.Want(schema); err != nil {
			return err
		}
	}
	return nil
}

// follow takes what was published since.
func (k *keeper) follow() {
	if k == nil {
		return
	}
	var e bus.Entry
	for k.reader.Next(&e) == bus.Ready {
		if e.Kind != stream.Record {
			continue
		}
		switch dbn.Schema(e.Schema) {
		case dbn.SchemaMBO:
			k.orders++
		case dbn.SchemaTrades, dbn.SchemaBBO1s, dbn.SchemaOHLCV1m, dbn.SchemaDefinition, dbn.SchemaStatus:
		default:
			continue
		}
		k.journal.Append(journal.Header{At: e.At, Feed: uint16(e.Feed), Kind: entry.KindRecord}, e.Payload)
	}
}

// finish closes the journal and reads it back. The ingest loop has ended.
func (k *keeper) finish() (did journaled, err error) {
	if k == nil {
		return did, nil
	}
	k.follow()
	k.reader.Close()
	r, err := k.journal.NewReader()
	if err != nil {
		return did, err
	}
	defer r.Close()
	if err := k.journal.Close(context.Background()); err != nil {
		return did, err
	}
	s := k.journal.Stats()
	did = journaled{Entries: s.Entries, Commits: s.Commits, Bytes: s.Bytes}
	var e journal.Entry
	read := uint64(0)
	for out := journal.Ready; out != journal.Empty; {
		if out, err = r.Next(&e); err != nil {
			return did, err
		}
		if out != journal.Ready {
			continue
		}
		read++
		if dbn.RType(e.Payload[1]) == dbn.RTypeMBO {
			did.Orders++
		}
	}
	if s.Dropped > 0 || read != s.Entries || did.Orders != k.orders {
		return did, fmt.Errorf("journal: %d entries dropped, %d of %d read back, %d of %d mbo records", s.Dropped, read, s.Entries, did.Orders, k.orders)
	}
	return did, nil
}

// close gives up what finish did not.
func (k *keeper) close() error {
	if k == nil {
		return nil
	}
	return k.journal.Close(context.Background())
}
