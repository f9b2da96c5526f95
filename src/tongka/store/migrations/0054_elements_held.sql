-- One session works at a chip at a time: which, and until when it may be silent. A chip is also known by what its maker
-- wrote into it, from the first secure channel on.
ALTER TABLE secure_element
    ADD COLUMN holder text NOT NULL DEFAULT '',         -- the session whose commands went out last; '' when it has ended
    ADD COLUMN held_until timestamptz,
    ADD COLUMN cplc bytea CHECK (length(cplc) = 42);
-- Room for the next version of a row beside it: every round of IF5 notes who holds the chip.
ALTER TABLE secure_element SET (fillfactor = 70);

-- An issuer that gives out no more numbers; its cards stay.
ALTER TABLE card_range ADD COLUMN closed boolean NOT NULL DEFAULT false;

-- What nobody knows: for the job that hands the top-ups of lost phones to people, and for orders that another's session
-- or people have settled meanwhile.
CREATE INDEX orders_unknown ON orders (moved_at) WHERE state = '4';
CREATE INDEX wallet_order_unknown ON wallet_order (card_no) WHERE state = 'unknown';
