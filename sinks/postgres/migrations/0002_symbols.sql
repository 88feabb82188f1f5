-- What instruments were called: history from the database names them as the journal does, and finds them by name.

CREATE TABLE tidegate.symbols (
    ts         timestamptz NOT NULL,
    index      bigint NOT NULL,
    instrument bigint NOT NULL,
    epoch      integer NOT NULL,
    feed       integer NOT NULL,
    journal    smallint NOT NULL,
    ts_ns      smallint NOT NULL,
    symbol     text NOT NULL,
    PRIMARY KEY (journal, epoch, index)
);
CREATE INDEX ON tidegate.symbols (journal, epoch, feed, instrument, index);
CREATE INDEX ON tidegate.symbols (symbol);
COMMENT ON TABLE tidegate.symbols IS 'What the instruments of a feed were called, from an entry on, within one start of the gateway.';
COMMENT ON COLUMN tidegate.symbols.ts IS 'Receive time, to the microsecond.';
COMMENT ON COLUMN tidegate.symbols.index IS 'Index of the entry in the journal.';
COMMENT ON COLUMN tidegate.symbols.instrument IS 'Instrument id within the feed.';
COMMENT ON COLUMN tidegate.symbols.epoch IS 'Start of the gateway in which the entry was recorded.';
COMMENT ON COLUMN tidegate.symbols.feed IS 'Feed: see feeds.';
COMMENT ON COLUMN tidegate.symbols.journal IS 'Journal: see journals.';
COMMENT ON COLUMN tidegate.symbols.ts_ns IS 'Nanoseconds of the receive time, 0 to 999, beyond ts.';
COMMENT ON COLUMN tidegate.symbols.symbol IS 'Symbol.';
