-- Ticks at rest. docs/postgres.md explains the shape.
--
-- Columns are in the order of their alignment, widest first: a row has no padding.

CREATE TABLE tidegate.journals (
    journal smallint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    id      text NOT NULL UNIQUE,
    first   bigint NOT NULL,
    since   timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE tidegate.journals IS 'Journals that were drained into this database.';
COMMENT ON COLUMN tidegate.journals.journal IS 'Short number of the journal in all other tables.';
COMMENT ON COLUMN tidegate.journals.id IS 'The id of the journal itself, as tidegate journal stat prints it in hexadecimal.';
COMMENT ON COLUMN tidegate.journals.first IS 'Index of the first entry that was to be drained.';
COMMENT ON COLUMN tidegate.journals.since IS 'When draining began.';

CREATE TABLE tidegate.positions (
    next    bigint NOT NULL,
    rows    bigint NOT NULL DEFAULT 0,
    skipped bigint NOT NULL DEFAULT 0,
    missing bigint NOT NULL DEFAULT 0,
    updated timestamptz NOT NULL DEFAULT now(),
    journal smallint NOT NULL REFERENCES tidegate.journals,
    slot    smallint NOT NULL,
    PRIMARY KEY (journal, slot)
) WITH (fillfactor = 20);
COMMENT ON TABLE tidegate.positions IS 'How far each journal is drained. A slot holds the feeds whose number, divided by the number of slots, leaves the slot. A position is committed with the rows before it.';
COMMENT ON COLUMN tidegate.positions.next IS 'Index of the next entry: everything before it that belongs to the slot is in the tables.';
COMMENT ON COLUMN tidegate.positions.rows IS 'Entries that became rows. The counts are those of the worker of whose slots this is the first.';
COMMENT ON COLUMN tidegate.positions.skipped IS 'Entries for tables that the configuration does not keep.';
COMMENT ON COLUMN tidegate.positions.missing IS 'Entries that the journal does not have: see journal_gaps.';
COMMENT ON COLUMN tidegate.positions.updated IS 'When the position was committed.';
COMMENT ON COLUMN tidegate.positions.journal IS 'Journal: see journals.';
COMMENT ON COLUMN tidegate.positions.slot IS 'Slot.';

CREATE TABLE tidegate.trades_minutes (
    ts          timestamptz NOT NULL,
    ts_event    bigint,
    index       bigint NOT NULL,
    instrument  bigint NOT NULL,
    sequence    bigint NOT NULL,
    price       bigint,
    size        bigint NOT NULL,
    ts_in_delta integer NOT NULL,
    epoch       integer NOT NULL,
    publisher   integer NOT NULL,
    feed        integer NOT NULL,
    journal     smallint NOT NULL,
    ts_ns       smallint NOT NULL,
    flags       smallint NOT NULL,
    side        "char" NOT NULL
) PARTITION BY RANGE (ts);
COMMENT ON TABLE tidegate.trades_minutes IS 'Trades.';
COMMENT ON COLUMN tidegate.trades_minutes.price IS 'Price in units of 1e-9; null if there is none.';
COMMENT ON COLUMN tidegate.trades_minutes.size IS 'Size in lots: shares or contracts.';
COMMENT ON COLUMN tidegate.trades_minutes.side IS 'Side of the aggressor: B, A, or N where unknown.';

CREATE TABLE tidegate.quotes_minutes (
    ts            timestamptz NOT NULL,
    ts_event      bigint,
    index         bigint NOT NULL,
    instrument    bigint NOT NULL,
    sequence      bigint,
    bid_price     bigint,
    ask_price     bigint,
    bid_size      bigint NOT NULL,
    ask_size      bigint NOT NULL,
    bid_count     bigint,
    ask_count     bigint,
    price         bigint,
    size          bigint NOT NULL,
    ts_in_delta   integer,
    epoch         integer NOT NULL,
    publisher     integer NOT NULL,
    feed          integer NOT NULL,
    bid_publisher integer,
    ask_publisher integer,
    journal       smallint NOT NULL,
    ts_ns         smallint NOT NULL,
    flags         smallint NOT NULL,
    rtype         smallint NOT NULL,
    action        "char",
    side          "char" NOT NULL
) PARTITION BY RANGE (ts);
COMMENT ON TABLE tidegate.quotes_minutes IS 'Best bids and offers: of one publisher (rtype 1 and 195, 196) and consolidated (rtype 177, 192 to 194).';
COMMENT ON COLUMN tidegate.quotes_minutes.bid_price IS 'Best bid in units of 1e-9; null if there is none.';
COMMENT ON COLUMN tidegate.quotes_minutes.ask_price IS 'Best offer in units of 1e-9; null if there is none.';
COMMENT ON COLUMN tidegate.quotes_minutes.bid_size IS 'Size at the best bid in lots.';
COMMENT ON COLUMN tidegate.quotes_minutes.ask_size IS 'Size at the best offer in lots.';
COMMENT ON COLUMN tidegate.quotes_minutes.bid_count IS 'Orders at the best bid, 0 where unknown; null where consolidated.';
COMMENT ON COLUMN tidegate.quotes_minutes.ask_count IS 'Orders at the best offer, 0 where unknown; null where consolidated.';
COMMENT ON COLUMN tidegate.quotes_minutes.price IS 'Price of what led to the quote, or of the last trade where the quote is that of an interval, in units of 1e-9; null if there is none.';
COMMENT ON COLUMN tidegate.quotes_minutes.size IS 'Size of what price is about, in lots.';
COMMENT ON COLUMN tidegate.quotes_minutes.bid_publisher IS 'Who has the best bid, where consolidated.';
COMMENT ON COLUMN tidegate.quotes_minutes.ask_publisher IS 'Who has the best offer, where consolidated.';
COMMENT ON COLUMN tidegate.quotes_minutes.action IS 'What led to the quote: A added, C cancelled, M modified, T traded (then the quote is the one before), R cleared; null for the quote of an interval.';
COMMENT ON COLUMN tidegate.quotes_minutes.side IS 'Side of what price is about: B, A, or N where unknown.';

CREATE TABLE tidegate.orders_minutes (
    ts          timestamptz NOT NULL,
    ts_event    bigint,
    index       bigint NOT NULL,
    instrument  bigint NOT NULL,
    sequence    bigint NOT NULL,
    order_id    bigint NOT NULL,
    price       bigint,
    size        bigint NOT NULL,
    ts_in_delta integer NOT NULL,
    epoch       integer NOT NULL,
    publisher   integer NOT NULL,
    feed        integer NOT NULL,
    journal     smallint NOT NULL,
    ts_ns       smallint NOT NULL,
    flags       smallint NOT NULL,
    channel     smallint NOT NULL,
    action      "char" NOT NULL,
    side        "char" NOT NULL
) PARTITION BY RANGE (ts);
COMMENT ON TABLE tidegate.orders_minutes IS 'Events of single orders (market by order).';
COMMENT ON COLUMN tidegate.orders_minutes.order_id IS 'Order id of the venue. Ids of 2^63 and more are negative: add 2^64.';
COMMENT ON COLUMN tidegate.orders_minutes.price IS 'Price in units of 1e-9; null if there is none.';
COMMENT ON COLUMN tidegate.orders_minutes.size IS 'Size in lots: shares or contracts.';
COMMENT ON COLUMN tidegate.orders_minutes.channel IS 'Channel of the publisher; 255 where unknown.';
COMMENT ON COLUMN tidegate.orders_minutes.action IS 'A added, C cancelled, M modified, F filled, T traded, R cleared, N nothing.';
COMMENT ON COLUMN tidegate.orders_minutes.side IS 'Side of the order, or of the aggressor of a trade: B, A, or N where unknown.';

CREATE TABLE tidegate.records_minutes (
    ts         timestamptz NOT NULL,
    ts_event   bigint,
    index      bigint NOT NULL,
    instrument bigint NOT NULL,
    epoch      integer NOT NULL,
    publisher  integer NOT NULL,
    feed       integer NOT NULL,
    journal    smallint NOT NULL,
    ts_ns      smallint NOT NULL,
    rtype      smallint NOT NULL,
    record     bytea NOT NULL
) PARTITION BY RANGE (ts);
COMMENT ON TABLE tidegate.records_minutes IS 'Records that have no table of their own, as they are: status, statistics, imbalances, ten levels, and whatever a later version brings.';
COMMENT ON COLUMN tidegate.records_minutes.record IS 'The record in DBN version 3.';

CREATE TABLE tidegate.bars (
    ts         timestamptz NOT NULL,
    ts_event   bigint,
    index      bigint NOT NULL,
    instrument bigint NOT NULL,
    open       bigint,
    high       bigint,
    low        bigint,
    close      bigint,
    volume     bigint NOT NULL,
    seconds    integer NOT NULL,
    epoch      integer NOT NULL,
    publisher  integer NOT NULL,
    feed       integer NOT NULL,
    journal    smallint NOT NULL,
    ts_ns      smallint NOT NULL
) PARTITION BY RANGE (ts);
COMMENT ON TABLE tidegate.bars IS 'First, highest, lowest and last price and volume of intervals in which there was a trade.';
COMMENT ON COLUMN tidegate.bars.open IS 'First price in units of 1e-9.';
COMMENT ON COLUMN tidegate.bars.high IS 'Highest price in units of 1e-9.';
COMMENT ON COLUMN tidegate.bars.low IS 'Lowest price in units of 1e-9.';
COMMENT ON COLUMN tidegate.bars.close IS 'Last price in units of 1e-9.';
COMMENT ON COLUMN tidegate.bars.volume IS 'Lots traded.';
COMMENT ON COLUMN tidegate.bars.seconds IS 'Length of the interval: 1, 60, 3600, 86400; 0 for the trading day of the venue.';

CREATE TABLE tidegate.instruments (
    ts            timestamptz NOT NULL,
    ts_event      bigint,
    index         bigint NOT NULL,
    instrument    bigint NOT NULL,
    tick_size     bigint,
    strike        bigint,
    expiration    bigint,
    round_lot     integer,
    epoch         integer NOT NULL,
    publisher     integer NOT NULL,
    feed          integer NOT NULL,
    journal       smallint NOT NULL,
    ts_ns         smallint NOT NULL,
    action        "char" NOT NULL,
    class         "char" NOT NULL,
    symbol        text NOT NULL,
    exchange      text NOT NULL,
    security_type text NOT NULL,
    currency      text NOT NULL,
    record        bytea NOT NULL,
    PRIMARY KEY (journal, epoch, index)
);
CREATE INDEX ON tidegate.instruments (publisher, symbol, ts);
CREATE INDEX ON tidegate.instruments (publisher, instrument, ts);
COMMENT ON TABLE tidegate.instruments IS 'Every definition of an instrument that was published. The last one before a time holds at that time.';
COMMENT ON COLUMN tidegate.instruments.tick_size IS 'Smallest price step in units of 1e-9; null where unknown.';
COMMENT ON COLUMN tidegate.instruments.strike IS 'Strike price in units of 1e-9; null where there is none.';
COMMENT ON COLUMN tidegate.instruments.expiration IS 'Nanoseconds since 1970, UTC; null where there is none.';
COMMENT ON COLUMN tidegate.instruments.round_lot IS 'Shares or contracts of a round lot; null where unknown.';
COMMENT ON COLUMN tidegate.instruments.action IS 'A added, M modified, D deleted.';
COMMENT ON COLUMN tidegate.instruments.class IS 'K stock, F future, C call, P put, and others of DBN.';
COMMENT ON COLUMN tidegate.instruments.symbol IS 'Symbol of the publisher.';
COMMENT ON COLUMN tidegate.instruments.exchange IS 'Market identifier code of the listing exchange.';
COMMENT ON COLUMN tidegate.instruments.security_type IS 'Type of security, as the venue has it.';
COMMENT ON COLUMN tidegate.instruments.currency IS 'Currency of the price.';
COMMENT ON COLUMN tidegate.instruments.record IS 'The definition in DBN version 3, with everything else.';

CREATE VIEW tidegate.instruments_now AS
    SELECT DISTINCT ON (publisher, instrument) * FROM tidegate.instruments ORDER BY publisher, instrument, ts DESC, journal DESC, index DESC;
COMMENT ON VIEW tidegate.instruments_now IS 'The last definition of each instrument.';

CREATE TABLE tidegate.channel_gaps (
    ts       timestamptz NOT NULL,
    index    bigint NOT NULL,
    from_seq bigint NOT NULL,
    to_seq   bigint NOT NULL,
    seen     bigint,
    epoch    integer NOT NULL,
    feed     integer NOT NULL,
    channel  integer NOT NULL,
    numbering bigint NOT NULL,
    journal  smallint NOT NULL,
    ts_ns    smallint NOT NULL,
    reason   text NOT NULL,
    PRIMARY KEY (journal, epoch, index)
);
CREATE INDEX ON tidegate.channel_gaps (ts);
COMMENT ON TABLE tidegate.channel_gaps IS 'Messages of channels that were lost for good, on every line and in recovery: what was missed, and when.';
COMMENT ON COLUMN tidegate.channel_gaps.from_seq IS 'First message that is missing, as the venue numbers them.';
COMMENT ON COLUMN tidegate.channel_gaps.to_seq IS 'First message that is not missing any more.';
COMMENT ON COLUMN tidegate.channel_gaps.seen IS 'When the first message behind the gap came: nanoseconds since 1970, UTC.';
COMMENT ON COLUMN tidegate.channel_gaps.channel IS 'Channel of the publisher.';
COMMENT ON COLUMN tidegate.channel_gaps.numbering IS 'Epoch of the channel: its numbers begin anew when the publisher restarts.';
COMMENT ON COLUMN tidegate.channel_gaps.reason IS 'Why it was given up.';

CREATE TABLE tidegate.provider_switches (
    ts       timestamptz NOT NULL,
    index    bigint NOT NULL,
    since    bigint,
    epoch    integer NOT NULL,
    feed     integer NOT NULL,
    journal  smallint NOT NULL,
    ts_ns    smallint NOT NULL,
    was      text NOT NULL,
    became   text NOT NULL,
    reason   text NOT NULL,
    PRIMARY KEY (journal, epoch, index)
);
CREATE INDEX ON tidegate.provider_switches (ts);
COMMENT ON TABLE tidegate.provider_switches IS 'Choices of another provider of a feed.';
COMMENT ON COLUMN tidegate.provider_switches.since IS 'When whatever was wrong began: nanoseconds since 1970, UTC.';
COMMENT ON COLUMN tidegate.provider_switches.was IS 'Provider until then; empty for the first choice.';
COMMENT ON COLUMN tidegate.provider_switches.became IS 'Provider from then on.';
COMMENT ON COLUMN tidegate.provider_switches.reason IS 'What was wrong with the one before, or that the other is preferred, or that an operator wanted it.';

CREATE TABLE tidegate.feeds (
    ts        timestamptz NOT NULL,
    index     bigint NOT NULL,
    epoch     integer NOT NULL,
    feed      integer NOT NULL,
    publisher integer NOT NULL,
    journal   smallint NOT NULL,
    ts_ns     smallint NOT NULL,
    name      text NOT NULL,
    PRIMARY KEY (journal, epoch, index)
);
COMMENT ON TABLE tidegate.feeds IS 'What the numbers of feeds stand for, from an entry on.';
COMMENT ON COLUMN tidegate.feeds.name IS 'Name of the feed in the configuration.';

CREATE TABLE tidegate.journal_gaps (
    from_index bigint NOT NULL,
    to_index   bigint NOT NULL,
    noted      timestamptz NOT NULL DEFAULT now(),
    journal    smallint NOT NULL REFERENCES tidegate.journals,
    reason     text NOT NULL,
    PRIMARY KEY (journal, from_index)
);
COMMENT ON TABLE tidegate.journal_gaps IS 'Entries that were published and cannot be drained: the journal does not have them.';
COMMENT ON COLUMN tidegate.journal_gaps.from_index IS 'Index of the first entry that is missing.';
COMMENT ON COLUMN tidegate.journal_gaps.to_index IS 'Index of the last one.';
COMMENT ON COLUMN tidegate.journal_gaps.noted IS 'When the drainer came to it.';
COMMENT ON COLUMN tidegate.journal_gaps.journal IS 'Journal: see journals.';
COMMENT ON COLUMN tidegate.journal_gaps.reason IS 'Why: dropped when recorded, damaged on the disk, or removed by retention before it was drained.';

CREATE TABLE tidegate.unreadable (
    ts      timestamptz NOT NULL,
    index   bigint NOT NULL,
    epoch   integer NOT NULL,
    feed    integer NOT NULL,
    journal smallint NOT NULL,
    ts_ns   smallint NOT NULL,
    kind    smallint NOT NULL,
    reason  text NOT NULL,
    payload bytea NOT NULL,
    PRIMARY KEY (journal, epoch, index)
);
COMMENT ON TABLE tidegate.unreadable IS 'Entries of the journal that the drainer does not understand, as they are.';
COMMENT ON COLUMN tidegate.unreadable.kind IS 'Kind of the entry.';
COMMENT ON COLUMN tidegate.unreadable.reason IS 'What is wrong with it.';
COMMENT ON COLUMN tidegate.unreadable.payload IS 'Its bytes.';

CREATE TABLE tidegate.conflicts (
    noted  timestamptz NOT NULL DEFAULT now(),
    leaf   text PRIMARY KEY,
    detail text NOT NULL
);
COMMENT ON TABLE tidegate.conflicts IS 'Partitions whose unique key could not be made: rows are there twice. Nothing is rolled up or dropped there until somebody has looked. Delete the row when it is settled.';
COMMENT ON COLUMN tidegate.conflicts.noted IS 'When it was found.';
COMMENT ON COLUMN tidegate.conflicts.leaf IS 'The partition.';
COMMENT ON COLUMN tidegate.conflicts.detail IS 'What the server said.';

-- What every table of entries has.
DO $$
DECLARE
    t text;
    c record;
BEGIN
    FOREACH t IN ARRAY ARRAY['trades_minutes', 'quotes_minutes', 'orders_minutes', 'records_minutes', 'bars',
        'instruments', 'channel_gaps', 'provider_switches', 'feeds', 'unreadable'] LOOP
        FOR c IN
            SELECT * FROM (VALUES
                ('ts', 'Receive time, to the microsecond. The partitions are cut by it.'),
                ('ts_ns', 'Nanoseconds of the receive time, 0 to 999, beyond ts.'),
                ('ts_event', 'Time of the venue: nanoseconds since 1970, UTC; null if there is none.'),
                ('ts_in_delta', 'Nanoseconds from when the venue sent it to the receive time; 0 where unknown.'),
                ('index', 'Index of the entry in the journal.'),
                ('epoch', 'Start of the gateway in which the entry was recorded.'),
                ('journal', 'Journal: see journals.'),
                ('feed', 'Feed: see feeds.'),
                ('publisher', 'Publisher, as DBN numbers them.'),
                ('instrument', 'Instrument id within the publisher: see instruments.'),
                ('sequence', 'Message number of the venue, its low 32 bits.'),
                ('flags', 'DBN record flags: 128 last of its event, 32 from a snapshot, 4 an unrecovered gap precedes it.'),
                ('rtype', 'DBN record type.')) AS v (name, says)
            WHERE EXISTS (SELECT FROM pg_attribute WHERE attrelid = ('tidegate.' || t)::regclass AND attname = v.name)
        LOOP
            EXECUTE format('COMMENT ON COLUMN tidegate.%I.%I IS %L', t, c.name, c.says);
        END LOOP;
    END LOOP;
    COMMENT ON COLUMN tidegate.bars.ts IS 'Start of the interval. The partitions are cut by it.';

    -- The tiers: rows come into minutes, and move on to hours and to days. Readers see the view.
    FOREACH t IN ARRAY ARRAY['trades', 'quotes', 'orders', 'records'] LOOP
        EXECUTE format('CREATE TABLE tidegate.%I (LIKE tidegate.%I INCLUDING COMMENTS) PARTITION BY RANGE (ts)', t || '_hours', t || '_minutes');
        EXECUTE format('CREATE TABLE tidegate.%I (LIKE tidegate.%I INCLUDING COMMENTS) PARTITION BY RANGE (ts)', t || '_days', t || '_minutes');
        EXECUTE format('CREATE VIEW tidegate.%I AS SELECT * FROM tidegate.%I UNION ALL SELECT * FROM tidegate.%I UNION ALL SELECT * FROM tidegate.%I',
            t, t || '_days', t || '_hours', t || '_minutes');
        FOR c IN
            SELECT a.attname AS name, col_description(a.attrelid, a.attnum) AS says FROM pg_attribute a
            WHERE a.attrelid = ('tidegate.' || t || '_minutes')::regclass AND a.attnum > 0
        LOOP
            EXECUTE format('COMMENT ON COLUMN tidegate.%I.%I IS %L', t, c.name, c.says);
        END LOOP;
        EXECUTE format('COMMENT ON VIEW tidegate.%I IS %L', t, obj_description(('tidegate.' || t || '_minutes')::regclass));
        EXECUTE format('COMMENT ON TABLE tidegate.%I IS %L', t || '_minutes', 'Rows of ' || t || ' as they come: by minutes, inside days.');
        EXECUTE format('COMMENT ON TABLE tidegate.%I IS %L', t || '_hours', 'Rows of ' || t || ' of finished hours.');
        EXECUTE format('COMMENT ON TABLE tidegate.%I IS %L', t || '_days', 'Rows of ' || t || ' of finished days.');
    END LOOP;
    FOR c IN
        SELECT a.attname AS name, col_description('tidegate.instruments'::regclass, a.attnum) AS says FROM pg_attribute a
        WHERE a.attrelid = 'tidegate.instruments'::regclass AND a.attnum > 0
    LOOP
        EXECUTE format('COMMENT ON COLUMN tidegate.instruments_now.%I IS %L', c.name, c.says);
    END LOOP;
END $$;

-- Makes a partition of parent for [lower, upper), unless there is one, and says whether it did. The table
-- is made first and then attached, because CREATE TABLE ... PARTITION OF waits for whoever reads the
-- parent, and makes all who come later wait too. The check spares ATTACH a look at the rows; it says
-- what the bounds of the partition say, and goes, so that rows are not checked twice.
CREATE FUNCTION tidegate.make_partition(parent text, name text, lower timestamptz, upper timestamptz, options text, space text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    IF to_regclass('tidegate.' || quote_ident(name)) IS NOT NULL THEN
        RETURN false;
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('tidegate.make_partition', 0));
    -- Not to_regclass: what it remembers may be older than the lock.
    IF EXISTS (SELECT FROM pg_class c WHERE c.relnamespace = 'tidegate'::regnamespace AND c.relname = make_partition.name) THEN
        RETURN false;
    END IF;
    EXECUTE format('CREATE TABLE tidegate.%I (LIKE tidegate.%I, CONSTRAINT bounds CHECK (ts >= %L AND ts < %L)) %s %s',
        name, parent, lower, upper, options, CASE WHEN space <> '' THEN format('TABLESPACE %I', space) END);
    EXECUTE format('ALTER TABLE tidegate.%I ATTACH PARTITION tidegate.%I FOR VALUES FROM (%L) TO (%L)', parent, name, lower, upper);
    EXECUTE format('ALTER TABLE tidegate.%I DROP CONSTRAINT bounds', name);
    RETURN true;
END $$;
COMMENT ON FUNCTION tidegate.make_partition IS 'Makes a partition, unless there is one, without waiting for readers.';

-- Bars are few: their partitions have their indexes from the start.
CREATE UNIQUE INDEX bars_key ON tidegate.bars (journal, epoch, index, ts);
CREATE INDEX bars_instrument ON tidegate.bars (instrument, ts);
