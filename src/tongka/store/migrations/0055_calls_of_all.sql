-- How often whoever has a limit has called in a minute, in all web processes together: channels, terminals, riders.
-- Nothing is lost that matters if a crash empties it.
DROP TABLE linkage_calls;
CREATE UNLOGGED TABLE calls (
    minute  bigint NOT NULL,      -- since 1970
    scope   text NOT NULL,        -- who
    times   int NOT NULL,
    PRIMARY KEY (minute, scope)
);
