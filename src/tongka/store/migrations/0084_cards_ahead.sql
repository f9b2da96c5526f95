-- What people found out about a card that had been loaded without the books' knowledge, at one of its online counters.
CREATE TABLE card_explained (
    card_no       text NOT NULL,
    online_atc    int NOT NULL,
    explained_by  text NOT NULL CHECK (explained_by <> ''),
    reason        text NOT NULL CHECK (reason <> ''),
    at            timestamptz NOT NULL,
    PRIMARY KEY (card_no, online_atc)
);

-- What plastic spends offline never comes in: the account says what it is.
UPDATE account SET note = 'loaded onto cards, less what was taken back: the most they can hold' WHERE id = 1;
