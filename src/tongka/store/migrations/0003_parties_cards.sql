-- Who may speak to us, and the cards on our books.

-- One row a party; `parent` is the institution or merchant it belongs to. An institution has a public key.
CREATE TABLE party (
    role        text NOT NULL CHECK (role IN
                    ('institution', 'partner', 'merchant', 'terminal', 'network', 'operator', 'area', 'channel')),
    id          text NOT NULL CHECK (id <> ''),
    name        text NOT NULL DEFAULT '',
    parent      text NOT NULL DEFAULT '',
    active      boolean NOT NULL DEFAULT true,
    public_key  text NOT NULL DEFAULT '',          -- hex, compressed SM2 point; institutions only
    sign_mode   text NOT NULL DEFAULT 'empty' CHECK (sign_mode IN ('empty', 'omit')),
    PRIMARY KEY (role, id)
);

CREATE TABLE card (
    card_no      text PRIMARY KEY,
    asn          text NOT NULL CHECK (asn ~ '^[0-9]{20}$'),
    profile      text NOT NULL,
    key_version  smallint NOT NULL DEFAULT 1,
    file15       bytea NOT NULL CHECK (length(file15) = 30),   -- as personalised; factors of the card's keys
    status       text NOT NULL DEFAULT '00' CHECK (status IN ('00', '01', '02', '03', '04')),  -- Huzhou card status
    enabled      boolean NOT NULL DEFAULT false,
    sold_on      date,
    valid_to     date,
    deposit_fen  bigint NOT NULL DEFAULT 0 CHECK (deposit_fen >= 0),
    customer     bytea                                          -- sealed personal data of a real-name card
);

-- Failed MACs of a card; more than the limit within an hour, and it is refused.
CREATE TABLE mac_failure (
    card_no  text NOT NULL,
    at       timestamptz NOT NULL,
    id       bigint GENERATED ALWAYS AS IDENTITY,
    PRIMARY KEY (card_no, at, id)
);
