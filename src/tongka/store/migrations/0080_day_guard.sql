-- The last closed day stands in the condition of the trigger itself: nothing is looked up for a transfer of an open day.
-- Only the owner may change it, and only forwards: that is what the function is for, whoever serves.
CREATE OR REPLACE FUNCTION transfer_day_open() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'business date % is closed', NEW.business_date
        USING ERRCODE = 'integrity_constraint_violation', CONSTRAINT = 'day_is_closed';
END $$;

CREATE FUNCTION guard_days_through(day date) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format('CREATE OR REPLACE TRIGGER transfer_day_open BEFORE INSERT ON transfer FOR EACH ROW'
                   ' WHEN (NEW.business_date <= %L::date) EXECUTE FUNCTION transfer_day_open()', day);
END $$;
REVOKE ALL ON FUNCTION guard_days_through FROM PUBLIC;
SELECT guard_days_through(coalesce((SELECT max(business_date) FROM closed_day), '-infinity'));

-- Answers null when the day is shut now, the day itself when it was shut before, an earlier day when that one is open.
-- The lock waits for every statement that writes transfers, and keeps out new ones and whoever else closes a day.
CREATE FUNCTION shut_day(day date, moment timestamptz, who text) RETURNS date
LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp AS $$
DECLARE
    next_day date;
BEGIN
    LOCK TABLE transfer IN SHARE ROW EXCLUSIVE MODE;
    SELECT max(business_date) + 1 INTO next_day FROM closed_day;
    IF next_day IS NULL THEN
        SELECT min(business_date) INTO next_day FROM transfer;
    END IF;
    IF day < next_day AND EXISTS (SELECT FROM closed_day) THEN
        RETURN day;
    ELSIF next_day < day THEN
        RETURN next_day;
    END IF;
    INSERT INTO closed_day (business_date, closed_at, closed_by) VALUES (day, moment, who);
    INSERT INTO audit (at, actor, action, subject) VALUES (moment, who, 'close day', day::text);
    PERFORM guard_days_through(day);
    RETURN NULL;
END $$;
