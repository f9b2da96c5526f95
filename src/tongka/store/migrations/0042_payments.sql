-- A payment whose order can't be carried out goes back: it is a stray until the institution has taken it back.
ALTER TABLE payment DROP CONSTRAINT payment_state_check;
ALTER TABLE payment ADD CONSTRAINT payment_state_check
    CHECK (state IN ('created', 'paid', 'closed', 'differs', 'stray', 'returned', 'kept'));
CREATE INDEX payment_stray ON payment (asked_at) WHERE state = 'stray';
CREATE INDEX payment_paid ON payment (order_no) WHERE state = 'paid';
