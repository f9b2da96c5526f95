-- The merchant's side of rides: gates, what they upload, the trips made of it, the trades that trips are paid with.
-- Words: tongka/trips.py, tongka/fares.py. What belongs to a rider has the user in its primary and unique keys.

CREATE TABLE gate (
    gate_id       text PRIMARY KEY,               -- pos_id in the records that it writes
    service       text NOT NULL,                  -- of the fare table
    station       text NOT NULL DEFAULT '',
    role          text NOT NULL CHECK (role IN ('single', 'entry', 'exit', 'either')),
    vehicle       text NOT NULL DEFAULT '',       -- the bus that it is in, as riders know it
    token_digest  bytea NOT NULL UNIQUE,          -- SHA-256; the token itself is shown once and kept nowhere
    active        boolean NOT NULL DEFAULT true,
    next_serial   bigint NOT NULL DEFAULT 1,      -- what it is to upload next: its journal is stored without gaps
    next_reading  bigint NOT NULL DEFAULT 1,      -- what is to be read next of what was uploaded
    read_until    timestamptz NOT NULL DEFAULT 'epoch', -- the latest moment in what was read
    told_until    timestamptz NOT NULL DEFAULT 'epoch'  -- everything up to and with this moment is uploaded, it says
);

-- A gate's journal, as uploaded; whatever it says, it stays.
CREATE TABLE gate_record (
    gate_id      text NOT NULL,
    serial       bigint NOT NULL,
    record       bytea NOT NULL,
    received_at  timestamptz NOT NULL,
    PRIMARY KEY (gate_id, serial)
);
CREATE INDEX gate_record_by_time ON gate_record USING brin (received_at);

-- Records that could not be read, or that repeat a record id with other contents: for people.
CREATE TABLE gate_record_refused (
    gate_id  text NOT NULL,
    serial   bigint NOT NULL,
    code     text NOT NULL,
    reason   text NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (gate_id, serial)
);

-- What a record says: a rider passed a gate. state: open, waits for its turn or its exit; trip, belongs to one; copy,
-- shows a code that was counted elsewhere.
CREATE TABLE tap (
    user_id    text NOT NULL,
    card_type  text NOT NULL,
    card_no    text NOT NULL,
    at         timestamptz NOT NULL,              -- the gate's clock
    gate_id    text NOT NULL,
    record_id  text NOT NULL,
    serial     bigint NOT NULL,
    code       bytea NOT NULL,                    -- SHA-256 of what makes it the same code, whatever its bytes
    service    text NOT NULL,
    station    text NOT NULL,
    vehicle    text NOT NULL,
    role       text NOT NULL,
    late       boolean NOT NULL,
    look_at    timestamptz NOT NULL,              -- its turn: its own moment, for a waiting entry when its exit is due
    state      text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'trip', 'copy')),
    PRIMARY KEY (user_id, gate_id, record_id)
);
CREATE INDEX tap_of_rider ON tap (user_id, card_type, card_no, at) WHERE state = 'open';
CREATE INDEX tap_in_turn ON tap (look_at) WHERE state = 'open';
CREATE INDEX tap_code ON tap (user_id, code);

-- A rider is a user with one of his cards. What he spent decides caps and transfers.
CREATE TABLE rider_spending (
    user_id       text NOT NULL,
    card_type     text NOT NULL,
    card_no       text NOT NULL,
    version       bigint NOT NULL DEFAULT 0,      -- compared and set: two workers never price the same trip
    spent_day     date,
    day_fen       bigint NOT NULL DEFAULT 0,
    month_fen     bigint NOT NULL DEFAULT 0,
    last_service  text NOT NULL DEFAULT '',
    last_end      timestamptz,
    PRIMARY KEY (user_id, card_type, card_no)
);

CREATE TABLE trip (
    user_id        text NOT NULL,
    out_trade_no   text NOT NULL,                 -- made of the first tap: the same however the records came in
    card_type      text NOT NULL,
    card_no        text NOT NULL,
    kind           text NOT NULL CHECK (kind IN ('single', 'paired', 'no_exit', 'no_entry', 'late')),
    service        text NOT NULL,
    started_at     timestamptz NOT NULL,
    business_date  date NOT NULL,
    first_gate     text NOT NULL,
    first_record   text NOT NULL,
    last_gate      text NOT NULL DEFAULT '',
    last_record    text NOT NULL DEFAULT '',
    subject        text NOT NULL,
    fare_version   text NOT NULL,
    amount_fen     bigint NOT NULL CHECK (amount_fen >= 0),
    state          text NOT NULL CHECK (state IN ('free', 'held', 'due', 'unknown', 'settled', 'failed')),
    made_at        timestamptz NOT NULL,
    next_try_at    timestamptz,                   -- null: not by itself any more
    attempts       int NOT NULL DEFAULT 0,
    trade_no       text NOT NULL DEFAULT '',
    error_code     text NOT NULL DEFAULT '',
    message        text NOT NULL DEFAULT '',
    moved_at       timestamptz NOT NULL,
    PRIMARY KEY (user_id, out_trade_no)
);
CREATE INDEX trip_to_send ON trip (next_try_at) WHERE state IN ('due', 'unknown') AND next_try_at IS NOT NULL;
CREATE INDEX trip_by_number ON trip (out_trade_no);
CREATE INDEX trip_by_state ON trip (state, started_at);

CREATE TABLE fare_table (
    version      text PRIMARY KEY,
    valid_from   date NOT NULL UNIQUE,
    contents     text NOT NULL,                   -- TOML, as imported
    imported_at  timestamptz NOT NULL
);

-- Up to where taps were put together; it never goes back.
CREATE TABLE watermark (
    id        boolean PRIMARY KEY DEFAULT true CHECK (id),
    moved_to  timestamptz NOT NULL
);
INSERT INTO watermark (moved_to) VALUES ('epoch');
