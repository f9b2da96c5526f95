-- A card is sold, and taken back, by one order at a time: one that was broken off is taken up again, not doubled.
CREATE UNIQUE INDEX card_is_being_sold_or_returned ON orders (card_no, kind)
    WHERE kind IN ('sale', 'return') AND state IN ('1', '2', '3', '4', '6', '7', '9');
