-- How often each channel and each of its terminals ('' : the channel) has called in a minute, in all web processes
-- together. Nothing is lost that matters if a crash empties it.
CREATE UNLOGGED TABLE linkage_calls (
    minute    bigint NOT NULL,      -- since 1970
    domain    text NOT NULL,
    channel   text NOT NULL,
    terminal  text NOT NULL,
    calls     int NOT NULL,
    PRIMARY KEY (minute, domain, channel, terminal)
);
