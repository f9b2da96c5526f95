-- What can be guessed at is counted in one place, MACs of cards as well as passwords: a row for each scope, under whose
-- lock each of many wrong ones gets its own number.
ALTER TABLE wrong_password RENAME TO wrong_guess;

INSERT INTO wrong_guess (scope, at)
SELECT 'mac|' || card_no, array_agg(at ORDER BY at) FROM mac_failure WHERE at > now() - interval '1 hour' GROUP BY card_no
ON CONFLICT (scope) DO NOTHING;

DROP TABLE mac_failure;
