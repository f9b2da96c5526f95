-- The books' side of an institution's bill of a day, and when the sandbox's till has paid back.
CREATE INDEX payment_by_acquirer ON payment (acquirer, created_at);
CREATE INDEX payment_returned ON payment (acquirer, asked_at) WHERE state = 'returned';
CREATE INDEX orders_refunded ON orders (institution, moved_at) WHERE state = 'B';
ALTER TABLE simulated_refund ADD COLUMN decided_at timestamptz;      -- NULL: not at the till, or before this column
