-- Old answers are found without reading all of them. Rows come in the order of their time, so a summary is enough.
CREATE INDEX reply_by_at ON reply USING brin (at) WITH (autosummarize = on);
