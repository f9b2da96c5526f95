-- Card data comes back as the issuer wrote it: hex in his own case.
ALTER TABLE virtual_card
    DROP CONSTRAINT virtual_card_card_data_check,
    ALTER COLUMN card_data DROP DEFAULT,
    ALTER COLUMN card_data TYPE text USING upper(encode(card_data, 'hex')),
    ALTER COLUMN card_data SET DEFAULT '',
    ADD CONSTRAINT card_data_is_hex CHECK (card_data ~ '^([0-9A-Fa-f]{2}){0,64}$');
