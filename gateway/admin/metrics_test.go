//go:build linux

package admin

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Every metric has a sentence, and is in the handbook; so is no other.
func TestMetrics(t *testing.T) {
	w := newWorld(t)
	get, _ := serve(t, Config{Monitor: w.monitor})
	_, header, body := get("GET", "/metrics", "", nil)
	if !strings.HasPrefix(header.Get("Content-Type"), "text/plain; version=0.0.4") {
		t.Errorf("content type %q", header.Get("Content-Type"))
	}
	parser := expfmt.NewTextParser(model.LegacyValidation)
	families, err := parser.TextToMetricFamilies(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	value := func(name string, labels ...string) float64 {
		t.Helper()
		f := families[name]
		if f == nil {
			t.Errorf("no metric %s", name)
			return -1
		}
	metrics:
		for _, m := range f.GetMetric() {
			for i := 0; i < len(labels); i += 2 {
				found := false
				for _, l := range m.GetLabel() {
					found = found || l.GetName() == labels[i] && l.GetValue() == labels[i+1]
				}
				if !found {
					continue metrics
				}
			}
			switch {
			case m.Counter != nil:
				return m.Counter.GetValue()
			case m.Histogram != nil:
				return float64(m.Histogram.GetSampleCount())
			}
			return m.Gauge.GetValue()
		}
		t.Errorf("no metric %s with %q", name, labels)
		return -1
	}
	r, err := w.monitor.Feeds(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	f := &r.Feeds[0]
	for _, c := range []struct {
		got  float64
		want uint64
	}{
		{value("tidegate_up"), 1},
		{value("tidegate_feed_messages_total", "feed", "sim"), f.Messages},
		{value("tidegate_feed_gaps_deadline_ranges_total", "feed", "sim"), 2},
		{value("tidegate_feed_gaps_open_ranges", "feed", "sim"), 0},
		{value("tidegate_feed_verdicts_total", "feed", "sim", "verdict", "applied"), f.Verdicts["applied"]},
		{value("tidegate_line_received_packets_total", "feed", "sim", "line", "A"), f.Lines[0].Packets},
		{value("tidegate_line_held_messages", "feed", "sim", "line", "B"), 0},
		{value("tidegate_line_receive_buffer_bytes", "line", "B"), uint64(f.Lines[1].ReceiveBuffer)},
		{value("tidegate_ring_entries_total"), r.Ring.Entries},
		{value("tidegate_line_high_water", "line", "A"), w.truth.Messages + 1},
		{value("tidegate_line_behind_messages", "line", "A"), 0},
		{value("tidegate_line_behind_seconds", "line", "B"), 0},
		{value("tidegate_feed_subscribers", "feed", "sim"), 3},
		{value("tidegate_feed_retransmit_asked_requests_total", "feed", "sim", "server", "0"), f.Retransmit.Servers[0].Requests.Requests},
		{value("tidegate_feed_retransmit_timed_out_messages_total", "feed", "sim", "server", "0"), f.Retransmit.Servers[0].TimedOut.Messages},
		{value("tidegate_feed_retransmit_in_flight_requests", "feed", "sim", "server", "0"), 0},
		{value("tidegate_feed_retransmit_resting", "feed", "sim", "server", "0"), 1},
		{value("tidegate_feed_retransmit_waits_servers_total", "feed", "sim"), f.Retransmit.WaitsServers},
		{value("tidegate_feed_retransmit_proxy_ready", "feed", "sim", "server", "0"), 0},
		{value("tidegate_feed_retransmit_proxy_unsent_total", "feed", "sim", "server", "0"), 1},
		{value("tidegate_loop_crowded_total"), 0},
		{value("tidegate_line_requests_sent_total", "feed", "sim", "line", "R"), f.Lines[2].Requests.Sent},
		{value("tidegate_line_strangers_total", "feed", "sim", "line", "R"), 1},
		{value("tidegate_line_silent", "feed", "sim", "line", "R"), 0},
		{value("tidegate_feed_rebuild_begun_total", "feed", "sim"), 0},
		{value("tidegate_provider_state", "feed", "sim", "provider", "sim"), 2},
		{value("tidegate_provider_active", "feed", "sim", "provider", "sim"), 1},
		{value("tidegate_provider_forced", "feed", "sim", "provider", "sim"), 0},
		{value("tidegate_provider_forwarded_events_total", "feed", "sim", "provider", "sim"), f.Events},
		{value("tidegate_provider_switches_total", "feed", "sim", "reason", "behind"), 0},
		{value("tidegate_feed_stale", "feed", "sim"), 0},
		{value("tidegate_line_state", "feed", "sim", "line", "A"), 2},
		{value("tidegate_feed_snapshots_wanted_total", "feed", "sim"), 0},
		{value("tidegate_feed_snapshots_timed_out_total", "feed", "sim", "server", "0"), 0},
		{value("tidegate_line_tcp_connected", "feed", "sim", "line", "C"), 0},
		{value("tidegate_journal_durable_index"), r.Journal.DurableIndex},
		{value("tidegate_journal_segments"), 1},
		{value("tidegate_journal_dropping"), 0},
		{value("tidegate_postgres_up"), 1},
		{value("tidegate_history_database_questions_total"), 9},
		{value("tidegate_history_database_behind_total"), 8},
		{value("tidegate_history_database_lag_seconds"), 7},
		{value("tidegate_postgres_lag_entries"), 2},
		{value("tidegate_postgres_lag_seconds"), 3},
		{value("tidegate_postgres_rows_per_second"), 5},
		{value("tidegate_postgres_rows_total"), 6},
		{value("tidegate_postgres_upkeep_failed"), 1},
		{value("tidegate_consolidated_instruments"), uint64(len(w.truth.Books))},
		{value("tidegate_consolidated_records_total"), r.Consolidated.Records},
		{value("tidegate_consolidated_subscribers"), 4},
		{value("tidegate_subscriber_opened_total"), 9},
		{value("tidegate_subscriber_refusals_total", "reason", "auth"), 10},
		{value("tidegate_subscriber_closes_total", "reason", "client"), 11},
		{value("tidegate_subscriber_handshakes_total", "reason", "not_tls"), 12},
		{value("tidegate_subscriber_behind_max"), 5},
		{value("tidegate_subscriber_states", "state", "ready"), 1},
	} {
		if c.got != float64(c.want) {
			t.Errorf("got %v, want %d", c.got, c.want)
		}
	}
	if value("tidegate_wire_to_publish_seconds") == 0 || value("go_goroutines") == 0 || value("process_open_fds") == 0 {
		t.Error("no latency, or nothing of the process")
	}

	handbook, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	documented := make(map[string]bool)
	for _, m := range regexp.MustCompile("(?m)^\\| `(tidegate_[a-z_0-9]+)`").FindAllSubmatch(handbook, -1) {
		documented[string(m[1])] = true
	}
	for name, f := range families {
		if !strings.HasPrefix(name, "tidegate_") {
			continue
		}
		if f.GetHelp() == "" || !strings.HasSuffix(f.GetHelp(), ".") {
			t.Errorf("%s: help %q is no sentence", name, f.GetHelp())
		}
		if row := fmt.Sprintf("| `%s` | %s |", name, f.GetHelp()); !bytes.Contains(handbook, []byte(row)) {
			t.Errorf("docs/operations.md lacks the row\n%s", row)
		}
		delete(documented, name)
	}
	for name := range documented {
		t.Errorf("docs/operations.md has %s, which is no metric", name)
	}
}
