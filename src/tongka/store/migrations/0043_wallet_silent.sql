-- Orders under way, for the job that looks for phones that have fallen silent.
CREATE INDEX wallet_order_running ON wallet_order (contacted_at) WHERE state = 'running';
