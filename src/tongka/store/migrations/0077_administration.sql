-- The card type of plain payment: nobody issues it, and every rider's codes are of it.
INSERT INTO ride_card_type (card_type, title, app_id, prepaid) VALUES ('ANT00001', '公交付款', '', false)
ON CONFLICT DO NOTHING;

-- Whoever changes what administration keeps leaves a row in the audit trail, in the same transaction, whichever way the
-- change came: a command, or SQL by hand. `tongka.actor` is what the session says of itself (tongka/store/db.py).

-- Arguments: what a row is; its key columns; columns of which only the change is told, for they are secret or long.
CREATE FUNCTION administered() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    was     jsonb := coalesce(to_jsonb(OLD), '{}');
    becomes jsonb := coalesce(to_jsonb(NEW), '{}');
    keys    text[] := string_to_array(TG_ARGV[1], ' ');
    hidden  text[] := string_to_array(TG_ARGV[2], ' ');
    told    jsonb;
BEGIN
    SELECT jsonb_object_agg(name, CASE
        WHEN name = ANY (hidden) THEN '"changed"'::jsonb
        WHEN TG_OP = 'UPDATE' THEN jsonb_build_array(was -> name, becomes -> name)
        ELSE coalesce(becomes -> name, was -> name) END)
    INTO told FROM jsonb_object_keys(was || becomes) AS name
    WHERE was -> name IS DISTINCT FROM becomes -> name AND name <> ALL (keys)
      AND (TG_OP = 'UPDATE' OR coalesce(becomes -> name, was -> name) NOT IN ('null', '""'));
    IF TG_OP = 'UPDATE' AND told IS NULL THEN
        RETURN NULL;  -- the same again
    END IF;
    INSERT INTO audit (at, actor, action, subject, detail)
    SELECT now(), coalesce(nullif(current_setting('tongka.actor', true), ''), 'sql:' || session_user),
           CASE TG_OP WHEN 'INSERT' THEN 'add ' WHEN 'UPDATE' THEN 'change ' ELSE 'remove ' END || TG_ARGV[0],
           (SELECT string_agg((was || becomes) ->> key, ' ' ORDER BY nth) FROM unnest(keys) WITH ORDINALITY AS k (key, nth)),
           coalesce(told::text, '');
    RETURN NULL;
END $$;

CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON party
    FOR EACH ROW EXECUTE FUNCTION administered('party', 'role id', '');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON linkage_channel
    FOR EACH ROW EXECUTE FUNCTION administered('channel', 'domain channel', 'sealed_key next_sealed_key');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON linkage_party
    FOR EACH ROW EXECUTE FUNCTION administered('channel party', 'domain role id', '');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON operator
    FOR EACH ROW EXECUTE FUNCTION administered('operator', 'name', 'salt digest');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON merchant_app
    FOR EACH ROW EXECUTE FUNCTION administered('application', 'app_id', '');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON seller
    FOR EACH ROW EXECUTE FUNCTION administered('seller', 'app_id login_name', '');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON ride_card_type
    FOR EACH ROW EXECUTE FUNCTION administered('ride card type', 'card_type', '');
CREATE TRIGGER administered AFTER INSERT OR DELETE OR UPDATE OF service, station, role, vehicle, token_digest, active ON gate
    FOR EACH ROW EXECUTE FUNCTION administered('gate', 'gate_id', 'token_digest read_until told_until');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON fare_table
    FOR EACH ROW EXECUTE FUNCTION administered('fare table', 'version', 'contents');
CREATE TRIGGER administered AFTER INSERT OR DELETE OR UPDATE OF profile, prefix, digits, last_serial, closed ON card_range
    FOR EACH ROW EXECUTE FUNCTION administered('issuer', 'issuer_id', 'next_serial');
CREATE TRIGGER administered AFTER INSERT OR DELETE ON secure_element
    FOR EACH ROW EXECUTE FUNCTION administered('element', 'se_id', 'keys cplc');
CREATE TRIGGER administered AFTER INSERT OR UPDATE OR DELETE ON app_product
    FOR EACH ROW EXECUTE FUNCTION administered('product', 'issuer_id', '');
CREATE TRIGGER administered AFTER INSERT OR DELETE OR UPDATE OF debt_limit_fen ON rider
    FOR EACH ROW EXECUTE FUNCTION administered('rider', 'user_id', '');
CREATE TRIGGER administered AFTER INSERT ON rider_supply
    FOR EACH ROW EXECUTE FUNCTION administered('rider supply', 'user_id reference', '');
CREATE TRIGGER administered AFTER INSERT OR UPDATE ON rider_blacklist
    FOR EACH ROW WHEN (NEW.reason = 'operator') EXECUTE FUNCTION administered('blacklist', 'user_id', '');
CREATE TRIGGER administered_removal AFTER DELETE ON rider_blacklist
    FOR EACH ROW WHEN (OLD.reason = 'operator') EXECUTE FUNCTION administered('blacklist', 'user_id', '');

-- An institution's and a channel's next key, beside the present one while both sides change over.
ALTER TABLE party ADD COLUMN next_public_key text NOT NULL DEFAULT '';
ALTER TABLE linkage_channel ADD COLUMN next_sealed_key bytea;

-- Who saved an operator that another has still to let in.
ALTER TABLE operator ADD COLUMN saved_by text, ADD COLUMN saved_at timestamptz;

-- What one operator has said, and another is to say too. One row each time.
CREATE TABLE proposal (
    command       text NOT NULL,
    contents      text NOT NULL,                     -- for people, and whole: the other says the very same
    proposed_by   text NOT NULL,
    proposed_at   timestamptz NOT NULL,
    confirmed_by  text,
    confirmed_at  timestamptz,
    PRIMARY KEY (command, contents),
    CHECK ((confirmed_by IS NULL) = (confirmed_at IS NULL)),
    CONSTRAINT two_people CHECK (lower(confirmed_by) <> lower(proposed_by))
);
