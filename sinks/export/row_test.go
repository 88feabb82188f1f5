package export

import (
	"encoding/json"
	"strings"
	"testing"

	"tidegate/codec/dbn"
	"tidegate/market"
)

func TestRow(t *testing.T) {
	r, err := NewRow(dbn.SchemaTrades)
	if err != nil {
		t.Fatal(err)
	}
	m := dbn.Trade{Change: dbn.Change{
		Header: dbn.Header{PublisherID: 2, InstrumentID: 7, TsEvent: 1_700_000_000_000_000_001},
		Price:  5_250_000_000, Size: 3, Action: market.Trade, Side: market.Ask, TsRecv: market.UndefTime, Sequence: 9,
	}}
	rec, err := dbn.ParseRecord(m.Append(nil), dbn.Version, false)
	if err != nil {
		t.Fatal(err)
	}
	line, err := r.AppendCSV(nil, rec, `A,B"`)
	if err != nil {
		t.Fatal(err)
	}
	names, values := strings.Split(strings.TrimSpace(string(r.AppendNames(nil))), ","), strings.TrimSpace(string(line))
	if want := `0,2,7,1700000000000000001,5.25,3,T,A,0,0,,0,9,"A,B"""`; values != want || len(names) != 14 || names[13] != "symbol" {
		t.Errorf("%s\n%s, want %s", names, values, want)
	}
	text, err := r.AppendJSON(nil, rec, `A"`)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	for name, want := range map[string]any{
		"ts_event": "2023-11-14T22:13:20.000000001Z", "price": "5.25", "size": 3.0, "action": "T", "ts_recv": nil, "symbol": `A"`, "sequence": 9.0,
	} {
		if got[name] != want {
			t.Errorf("%s: %v, want %v", name, got[name], want)
		}
	}
	if _, err := NewRow(dbn.SchemaMBP10); err == nil {
		t.Error("there is a row of mbp-10")
	}
	other, _ := dbn.ParseRecord((&dbn.System{}).Append(nil), dbn.Version, false)
	if _, err := r.AppendCSV(nil, other, ""); err == nil {
		t.Error("a record of another type was taken")
	}
	if _, err := r.AppendJSON(nil, other, ""); err == nil {
		t.Error("a record of another type was taken")
	}
}
