-- An installation knows itself: whoever opens the database under another mode, or with other keys, is refused.

CREATE TABLE installation (
    id     uuid NOT NULL,
    mode   text NOT NULL CHECK (mode IN ('sandbox', 'production')),
    since  timestamptz NOT NULL,
    one    boolean PRIMARY KEY DEFAULT true CHECK (one)      -- there is one row
);

-- What the key store has to hold: by label (card/PROFILE/PURPOSE/VERSION, endpoint/NAME/1 ...) the check value or the
-- public key, never a key; empty where a token does not tell.
CREATE TABLE installation_key (
    label        text PRIMARY KEY,
    fingerprint  text NOT NULL,
    since        timestamptz NOT NULL
);
