-- What people decide about orders in state 9, over the physical card: one proposes, another confirms. It is about one
-- attempt of the order, for which the question was: did the card run the command that was released for it?

CREATE TABLE decision (
    card_no       text NOT NULL,
    order_no      text NOT NULL,
    attempt       int NOT NULL,
    credited      boolean NOT NULL,
    proposed_by   text NOT NULL CHECK (proposed_by <> ''),
    proposed_at   timestamptz NOT NULL,
    reason        text NOT NULL CHECK (reason <> ''),
    confirmed_by  text CHECK (confirmed_by <> ''),
    confirmed_at  timestamptz,
    PRIMARY KEY (card_no, order_no, attempt),
    CONSTRAINT two_people_decide CHECK (lower(confirmed_by) <> lower(proposed_by)),
    CONSTRAINT confirmed_at_some_time CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL))
);

-- Orders that wait for people, and the orders of a day.
CREATE INDEX orders_for_people ON orders (state, moved_at) WHERE state IN ('4', '9', 'C');
CREATE INDEX orders_by_day ON orders USING brin (settlement_date) WITH (autosummarize = on);
