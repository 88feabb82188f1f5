// Package bus is the broadcast ring between an ingest loop and its readers: one writer, many
// readers, entries of any size up to a chunk. The writer never waits.
package bus
