//go:build linux

package admin

// journal reports on the journal, nil if there is none. It does not ask the loop.
func (m *Monitor) journal() *JournalReport {
	if m.src.Journal == nil {
		return nil
	}
	s := m.src.Journal.Stats()
	return &JournalReport{
		Dir: m.src.JournalDir, Epoch: s.Epoch, DurableIndex: s.DurableIndex, Oldest: s.Kept.Oldest,
		Entries: s.Entries, Batches: s.Batches, Commits: s.Commits, Bytes: s.Bytes,
		QueueBytes: s.QueueBytes, Spilling: s.Spilling, SpilledBytes: s.SpilledBytes,
		Dropping: s.Dropping, Dropped: s.Dropped, Stalled: s.Stalled,
		Poisoned: s.Poisoned, MarkErrors: s.MarkErrors, NoticesLost: s.NoticesLost,
		Segments: s.Kept.Segments, Packed: s.Kept.Packed, Damaged: s.Kept.Damaged,
		StoredBytes: s.Kept.Bytes, FreeBytes: s.Kept.FreeBytes, Removed: s.Kept.Removed,
		HeldBy: s.Kept.HeldBy, HeldBytes: s.Kept.HeldBytes,
	}
}

func (c collector) journal(e emitter) {
	r := c.monitor.journal()
	if r == nil {
		return
	}
	e.gauge("journal_epoch", "Number of this opening of the journal.", float64(r.Epoch))
	e.gauge("journal_durable_index", "Index up to which everything is on the disk.", float64(r.DurableIndex))
	e.gauge("journal_oldest_index", "Index of the oldest entry.", float64(r.Oldest))
	e.counter("journal_entries", "Entries written and synced.", r.Entries)
	e.counter("journal_batches", "Batches written.", r.Batches)
	e.counter("journal_commits", "Syncs of the disk.", r.Commits)
	e.counter("journal_bytes", "Bytes written, with headers and padding.", r.Bytes)
	e.gauge("journal_queue_bytes", "Memory of entries that are not durable yet.", float64(r.QueueBytes))
	e.gauge("journal_spilling", "1 if the queue is full and more memory is taken.", truth(r.Spilling))
	e.counter("journal_spilled_bytes", "Memory taken beyond the queue, all together.", r.SpilledBytes)
	e.gauge("journal_dropping", "1 if memory is full and entries are dropped, which is recorded as a gap.", truth(r.Dropping))
	e.counter("journal_dropped", "Entries dropped.", r.Dropped)
	e.gauge("journal_stalled", "1 if nothing can be written; the log and /feeds say why.", truth(r.Stalled != ""))
	e.counter("journal_poisoned", "Segments given up because a write or sync failed; nothing was lost by that.", r.Poisoned)
	e.counter("journal_mark_errors", "Times that the mark of what is durable could not be written.", r.MarkErrors)
	e.counter("journal_notices_lost", "Lines that the log lacks because it was too slow.", r.NoticesLost)
	e.gauge("journal_segments", "Segments on the disk.", float64(r.Segments))
	e.gauge("journal_segments_packed", "Segments that are packed.", float64(r.Packed))
	e.gauge("journal_segments_damaged", "Finished segments in which something cannot be read.", float64(r.Damaged))
	e.counter("journal_segments_removed", "Segments removed because of their age, or for room.", r.Removed)
	e.gauge("journal_stored_bytes", "Bytes of all segments.", float64(r.StoredBytes))
	e.gauge("journal_free_bytes", "Bytes free where the journal is.", float64(r.FreeBytes))
	e.gauge("journal_held_bytes", "Bytes kept for a reader that is behind, beyond what would be kept.", float64(r.HeldBytes))
}
