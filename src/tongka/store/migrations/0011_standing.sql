-- Loads that were paid for and are not on their card are looked for with each request that names the card.
CREATE INDEX orders_paid_waiting ON orders (card_no) WHERE state IN ('1', '3') AND paid;
