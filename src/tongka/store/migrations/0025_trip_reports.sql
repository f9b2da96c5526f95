-- Rides that riders are to be told of once they are paid (commerce.data.send): written with the move that settles them.
CREATE TABLE trip_report (
    user_id       text NOT NULL,
    out_trade_no  text NOT NULL,
    report_at     timestamptz,                  -- null: told, or refused for good
    attempts      int NOT NULL DEFAULT 0,
    told_at       timestamptz,
    error         text NOT NULL DEFAULT '',
    PRIMARY KEY (user_id, out_trade_no)
);
CREATE INDEX trip_report_due ON trip_report (report_at) WHERE report_at IS NOT NULL;
