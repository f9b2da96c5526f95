-- The sandbox's payment institution. Empty in production, which refuses the simulator.

-- How it answers payment orders that begin with `prefix`; the longest prefix counts, and without a row it says yes.
CREATE TABLE simulated_behaviour (
    prefix     text PRIMARY KEY,
    behaviour  text NOT NULL CHECK (behaviour IN ('yes', 'no', 'unknown'))
);

-- What became of a refund: decided once, and told again from then on.
CREATE TABLE simulated_refund (
    refund_no      text PRIMARY KEY,
    payment_order  text NOT NULL,
    amount_fen     bigint NOT NULL CHECK (amount_fen > 0),
    paid           boolean NOT NULL
);
