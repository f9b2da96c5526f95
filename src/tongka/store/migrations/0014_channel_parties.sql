-- Departments, terminals, operators and devices that OneCard messages may name, by domain; a channel says whether others
-- are refused.

ALTER TABLE linkage_channel ADD COLUMN known_parties_only boolean NOT NULL DEFAULT false;

CREATE TABLE linkage_party (
    domain  text NOT NULL,
    role    text NOT NULL CHECK (role IN ('department', 'terminal', 'operator', 'device')),
    id      text NOT NULL CHECK (id <> ''),
    name    text NOT NULL DEFAULT '',
    active  boolean NOT NULL DEFAULT true,
    PRIMARY KEY (domain, role, id)
);
