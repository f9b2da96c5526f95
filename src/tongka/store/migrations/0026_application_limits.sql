-- What an application may do at the open gateway, and how its certificate is known there.
ALTER TABLE merchant_app
    ADD COLUMN methods text[],                                             -- null: every method
    ADD COLUMN calls_per_s int CHECK (calls_per_s > 0),                    -- null: as the settings say
    ADD COLUMN cert_sn text NOT NULL DEFAULT '';                           -- serial of its certificate; empty: it has none
