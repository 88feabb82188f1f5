// Package postgres drains a journal into PostgreSQL: every entry once, however the parts crash.
//
// # Use
//
//	from, to, err := postgres.Migrate(ctx, dsn) // makes the schema tidegate
//
//	s, err := postgres.New(postgres.Config{Reader: j.NewReader, DSN: dsn, Notify: log})
//	err = s.Run(ctx)                            // until ctx ends
//	s.Stats()
//
//	c, err := postgres.Verify(ctx, dsn, reader, postgres.VerifyOptions{})
//
// # Exactly once
//
// A transaction takes rows and the position behind them:
//
//	BEGIN
//	COPY trades_20260302_1430 FROM STDIN    entries 1000 to 1999, as far as they are trades
//	COPY quotes_20260302_1430 FROM STDIN    and as far as they are quotes
//	UPDATE positions SET next = 2000 ... WHERE next = 1000
//	COMMIT
//
// So the rows are always those before the position. Whatever goes wrong, a lost connection in the middle of
// COMMIT included, the worker connects again, asks for the position and goes on there: it never assumes.
// The condition in UPDATE keeps two drainers apart that were started by mistake. The position is asked for in a
// transaction that is committed like all others: with synchronous standbys its answer means that what it says
// is there too. Only what was acknowledged so is released to the journal's retention.
//
// A unique key (journal, epoch, index) is the second belt. It is made when a minute is over, so that the
// minute being filled stays without an index. If it cannot be made, rows are there twice: that is noted in
// the table conflicts and said loudly, and the minute is left as it is.
//
// # Partitions
//
//	minutes, inside days      hours            days
//	trades_20260302_1430 -+
//	trades_20260302_1431 -+-> trades_20260302_14 -+
//	trades_20260302_1432 -+   trades_20260302_15 -+-> trades_20260302 --> dropped
//
// Rows come into the partition of their minute, by its name. A keeper makes partitions hours ahead, indexes
// minutes that are over, and moves the rows of hours, then of days, into one partition: with a minute for each of a
// week's 10,080 the planner needs more time and locks than queries do. There is no default partition.
//
// Each of the three lengths is a partitioned table of its own, and readers use a view over them. That is
// what makes moving rows harmless: the larger partition is there, empty, long before. Rows move by INSERT
// and DELETE in one transaction, so that every snapshot has each row once, and neither readers nor writers
// wait. (To exchange partitions of one table, they would have to be detached and attached in one
// transaction, for which every reader has to be kept out; or one after the other, and between the two
// rows would be gone.) Rows that come late, because a clock was set back, come into a new partition of their
// minute, and move on like all others.
//
// A partition that is empty is detached CONCURRENTLY, which waits for readers instead of making them wait,
// and dropped under a lock, after a last look for rows.
package postgres
